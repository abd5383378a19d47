// A file of any bytes is a picture with all its pixels, or a sentence; so is the text that a PNG
// carries.
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
  const auto text = likeness::image::readPngText(file);
  std::filesystem::remove(file);
  if (!text && likeness::api::message(text.error()).empty()) std::abort();
  if (!photo) return likeness::api::message(photo.error()).empty() ? (std::abort(), 0) : 0;
  if (photo->image.width <= 0 || photo->image.height <= 0) std::abort();
  return 0;
}
