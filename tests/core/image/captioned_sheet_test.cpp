// Pictures side by side with their captions.
#include "core/image/captioned_sheet.h"

#include <gtest/gtest.h>

namespace likeness::image {
namespace {

api::Image filled(int width, int height, std::uint8_t red) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>();
  for (int i = 0; i < width * height; ++i)
    bytes->insert(bytes->end(), {red, std::uint8_t{0}, std::uint8_t{0}});
  return {width, height, api::PixelFormat::Rgb8, std::move(bytes)};
}

/// Pixels of that pure red.
int count(const api::Image& sheet, std::uint8_t red) {
  int found = 0;
  for (std::size_t i = 0; i < sheet.bytes->size(); i += 3)
    found += (*sheet.bytes)[i] == red && (*sheet.bytes)[i + 1] == 0 && (*sheet.bytes)[i + 2] == 0;
  return found;
}

TEST(CaptionedSheet, EveryPictureIsThereAndNothingElseOverIt) {
  const api::Image sheet =
      captionedSheet({"step 20", std::string(500, 'x') + " \xC3\xA9 word"},
                     {"guidance 2", "a b c d e f g h i j k l m n o p q r"},
                     {filled(120, 100, 200), filled(120, 100, 201), {}, filled(64, 64, 202)});
  EXPECT_EQ(count(sheet, 200), 120 * 100);
  EXPECT_EQ(count(sheet, 201), 120 * 100);
  EXPECT_EQ(count(sheet, 202), 64 * 64);
}

TEST(CaptionedSheet, CaptionsAreWritten) {
  const auto dark = [](const api::Image& sheet) {
    int found = 0;
    for (const std::uint8_t value : *sheet.bytes) found += value < 128;
    return found;
  };
  const api::Image picture = filled(100, 100, 200);
  EXPECT_GT(dark(captionedSheet({"row"}, {"column"}, {picture})),
            dark(captionedSheet({""}, {""}, {picture})) + 50);
}

TEST(CaptionedSheet, OfNothingThereIsNothing) {
  EXPECT_TRUE(captionedSheet({"a"}, {"b"}, {{}}).empty());
}

}  // namespace
}  // namespace likeness::image
