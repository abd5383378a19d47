// api::Image <-> cv::Mat inside core/image.
#pragma once

#include <opencv2/core.hpp>

#include "core/api/image.h"

namespace likeness::image {

/// A view without copying; the image must outlive it and must not be written through it. OpenCV
/// stays on the calling thread, where its own pool would compete with LibTorch's for the cores.
inline cv::Mat toMatrix(const api::Image& image) {
  [[maybe_unused]] static const bool alone = (cv::setNumThreads(1), true);
  return {
      image.height, image.width, CV_8UC(image.channels()), const_cast<std::uint8_t*>(image.data())};
}

/// Copies a continuous 8-bit matrix of 1, 3 or 4 channels.
inline api::Image toImage(const cv::Mat& matrix) {
  const auto format = matrix.channels() == 3   ? api::PixelFormat::Rgb8
                      : matrix.channels() == 4 ? api::PixelFormat::Rgba8
                                               : api::PixelFormat::Gray8;
  return {matrix.cols,
          matrix.rows,
          format,
          std::make_shared<const std::vector<std::uint8_t>>(matrix.datastart, matrix.dataend)};
}

}  // namespace likeness::image
