// What a person should know about a photo before training on it.
#include <algorithm>
#include <array>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/image/matrix.h"
#include "core/image/photo.h"

namespace likeness::image {
namespace {

using api::FindingKind;

/// Sharpest places count: a soft background is no blur. Variance of the Laplacian in the best 5 %
/// of 32 px tiles of the picture at 512 px. Sharp photos have several hundred, out-of-focus ones a
/// few tens.
constexpr double kSharpEnough = 90;
constexpr double kDark = 35;  ///< mean of 255
constexpr double kBarBrightness = 12;
constexpr double kBarShare = 0.03;  ///< of the side

double sharpness(const cv::Mat& gray) {
  cv::Mat laplacian;
  cv::Laplacian(gray, laplacian, CV_32F);
  std::vector<double> tiles;
  constexpr int side = 32;
  for (int y = 0; y + side <= gray.rows; y += side)
    for (int x = 0; x + side <= gray.cols; x += side) {
      cv::Scalar mean, deviation;
      cv::meanStdDev(laplacian(cv::Rect(x, y, side, side)), mean, deviation);
      tiles.push_back(deviation[0] * deviation[0]);
    }
  if (tiles.empty()) return kSharpEnough;  // too small to tell
  const auto best = tiles.begin() + static_cast<std::ptrdiff_t>(tiles.size() * 95 / 100);
  std::nth_element(tiles.begin(), best, tiles.end());
  return *best;
}

/// Rows of a bar at the top: evenly black, and then the picture begins over most of the width. A
/// subject in front of something black begins with a few pixels.
int barRows(const cv::Mat& gray) {
  int rows = 0;
  for (; rows < gray.rows; ++rows) {
    double low = 0, high = 0;
    cv::minMaxLoc(gray.row(rows), &low, &high);
    if (high > kBarBrightness) break;
  }
  if (rows == 0 || rows == gray.rows) return 0;  // an all-black picture is dark, not framed
  const cv::Mat next = gray.row(std::min(rows + 1, gray.rows - 1));  // beyond what JPEG smeared
  return cv::countNonZero(next > kBarBrightness) * 2 >= gray.cols ? rows : 0;
}

/// Bars come in pairs: above and below, or left and right.
bool hasBlackBars(const cv::Mat& gray) {
  const auto framed = [](const cv::Mat& picture) {
    cv::Mat flipped;
    cv::flip(picture, flipped, 0);
    const double enough = std::max(2.0, kBarShare * picture.rows);
    return barRows(picture) >= enough && barRows(flipped) >= enough;
  };
  return framed(gray) || framed(gray.t());
}

}  // namespace

std::vector<api::PhotoFinding> checkPhoto(const api::Image& image, int resolution) {
  std::vector<api::PhotoFinding> findings;
  const auto find = [&](FindingKind kind, std::string text) {
    findings.push_back({kind, std::move(text), {}});
  };
  const int side = std::min(image.width, image.height);
  if (resolution > 0 && side < resolution)
    find(FindingKind::Small,
         "Its shorter side has " + std::to_string(side) + " px, the model sees " +
             std::to_string(resolution) + " px: it will be enlarged.");
  const api::Image small = thumbnail(image, 512);
  cv::Mat gray;
  cv::cvtColor(toMatrix(small), gray, cv::COLOR_RGB2GRAY);
  if (hasBlackBars(gray))
    find(FindingKind::BlackBars, "It has black bars, which would be learned too.");
  if (cv::mean(gray)[0] < kDark)
    find(FindingKind::Dark, "It is very dark.");
  else if (sharpness(gray) < kSharpEnough)
    find(FindingKind::Blurry, "It looks blurry.");
  return findings;
}

std::uint64_t perceptualHash(const api::Image& image) {
  cv::Mat gray, small, frequencies;
  cv::cvtColor(toMatrix(image), gray, cv::COLOR_RGB2GRAY);
  cv::resize(gray, small, {32, 32}, 0, 0, cv::INTER_AREA);
  small.convertTo(small, CV_32F);
  cv::dct(small, frequencies);
  // The 8 x 8 lowest frequencies against their median; the mean (0, 0) says nothing of the shape.
  std::array<float, 64> values{};
  for (int i = 0; i < 64; ++i) values[i] = frequencies.at<float>(i / 8, i % 8);
  auto sorted = values;
  std::nth_element(sorted.begin() + 1, sorted.begin() + 32, sorted.end());
  std::uint64_t hash = 0;
  for (int i = 1; i < 64; ++i) hash = hash << 1 | (values[i] > sorted[32] ? 1 : 0);
  return hash;
}

}  // namespace likeness::image
