// A picture as a value that every thread may hold: immutable bytes behind a shared pointer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace likeness::api {

enum class PixelFormat { Rgb8, Rgba8, Gray8 };

/// Rows are tightly packed, top to bottom, 8 bit per channel, sRGB. Copying shares the bytes.
struct Image {
  int width = 0;   ///< pixels
  int height = 0;  ///< pixels
  PixelFormat format = PixelFormat::Rgb8;
  std::shared_ptr<const std::vector<std::uint8_t>> bytes;  ///< width * height * channels

  int channels() const {
    return format == PixelFormat::Rgb8 ? 3 : format == PixelFormat::Rgba8 ? 4 : 1;
  }
  bool empty() const { return !bytes || bytes->empty(); }
  const std::uint8_t* data() const { return bytes ? bytes->data() : nullptr; }
  /// Same size, format and bytes (not merely the same buffer).
  bool operator==(const Image& other) const {
    return width == other.width && height == other.height && format == other.format &&
           (bytes == other.bytes || (bytes && other.bytes && *bytes == *other.bytes));
  }
};

}  // namespace likeness::api
