// Crop and resize by OpenCV: area averaging when shrinking, Lanczos when growing.
#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/image/matrix.h"
#include "core/image/photo.h"

namespace likeness::image {
namespace {

api::Image resized(const cv::Mat& picture, int width, int height) {
  if (picture.cols == width && picture.rows == height) return toImage(picture.clone());
  const bool shrinks = width <= picture.cols && height <= picture.rows;
  cv::Mat result;
  cv::resize(picture, result, {width, height}, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LANCZOS4);
  return toImage(result);
}

}  // namespace

PixelRect cutOf(const api::Image& image,
                const std::optional<api::CropRect>& crop,
                int width,
                int height) {
  const api::CropRect part = crop.value_or(api::CropRect{});
  // Pixels of the part, then the largest centred rectangle of the target's aspect in it.
  const double left = std::clamp(part.x, 0.0, 1.0) * image.width;
  const double top = std::clamp(part.y, 0.0, 1.0) * image.height;
  const double partWidth =
      std::clamp(part.width * image.width, 1.0, image.width - std::min(left, image.width - 1.0));
  const double partHeight =
      std::clamp(part.height * image.height, 1.0, image.height - std::min(top, image.height - 1.0));
  const double scale = std::min(partWidth / width, partHeight / height);
  const int w = std::clamp(static_cast<int>(std::lround(width * scale)), 1, image.width);
  const int h = std::clamp(static_cast<int>(std::lround(height * scale)), 1, image.height);
  const int x =
      std::clamp(static_cast<int>(std::lround(left + (partWidth - w) / 2)), 0, image.width - w);
  const int y =
      std::clamp(static_cast<int>(std::lround(top + (partHeight - h) / 2)), 0, image.height - h);
  return {x, y, w, h};
}

api::Image cropAndResize(const api::Image& image,
                         const std::optional<api::CropRect>& crop,
                         int width,
                         int height) {
  return resizeCut(image, cutOf(image, crop, width, height), width, height);
}

api::Image resizeCut(const api::Image& image, const PixelRect& cut, int width, int height) {
  return resized(toMatrix(image)(cv::Rect(cut.x, cut.y, cut.width, cut.height)), width, height);
}

api::Image thumbnail(const api::Image& image, int maxSide) {
  const double scale = static_cast<double>(maxSide) / std::max(image.width, image.height);
  if (scale >= 1) return image;
  return resized(toMatrix(image),
                 std::max(1, static_cast<int>(std::lround(image.width * scale))),
                 std::max(1, static_cast<int>(std::lround(image.height * scale))));
}

}  // namespace likeness::image
