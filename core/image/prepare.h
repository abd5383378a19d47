// What training makes of a photo: a shape of about one area, random crops and colours, masks.
#pragma once

#include <array>
#include <filesystem>
#include <vector>

#include "core/image/photo.h"

namespace likeness::image {

/// Pixels of a training picture.
struct Shape {
  int width = 0, height = 0;
  bool operator==(const Shape&) const = default;
};
/// The shape for a picture of this aspect (width / height): sides are multiples of `step`, neither
/// is longer than twice the other, the area is at most side x side so that memory is that of the
/// square. Of all such shapes (the widest for each height and the highest for each width) the one
/// whose aspect is nearest by ratio; of two alike the larger, then the wider. A square of `side`
/// when `step` is larger.
Shape shapeOf(double aspect, int side, int step);

/// `cut` shrunk by up to `part` of its sides (0..1) and moved within itself: of `draws`, each
/// 0..1, the first says how much, the others where.
PixelRect jittered(const PixelRect& cut, double part, const std::array<double, 3>& draws);

/// Factors around 1, applied in this order as torchvision's ColorJitter does each of them.
struct ColourChange {
  double brightness = 1;  ///< times every value
  double contrast = 1;    ///< away from the mean grey of the picture
  double saturation = 1;  ///< away from each pixel's grey
};
/// Rgb8 in and out, rounded once, saturating.
api::Image changeColours(const api::Image& image, const ColourChange& change);

/// How much each pixel counts: Gray8, upright. The brightness of a picture, transparency being
/// black; or with `ofAlpha` a photo's own opacity. Errors: those of readPhoto; FileUnreadable when
/// there is no transparency to take.
api::Result<api::Image> readMask(const std::filesystem::path& file, bool ofAlpha);

/// The part of a mask that belongs to `cut` of its photo (width x height px), averaged by area to
/// out.width x out.height values 0..1, row by row. The mask may be of another size than the photo,
/// not of another shape.
std::vector<float> averageMask(
    const api::Image& mask, const PixelRect& cut, int width, int height, const Shape& out);

}  // namespace likeness::image
