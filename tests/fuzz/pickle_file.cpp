// A pickle file of any bytes is tensors that lie inside it and give as many bytes as their shapes
// say, or a reason.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "core/weights/pickle_file.h"

using namespace likeness;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int descriptor = ::memfd_create("pickle", MFD_CLOEXEC);
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  const auto file = weights::PickleFile::open(descriptor);
  if (!file) {
    const api::Error& error = file.error();
    if (error.value("reason").empty() && error.value("function").empty()) std::abort();
    return 0;
  }
  for (const auto& [name, tensor] : file->tensors()) {
    std::uint64_t expected = weights::bits(tensor.dtype) / 8, read = 0;
    for (const std::int64_t length : tensor.shape) expected *= static_cast<std::uint64_t>(length);
    if (expected > 1 << 20) continue;  // allowed up to 64 MiB, which takes its time
    const auto done = file->read(tensor, [&read](std::span<const std::byte> bytes) {
      read += bytes.size();
      return api::Result<void>();
    });
    if (done && read != expected) std::abort();
  }
  return 0;
}
