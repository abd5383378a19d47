// The decoders behind readPhoto: bytes in, raw pixels as the file stores them out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/api/result.h"

namespace likeness::image {

/// Pixels before colour management and orientation.
struct RawImage {
  enum class Model { Gray, Rgb, Cmyk };
  int width = 0, height = 0;
  Model model = Model::Rgb;
  bool alpha = false;                ///< one more channel behind the colours, not premultiplied
  bool inverted = false;             ///< Cmyk as Adobe writes it: 255 = no ink
  bool animated = false;             ///< more frames follow
  int orientation = 1;               ///< as in EXIF, 1..8; 1 where the decoder has applied it
  std::vector<std::uint8_t> pixels;  ///< 8 bit, interleaved, tightly packed
  std::vector<std::uint8_t> icc;     ///< embedded profile, may be empty

  int colours() const { return model == Model::Gray ? 1 : model == Model::Rgb ? 3 : 4; }
  int channels() const { return colours() + (alpha ? 1 : 0); }
};

using Bytes = std::span<const std::uint8_t>;

/// `file` is for error texts. Errors: DamagedImage, ImageTooLarge, UnsupportedImage.
api::Result<RawImage> decodeJpeg(Bytes bytes, const std::string& file);
api::Result<RawImage> decodePng(Bytes bytes, const std::string& file);
api::Result<RawImage> decodeWebp(Bytes bytes, const std::string& file);
api::Result<RawImage> decodeHeif(Bytes bytes, const std::string& file);

/// Limits checked from the header, before any pixel is allocated. Error: ImageTooLarge.
api::Result<void> checkSize(std::int64_t width, std::int64_t height, const std::string& file);
tl::unexpected<api::Error> damaged(const std::string& file, std::string reason);
tl::unexpected<api::Error> unsupported(const std::string& file, std::string reason);
/// Orientation 1..8 in an EXIF block, with or without its "Exif" mark; 1 when it says nothing or
/// nonsense.
int exifOrientation(Bytes exif);

/// To interleaved 8-bit sRGB, alpha composited on white. Profiles that cannot be used are ignored.
std::vector<std::uint8_t> toSrgb(RawImage raw);

}  // namespace likeness::image
