// Crops, checks, hashes and PNG files with text.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <opencv2/imgproc.hpp>

#include "core/image/matrix.h"
#include "core/image/photo.h"
#include "tests/core/image/encoders.h"
#include "tests/support/temp_folder.h"

namespace likeness::image {
namespace {

namespace fs = std::filesystem;
using api::FindingKind;

api::Image painted(int width, int height, const test::Paint& value) {
  return {width,
          height,
          api::PixelFormat::Rgb8,
          std::make_shared<const test::Pixels>(test::paint(width, height, 3, value))};
}
/// Red rises with x, green with y.
api::Image gradient(int width, int height) {
  return painted(width, height, [&](int x, int y, int c) {
    return static_cast<std::uint8_t>(c == 0 ? 255 * x / width : c == 1 ? 255 * y / height : 0);
  });
}
int channel(const api::Image& image, int x, int y, int c) {
  return image.data()[(y * image.width + x) * 3 + c];
}
api::Image sample(const char* name) {
  const fs::path file = fs::path(LIKENESS_SOURCE_DIR) / "resources" / "samples" / name;
  return readPhoto(file).value().image;
}
bool has(const std::vector<api::PhotoFinding>& findings, FindingKind kind) {
  return std::any_of(
      findings.begin(), findings.end(), [=](const auto& f) { return f.kind == kind; });
}

TEST(CropAndResize, takesTheCentreAndNeverSquashes) {
  const api::Image square = cropAndResize(gradient(400, 100), {}, 50, 50);
  ASSERT_EQ(square.width, 50);
  ASSERT_EQ(square.height, 50);
  // The middle 100 of 400 columns: red from 3/8 to 5/8; all rows.
  EXPECT_NEAR(channel(square, 0, 25, 0), 255 * 150 / 400, 3);
  EXPECT_NEAR(channel(square, 49, 25, 0), 255 * 250 / 400, 3);
  EXPECT_NEAR(channel(square, 25, 0, 1), 2, 3);
  EXPECT_NEAR(channel(square, 25, 49, 1), 252, 3);
}

TEST(CropAndResize, followsTheGivenCrop) {
  const api::Image part =
      cropAndResize(gradient(200, 200), api::CropRect{0.5, 0, 0.5, 0.5}, 20, 20);
  EXPECT_NEAR(channel(part, 0, 0, 0), 128, 4);
  EXPECT_NEAR(channel(part, 19, 0, 0), 252, 4);
  EXPECT_NEAR(channel(part, 0, 19, 1), 126, 4);
}

TEST(CropAndResize, survivesCropsOutsideThePicture) {
  for (const api::CropRect& crop :
       {api::CropRect{-1, -1, 5, 5}, {2, 2, 1, 1}, {0.99, 0.99, 0, 0}}) {
    const api::Image part = cropAndResize(gradient(30, 20), crop, 16, 16);
    EXPECT_EQ(part.width, 16);
    EXPECT_EQ(part.height, 16);
  }
}

TEST(CropAndResize, averagesWhenShrinking) {
  const api::Image checks = painted(
      64, 64, [](int x, int y, int) { return static_cast<std::uint8_t>((x + y) % 2 ? 255 : 0); });
  const api::Image small = cropAndResize(checks, {}, 8, 8);
  for (const auto value : *small.bytes) EXPECT_NEAR(value, 128, 1);
}

TEST(Thumbnail, keepsTheAspectAndNeverEnlarges) {
  const api::Image wide = thumbnail(gradient(400, 100), 200);
  EXPECT_EQ(wide.width, 200);
  EXPECT_EQ(wide.height, 50);
  EXPECT_EQ(thumbnail(gradient(40, 30), 200), gradient(40, 30));
  EXPECT_EQ(thumbnail(gradient(10'000, 3), 100).height, 1);
}

TEST(CheckPhoto, hasNothingAgainstGoodPhotos) {
  for (const char* name :
       {"duck_toy/00.jpg", "duck_toy/01.jpg", "duck_toy/02.jpg", "duck_toy/03.jpg"})
    for (const auto& finding : checkPhoto(sample(name), 128)) ADD_FAILURE() << name << finding.text;
}

TEST(CheckPhoto, seesBlur) {
  cv::Mat picture = toMatrix(sample("duck_toy/00.jpg")).clone();
  cv::GaussianBlur(picture, picture, {0, 0}, 4);
  EXPECT_TRUE(has(checkPhoto(toImage(picture), 128), FindingKind::Blurry));
}

TEST(CheckPhoto, seesBlackBarsOnEitherPairOfSides) {
  cv::Mat picture = toMatrix(sample("duck_toy/00.jpg")).clone();
  cv::Mat letterbox = picture.clone(), pillarbox = picture.clone(), oneSide = picture.clone();
  letterbox.rowRange(0, 60).setTo(0);
  letterbox.rowRange(580, 640).setTo(0);
  pillarbox.colRange(0, 60).setTo(0);
  pillarbox.colRange(580, 640).setTo(0);
  oneSide.rowRange(0, 60).setTo(0);
  cv::Mat night(640, 640, CV_8UC3, cv::Scalar(0, 0, 0));  // a subject in front of something black
  cv::circle(night, {320, 320}, 200, {200, 180, 160}, -1);
  EXPECT_TRUE(has(checkPhoto(toImage(letterbox), 0), FindingKind::BlackBars));
  EXPECT_TRUE(has(checkPhoto(toImage(pillarbox), 0), FindingKind::BlackBars));
  EXPECT_FALSE(has(checkPhoto(toImage(oneSide), 0), FindingKind::BlackBars));
  EXPECT_FALSE(has(checkPhoto(toImage(night), 0), FindingKind::BlackBars));
}

TEST(CheckPhoto, seesDarkAndSmall) {
  const api::Image night =
      painted(300, 300, [](int x, int, int) { return static_cast<std::uint8_t>(x % 20); });
  EXPECT_TRUE(has(checkPhoto(night, 128), FindingKind::Dark));
  EXPECT_FALSE(has(checkPhoto(night, 128), FindingKind::Small));
  EXPECT_TRUE(has(checkPhoto(night, 512), FindingKind::Small));
}

TEST(PerceptualHash, isNearForTheSamePictureAndFarForOthers) {
  const auto distance = [](std::uint64_t a, std::uint64_t b) { return std::popcount(a ^ b); };
  const api::Image duck = sample("duck_toy/00.jpg");
  EXPECT_LE(distance(perceptualHash(duck), perceptualHash(thumbnail(duck, 200))), 6);
  cv::Mat brighter = toMatrix(duck).clone();
  brighter = brighter * 0.9 + cv::Scalar(20, 20, 20);
  EXPECT_LE(distance(perceptualHash(duck), perceptualHash(toImage(brighter))), 6);
  EXPECT_GT(distance(perceptualHash(duck), perceptualHash(sample("duck_toy/01.jpg"))), 6);
  EXPECT_GT(distance(perceptualHash(duck), perceptualHash(sample("teapot/00.jpg"))), 6);
}

TEST(PngFile, carriesItsTextAndPixels) {
  const support::TempFolder folder;
  const fs::path file = folder / "picture.png";
  const std::vector<std::pair<std::string, std::string>> text{
      {"parameters", "a photo of sks dog\nSteps: 20"},
      {"likeness", R"({"prompt": "ein Foto von Öl und 猫"})"},
      {"Comment", "naïve"}};
  const api::Image image = gradient(33, 17);
  ASSERT_TRUE(writePng(file, image, text).has_value());
  const auto read = readPngText(file);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, text);
  EXPECT_EQ(readPhoto(file).value().image, image);
}

TEST(PngFile, readsTheLatin1TextOfOtherPrograms) {
  const support::TempFolder folder;
  const fs::path file = support::put(
      folder / "a1111.png", test::png({1, 2, 3}, 1, 1, 3, {.parameters = "caf\xE9, Steps: 20"}));
  const auto text = readPngText(file);
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text,
            (std::vector<std::pair<std::string, std::string>>{{"parameters", "café, Steps: 20"}}));
}

TEST(PngFile, saysWhyItCannotBeWrittenOrRead) {
  const support::TempFolder folder;
  const auto written = writePng(folder / "none" / "picture.png", gradient(4, 4));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, api::ErrorCode::FileUnwritable);
  EXPECT_EQ(readPngText(support::put(folder / "a.png", "text")).error().code,
            api::ErrorCode::UnsupportedImage);
  EXPECT_EQ(readPngText(support::put(folder / "b.png", "\x89PNG\r\n\x1A\n")).error().code,
            api::ErrorCode::DamagedImage);
}

}  // namespace
}  // namespace likeness::image
