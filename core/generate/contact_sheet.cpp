// Pictures side by side.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/generate/generator.h"

namespace likeness::generate {

api::Image contactSheet(const std::vector<api::Image>& pictures, int columns) {
  constexpr int kGap = 4;
  if (pictures.empty()) return {};
  const int count = static_cast<int>(pictures.size());
  if (columns <= 0) columns = static_cast<int>(std::ceil(std::sqrt(count)));
  columns = std::min(columns, count);
  const int rows = (count + columns - 1) / columns;
  const auto& cell = pictures.front();
  const auto channels = static_cast<std::size_t>(cell.channels());
  api::Image sheet{
      columns * (cell.width + kGap) - kGap, rows * (cell.height + kGap) - kGap, cell.format, {}};
  const std::size_t sheetRow = static_cast<std::size_t>(sheet.width) * channels;
  const std::size_t cellRow = static_cast<std::size_t>(cell.width) * channels;
  std::vector<std::uint8_t> bytes(sheetRow * static_cast<std::size_t>(sheet.height), 255);
  for (int i = 0; i < count; ++i) {
    const api::Image& picture = pictures[static_cast<std::size_t>(i)];
    if (picture.width != cell.width || picture.height != cell.height ||
        picture.format != cell.format) {
      throw std::invalid_argument("pictures of a sheet must have one size");
    }
    const auto left = static_cast<std::size_t>(i % columns * (cell.width + kGap)) * channels;
    const auto top = static_cast<std::size_t>(i / columns * (cell.height + kGap));
    for (std::size_t y = 0; y < static_cast<std::size_t>(cell.height); ++y) {
      std::memcpy(
          bytes.data() + (top + y) * sheetRow + left, picture.data() + y * cellRow, cellRow);
    }
  }
  sheet.bytes = std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes));
  return sheet;
}

}  // namespace likeness::generate
