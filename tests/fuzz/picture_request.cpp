// The JSON that a PNG carries may come from anyone.
#include <cstdlib>

#include "core/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto request = likeness::config::generateRequestFromJson(text, "picture.png");
  if (!request) return likeness::api::message(request.error()).empty() ? (std::abort(), 0) : 0;
  const auto again =
      likeness::config::generateRequestFromJson(likeness::config::toJson(*request), "again.png");
  if (!again || *again != *request) std::abort();
  return 0;
}
