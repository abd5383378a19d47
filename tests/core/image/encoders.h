// Files for the decoders, made in memory by the reference libraries.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace likeness::image::test {

using Pixels = std::vector<std::uint8_t>;
/// Value of channel c at (x, y).
using Paint = std::function<std::uint8_t(int x, int y, int c)>;

Pixels paint(int width, int height, int channels, const Paint& value);

/// channels 1 grey, 3 RGB, 4 CMYK with Adobe's marker (255 = no ink). Quality 95, no chroma
/// subsampling.
std::string jpeg(const Pixels& pixels, int width, int height, int channels, const Pixels& icc = {});
/// The same file with an EXIF segment that holds nothing but the orientation.
std::string withOrientation(const std::string& jpegFile, int orientation);

struct PngOptions {
  int bitDepth = 8;      ///< 16: `pixels` holds big-endian pairs
  bool palette = false;  ///< pixels are indices into red, green, blue, transparent white
  Pixels icc;
};
std::string png(
    const Pixels& pixels, int width, int height, int channels, const PngOptions& options = {});
std::string webp(const Pixels& pixels, int width, int height, int channels);
std::string animatedWebp(const std::vector<Pixels>& rgbaFrames, int width, int height);
/// Adobe RGB (1998): its primaries, D65, gamma 2.2.
Pixels adobeRgbProfile();

}  // namespace likeness::image::test
