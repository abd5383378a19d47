#include "core/remote/shared_picture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <string>

#include "core/base/file_system.h"

namespace likeness::remote {
namespace {

using base::Descriptor;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr int kMaxSide = 1 << 15;

tl::unexpected<api::Error> wrong(std::string reason) {
  return api::fail(api::ErrorCode::Internal, {}, "a picture between the programs: " + reason);
}

}  // namespace

api::Result<Descriptor> sharePicture(const api::Image& image) {
  Descriptor memory(::memfd_create("likeness-picture", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (memory.number < 0) return wrong(std::strerror(errno));
  if (const int error =
          base::fileOperations().write(memory.number, std::as_bytes(std::span(*image.bytes))))
    return wrong(std::strerror(error));
  if (::fcntl(memory.number, F_ADD_SEALS, kSeals) != 0) return wrong(std::strerror(errno));
  return memory;
}

api::Result<void> takePicture(api::Image& image, const Descriptor& memory) {
  if (memory.number < 0) {
    if (image.width == 0 && image.height == 0) return {};
    return wrong("it is missing");
  }
  if (image.width < 1 || image.width > kMaxSide || image.height < 1 || image.height > kMaxSide)
    return wrong("its size cannot be");
  // Only memory has seals: a pipe or a file of a slow disk could let the reader wait.
  const int seals = ::fcntl(memory.number, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return wrong("it is not sealed");
  const std::size_t size = static_cast<std::size_t>(image.width) *
                           static_cast<std::size_t>(image.height) *
                           static_cast<std::size_t>(image.channels());
  struct stat info {};
  if (::fstat(memory.number, &info) != 0 || static_cast<std::size_t>(info.st_size) != size)
    return wrong("it has another size");
  auto bytes = std::make_shared<std::vector<std::uint8_t>>(size);
  if (base::readAt(memory.number, 0, std::as_writable_bytes(std::span(*bytes))) != 0)
    return wrong("it cannot be read");
  image.bytes = std::move(bytes);
  return {};
}

}  // namespace likeness::remote
