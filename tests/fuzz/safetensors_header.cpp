// A safetensors header of any bytes is a Header whose every tensor lies inside the data, or a
// reason.
#include <cstdlib>

#include "core/weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kDataBytes = 64;
  const auto header =
      likeness::weights::parseHeader({reinterpret_cast<const char*>(data), size}, kDataBytes);
  if (!header) return header.error().empty() ? (std::abort(), 0) : 0;
  for (const auto& [name, tensor] : header->tensors)
    if (tensor.begin > tensor.end || tensor.end > kDataBytes) std::abort();
  return 0;
}
