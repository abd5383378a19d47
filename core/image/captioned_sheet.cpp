#include "core/image/captioned_sheet.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <sstream>

#include "core/image/matrix.h"

namespace likeness::image {
namespace {

constexpr int kGap = 6;         // pixels
constexpr int kLeastSide = 96;  // of a place, for its captions
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kBaseHeight = 22;  // of the font's letters at scale 1, pixels
constexpr std::size_t kLines = 3;

/// Each letter that the font lacks is one "?".
std::string plain(const std::string& text) {
  std::string letters;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) letters += c;
    if (byte >= 0xC0) letters += '?';
  }
  return letters;
}

struct Pen {
  double scale;
  int lineHeight;
  int widthOf(const std::string& text) const {
    return cv::getTextSize(text, kFont, scale, 1, nullptr).width;
  }
  std::vector<std::string> lines(const std::string& text, int width) const {
    std::vector<std::string> lines;
    std::istringstream words(plain(text));
    for (std::string word; words >> word;) {
      const bool fits = !lines.empty() && widthOf(lines.back() + ' ' + word) <= width;
      if (fits)
        lines.back() += ' ' + word;
      else
        lines.push_back(word);
    }
    if (lines.size() > kLines) {
      lines.resize(kLines);
      lines.back() += "...";
    }
    for (std::string& line : lines)
      while (line.size() > 1 && widthOf(line) > width) line.pop_back();
    return lines;
  }
  /// In the middle of `box`, from its left edge.
  void write(cv::Mat& sheet, const cv::Rect& box, const std::string& text) const {
    const auto all = lines(text, box.width - kGap);
    int y = box.y + (box.height - lineHeight * static_cast<int>(all.size())) / 2;
    for (const std::string& line : all) {
      y += lineHeight;
      cv::putText(sheet,
                  line,
                  {box.x + kGap / 2, y - lineHeight / 4},
                  kFont,
                  scale,
                  cv::Scalar(40, 40, 40),
                  1,
                  cv::LINE_AA);
    }
  }
};

}  // namespace

api::Image captionedSheet(const std::vector<std::string>& rows,
                          const std::vector<std::string>& columns,
                          const std::vector<api::Image>& pictures) {
  cv::Size tile;
  for (const api::Image& picture : pictures)
    tile = {std::max(tile.width, picture.width), std::max(tile.height, picture.height)};
  if (tile.empty()) return {};
  tile = {std::max(tile.width, kLeastSide), std::max(tile.height, kLeastSide)};
  const int lineHeight = std::clamp(std::min(tile.width, tile.height) / 9, 12, 48);
  const Pen pen{lineHeight * 0.6 / kBaseHeight, lineHeight};
  const cv::Size names(std::max(kLeastSide, tile.width * 3 / 5),
                       lineHeight * static_cast<int>(kLines) + kGap);
  const auto place = [&](std::size_t row, std::size_t column) {
    return cv::Rect({names.width + static_cast<int>(column) * (tile.width + kGap),
                     names.height + static_cast<int>(row) * (tile.height + kGap)},
                    tile);
  };
  const cv::Rect last = place(rows.size(), columns.size());
  cv::Mat sheet(last.y, last.x, CV_8UC3, cv::Scalar(255, 255, 255));
  for (std::size_t column = 0; column < columns.size(); ++column)
    pen.write(sheet, {place(0, column).x, 0, tile.width, names.height}, columns[column]);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    pen.write(sheet, {0, place(row, 0).y, names.width, tile.height}, rows[row]);
    for (std::size_t column = 0; column < columns.size(); ++column) {
      const api::Image& picture = pictures[row * columns.size() + column];
      cv::Rect box = place(row, column);
      if (picture.empty()) {
        sheet(box).setTo(cv::Scalar(224, 224, 224));
        continue;
      }
      box.width = picture.width;
      box.height = picture.height;
      toMatrix(picture).copyTo(sheet(box));
    }
  }
  return toImage(sheet);
}

}  // namespace likeness::image
