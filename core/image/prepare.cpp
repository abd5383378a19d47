// By hand where a formula is exact, by OpenCV where it resamples.
#include "core/image/prepare.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/image/matrix.h"

namespace likeness::image {
namespace {

/// Rec. 601 luma as torchvision's and PIL's grey.
double grey(const std::uint8_t* rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }

std::uint8_t rounded(double value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

}  // namespace

Shape shapeOf(double aspect, int side, int step) {
  Shape best{side, side};
  double nearest = -1;
  const auto consider = [&](const Shape& shape) {
    const int longer = std::max(shape.width, shape.height);
    const int shorter = std::min(shape.width, shape.height);
    if (shorter == 0 || longer > 2 * shorter) return;
    const double distance =
        std::abs(std::log(aspect) - std::log(static_cast<double>(shape.width) / shape.height));
    constexpr double kSame = 1e-9;
    const auto area = [](const Shape& s) { return s.width * s.height; };
    const bool nearer = nearest < 0 || distance < nearest - kSame;
    const bool larger = distance < nearest + kSame &&
                        std::pair(area(shape), shape.width) > std::pair(area(best), best.width);
    if (!nearer && !larger) return;
    best = shape;
    nearest = distance;
  };
  for (int fixed = step; fixed <= 2 * side; fixed += step) {
    const int fitting = side * side / fixed / step * step;
    consider({fixed, fitting});
    consider({fitting, fixed});
  }
  return best;
}

PixelRect jittered(const PixelRect& cut, double part, const std::array<double, 3>& draws) {
  const double kept = 1 - part * draws[0];
  const auto shrunk = [&](int length) {
    return std::max(1, static_cast<int>(std::lround(length * kept)));
  };
  PixelRect inner{0, 0, shrunk(cut.width), shrunk(cut.height)};
  inner.x = cut.x + static_cast<int>(std::lround((cut.width - inner.width) * draws[1]));
  inner.y = cut.y + static_cast<int>(std::lround((cut.height - inner.height) * draws[2]));
  return inner;
}

api::Image changeColours(const api::Image& image, const ColourChange& change) {
  const std::size_t pixels = image.bytes->size() / 3;
  std::vector<std::uint8_t> out(image.bytes->size());
  double sum = 0;
  for (std::size_t i = 0; i < pixels; ++i) sum += grey(image.data() + 3 * i);
  const double mean =
      change.brightness * sum / static_cast<double>(std::max<std::size_t>(1, pixels));
  for (std::size_t i = 0; i < pixels; ++i) {
    // Brightness and contrast are one line, which grey follows like each channel.
    const auto lit = [&](double value) {
      return mean + change.contrast * (change.brightness * value - mean);
    };
    const std::uint8_t* in = image.data() + 3 * i;
    const double centre = lit(grey(in));
    for (int c = 0; c < 3; ++c)
      out[3 * i + c] = rounded(centre + change.saturation * (lit(in[c]) - centre));
  }
  return {image.width,
          image.height,
          api::PixelFormat::Rgb8,
          std::make_shared<const std::vector<std::uint8_t>>(std::move(out))};
}

api::Result<api::Image> readMask(const std::filesystem::path& file, bool ofAlpha) {
  auto decoded = readPhoto(file);
  if (!decoded) return api::fail(decoded.error());
  const api::Image& alpha = decoded->alpha;
  if (ofAlpha && alpha.empty())
    return api::fail(api::ErrorCode::FileUnreadable,
                     {{"file", file.string()},
                      {"reason", "it is to be its own mask, but nothing of it is transparent"},
                      {"fix", "Name another picture as its mask, or none"}});
  if (ofAlpha) return alpha;
  const api::Image& image = decoded->image;
  std::vector<std::uint8_t> values(image.bytes->size() / 3);
  for (std::size_t i = 0; i < values.size(); ++i) {
    // It was put on white.
    const int white = alpha.empty() ? 0 : 255 - (*alpha.bytes)[i];
    values[i] = rounded(grey(image.data() + 3 * i) - white);
  }
  return api::Image{image.width,
                    image.height,
                    api::PixelFormat::Gray8,
                    std::make_shared<const std::vector<std::uint8_t>>(std::move(values))};
}

std::vector<float> averageMask(
    const api::Image& mask, const PixelRect& cut, int width, int height, const Shape& out) {
  const double scaleX = static_cast<double>(mask.width) / width;
  const double scaleY = static_cast<double>(mask.height) / height;
  const auto edge = [](double at, int limit) {
    return std::clamp(static_cast<int>(std::lround(at)), 0, limit);
  };
  const int left = edge(cut.x * scaleX, mask.width - 1),
            top = edge(cut.y * scaleY, mask.height - 1);
  const int right = std::max(left + 1, edge((cut.x + cut.width) * scaleX, mask.width));
  const int bottom = std::max(top + 1, edge((cut.y + cut.height) * scaleY, mask.height));
  // As float first, so that soft edges are not rounded twice.
  cv::Mat part, small;
  toMatrix(mask)(cv::Rect(left, top, right - left, bottom - top))
      .convertTo(part, CV_32F, 1 / 255.0);
  const bool shrinks = out.width <= part.cols && out.height <= part.rows;
  cv::resize(
      part, small, {out.width, out.height}, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return {small.begin<float>(), small.end<float>()};
}

}  // namespace likeness::image
