// Messages between window and engine: any bytes are a message or an error, and what was read is
// written as the same.
#include <cstdlib>

#include "core/remote/messages.h"

namespace {

template <class M>
void feed(std::string_view bytes) {
  const auto message = likeness::remote::decode<M>(bytes);
  if (!message) {
    if (message.error().detail.empty()) std::abort();
    return;
  }
  const std::string written = likeness::remote::encode(*message);
  const auto again = likeness::remote::decode<M>(written);
  if (!again || likeness::remote::encode(*again) != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  feed<likeness::remote::ToEngine>(bytes);
  feed<likeness::remote::FromEngine>(bytes);
  return 0;
}
