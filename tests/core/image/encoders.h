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

/// EXIF that holds nothing but the orientation, from its TIFF header on.
std::string exif(int orientation);

/// channels 1 grey, 3 RGB, 4 CMYK with Adobe's marker (255 = no ink). Quality 95, no chroma
/// subsampling.
std::string jpeg(const Pixels& pixels, int width, int height, int channels, const Pixels& icc = {});
/// Grey and progressive: the usual scans, or one for every bit of every coefficient.
std::string progressiveJpeg(const Pixels& pixels, int width, int height, bool everyBit);
/// The same file with an EXIF segment.
std::string withOrientation(const std::string& jpegFile, int orientation);

struct PngOptions {
  int bitDepth = 8;      ///< 16: `pixels` holds big-endian pairs
  bool palette = false;  ///< pixels are indices into red, green, blue, transparent white
  Pixels icc = {};
  int orientation = 0;          ///< in an eXIf chunk
  std::string parameters = {};  ///< Latin-1 text under that name
  bool animated = false;        ///< with the mark of an animation
};
std::string png(
    const Pixels& pixels, int width, int height, int channels, const PngOptions& options = {});
std::string webp(const Pixels& pixels, int width, int height, int channels);
std::string withWebpOrientation(const std::string& webpFile, int orientation);
std::string animatedWebp(const std::vector<Pixels>& rgbaFrames, int width, int height);
/// Adobe RGB (1998): its primaries, D65, gamma 2.2.
Pixels adobeRgbProfile();

}  // namespace likeness::image::test
