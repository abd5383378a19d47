// A file of any bytes is a picture with all its pixels, or a sentence.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/image/photo.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto file =
      std::filesystem::temp_directory_path() / ("likeness-fuzz-" + std::to_string(::getpid()));
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const auto photo = likeness::image::readPhoto(file);
  std::filesystem::remove(file);
  if (!photo) return likeness::api::message(photo.error()).empty() ? (std::abort(), 0) : 0;
  if (photo->image.width <= 0 || photo->image.height <= 0) std::abort();
  return 0;
}
