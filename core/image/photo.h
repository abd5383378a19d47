// From a file of any kind that a person may drop to upright sRGB pixels, or a sentence why not.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/api/image.h"
#include "core/api/requests.h"
#include "core/api/workspace.h"

namespace likeness::image {

/// Decodes JPEG (grey, CMYK, YCCK), PNG (palette, 16 bit, alpha), WebP, HEIC (if built in): EXIF
/// orientation applied, ICC profile to sRGB, alpha composited on white, first frame of an
/// animation. Limits: 100 megapixels, 20,000 px a side, 256 MiB of file. A short read of any
/// decoder and every warning of libjpeg, which makes up missing pixels, refuse the file. Any
/// thread. Errors: FileNotFound, FileUnreadable, NotAnImage, DamagedImage, ImageTooLarge,
/// UnsupportedImage.
struct Decoded {
  api::Image image;       ///< Rgb8
  bool animated = false;  ///< only the first frame was taken
  api::Image alpha{};     ///< Gray8, the opacity, where the file had one
};
api::Result<Decoded> readPhoto(const std::filesystem::path& file);

/// Pixels of a picture.
struct PixelRect {
  int x = 0, y = 0, width = 0, height = 0;
};
/// What cropAndResize takes of an image.
PixelRect cutOf(const api::Image& image,
                const std::optional<api::CropRect>& crop,
                int width,
                int height);
/// Exactly `cut`, scaled as below.
api::Image resizeCut(const api::Image& image, const PixelRect& cut, int width, int height);
/// Antialiased resize (area when shrinking, Lanczos when growing); never changes the aspect of the
/// crop: crops first. `crop` in fractions; absent = the largest centred rectangle of the target's
/// aspect.
api::Image cropAndResize(const api::Image& image,
                         const std::optional<api::CropRect>& crop,
                         int width,
                         int height);
/// Fits into maxSide x maxSide, keeps the aspect, never enlarges.
api::Image thumbnail(const api::Image& image, int maxSide);

/// Lossy WebP, for pages that embed pictures. Empty when it cannot be encoded.
std::string encodeWebp(const api::Image& image);
/// How far two Rgb8 pictures differ in their large forms and colours: 1 - the correlation of their
/// 16 x 16 averages, 0 (the same) to 2; 1 = unrelated. It tells whether a seed still gives the same
/// composition, not whether a different one shows the same kind of thing.
double structureDistance(const api::Image& a, const api::Image& b);

/// Checks of one photo (blur, small for `resolution`, black bars, dark); sentences in English.
std::vector<api::PhotoFinding> checkPhoto(const api::Image& image, int resolution);
/// 64-bit perceptual hash (DCT); Hamming distance at most 6 = nearly the same.
std::uint64_t perceptualHash(const api::Image& image);

/// PNG with text chunks: `likeness` (iTXt, the request as JSON) and A1111's `parameters` (tEXt
/// while it is ASCII). Atomic. Errors: FileUnwritable, DiskFull.
api::Result<void> writePng(const std::filesystem::path& file,
                           const api::Image& image,
                           const std::vector<std::pair<std::string, std::string>>& text = {});
/// Every text chunk before the pixels, as UTF-8. Errors: FileNotFound, FileUnreadable,
/// UnsupportedImage (no PNG), DamagedImage.
api::Result<std::vector<std::pair<std::string, std::string>>> readPngText(
    const std::filesystem::path& file);

}  // namespace likeness::image
