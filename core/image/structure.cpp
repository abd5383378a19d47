// How alike two pictures are from afar.
#include <opencv2/imgproc.hpp>

#include "core/image/matrix.h"
#include "core/image/photo.h"

namespace likeness::image {
namespace {

constexpr int kSide = 16;

/// The averages without their mean: a vector whose direction is the picture's structure.
cv::Mat structure(const api::Image& image) {
  cv::Mat small, values;
  cv::resize(toMatrix(image), small, {kSide, kSide}, 0, 0, cv::INTER_AREA);
  small.reshape(1, 1).convertTo(values, CV_64F);
  return values - cv::mean(values);
}

}  // namespace

double structureDistance(const api::Image& a, const api::Image& b) {
  const cv::Mat first = structure(a), second = structure(b);
  const double norms = cv::norm(first) * cv::norm(second);
  if (norms == 0) return cv::norm(first) == cv::norm(second) ? 0 : 1;  // without any structure
  return 1 - first.dot(second) / norms;
}

}  // namespace likeness::image
