// Shapes, random crops and colours, masks.
#include "core/image/prepare.h"

#include <gmock/gmock.h>

#include "tests/core/image/encoders.h"
#include "tests/support/temp_folder.h"

namespace likeness::image {

void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.width << "x" << shape.height; }

namespace {

using testing::ElementsAre;
using testing::FloatNear;

TEST(ShapeOf, IsTheNearestOfAboutOneArea) {
  const struct {
    double aspect;
    int side, step;
    Shape shape;
  } cases[] = {{1, 512, 64, {512, 512}},
               {4.0 / 3, 512, 64, {576, 448}},
               {0.75, 512, 64, {448, 576}},
               {1.5, 512, 64, {640, 384}},
               {9, 512, 64, {640, 384}},
               {1.5, 1024, 64, {1216, 832}},
               {1.5, 128, 64, {128, 128}},
               {1.5, 128, 16, {160, 96}},
               {1.5, 128, 256, {128, 128}},
               {1, 200, 64, {192, 192}}};
  for (const auto& c : cases)
    EXPECT_EQ(shapeOf(c.aspect, c.side, c.step), c.shape) << c.aspect << " " << c.side;
  for (double aspect = 0.2; aspect < 5; aspect *= 1.07) {
    const Shape shape = shapeOf(aspect, 512, 8);
    EXPECT_EQ(shape.width % 8 + shape.height % 8, 0);
    EXPECT_LE(shape.width * shape.height, 512 * 512);
    EXPECT_LE(std::max(shape.width, shape.height), 2 * std::min(shape.width, shape.height));
    EXPECT_NEAR(1.0 * shape.width / shape.height, std::clamp(aspect, 0.5, 2.0), 0.03);
  }
}

TEST(Jittered, StaysWithinTheCut) {
  const PixelRect cut{10, 20, 100, 50};
  const auto of = [&](double part, const std::array<double, 3>& draws) {
    const PixelRect r = jittered(cut, part, draws);
    return std::array{r.x, r.y, r.width, r.height};
  };
  EXPECT_THAT(of(0, {1, 1, 1}), ElementsAre(10, 20, 100, 50));
  EXPECT_THAT(of(0.2, {0, 1, 1}), ElementsAre(10, 20, 100, 50));
  EXPECT_THAT(of(0.2, {1, 0, 0}), ElementsAre(10, 20, 80, 40));
  EXPECT_THAT(of(0.2, {1, 1, 1}), ElementsAre(30, 30, 80, 40));
  EXPECT_THAT(of(0.5, {0.5, 0.5, 1}), ElementsAre(23, 32, 75, 38));
}

TEST(ChangeColours, FollowsTorchvision) {
  const auto changed = [](const ColourChange& change) {
    // Greys 100 and 50; a pixel of grey 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2.
    const api::Image image{3,
                           1,
                           api::PixelFormat::Rgb8,
                           std::make_shared<const std::vector<std::uint8_t>>(
                               std::vector<std::uint8_t>{100, 100, 100, 50, 50, 50, 200, 100, 50})};
    return *changeColours(image, change).bytes;
  };
  EXPECT_THAT(changed({}), ElementsAre(100, 100, 100, 50, 50, 50, 200, 100, 50));
  EXPECT_THAT(changed({.brightness = 1.5}), ElementsAre(150, 150, 150, 75, 75, 75, 255, 150, 75));
  // The mean grey is 91.4: 91.4 + 0.5 (v - 91.4).
  EXPECT_THAT(changed({.contrast = 0.5}), ElementsAre(96, 96, 96, 71, 71, 71, 146, 96, 71));
  EXPECT_THAT(changed({.saturation = 0}), ElementsAre(100, 100, 100, 50, 50, 50, 124, 124, 124));
  EXPECT_THAT(changed({.saturation = 1.5}), ElementsAre(100, 100, 100, 50, 50, 50, 238, 88, 13));
}

TEST(Mask, IsBrightnessOnBlackOrThePhotosOpacity) {
  const support::TempFolder folder;
  // Left half transparent; white, then grey 100 below.
  const auto pixels = test::paint(2, 2, 4, [](int x, int y, int c) {
    return static_cast<std::uint8_t>(c == 3 ? (x == 0 ? 0 : 51) : y == 0 ? 255 : 100);
  });
  const auto clear = support::put(folder / "clear.png", test::png(pixels, 2, 2, 4));
  EXPECT_THAT(*readMask(clear, true)->bytes, ElementsAre(0, 51, 0, 51));
  EXPECT_THAT(*readMask(clear, false)->bytes, ElementsAre(0, 51, 0, 20));
  const auto opaque = support::put(
      folder / "opaque.png",
      test::png(test::paint(2, 1, 1, [](int x, int, int) { return x ? 200 : 3; }), 2, 1, 1));
  EXPECT_THAT(*readMask(opaque, false)->bytes, ElementsAre(3, 200));
  EXPECT_EQ(readMask(opaque, true).error().code, api::ErrorCode::FileUnreadable);
}

TEST(Mask, IsAveragedOverItsPartOfThePhoto) {
  const auto mask = [](int scale) {  // 8 x 4 of a photo: columns 0..7 are worth 0, 10, .. 70
    return api::Image{8 * scale,
                      4 * scale,
                      api::PixelFormat::Gray8,
                      std::make_shared<const std::vector<std::uint8_t>>(
                          test::paint(8 * scale, 4 * scale, 1, [=](int x, int, int) {
                            return static_cast<std::uint8_t>(10 * (x / scale));
                          }))};
  };
  for (const int scale : {1, 3}) {
    const auto values = averageMask(mask(scale), {2, 0, 4, 4}, 8, 4, {2, 2});
    EXPECT_THAT(values,
                ElementsAre(FloatNear(25 / 255.0F, 1e-6F),
                            FloatNear(45 / 255.0F, 1e-6F),
                            FloatNear(25 / 255.0F, 1e-6F),
                            FloatNear(45 / 255.0F, 1e-6F)))
        << scale;
  }
}

}  // namespace
}  // namespace likeness::image
