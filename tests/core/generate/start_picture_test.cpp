// Image to image, inpainting and the second pass: what stays, what changes, and bad files.
#include "core/generate/start_picture.h"

#include <gmock/gmock.h>

#include "core/generate/generate.h"
#include "core/image/photo.h"
#include "core/tensor/pixels.h"
#include "starter.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"

namespace likeness::generate {
namespace {

using api::ErrorCode;
using support::RecordingReporter;

/// A ramp to the right in red, downwards in green; blue as given.
api::Image ramp(int width, int height, int blue) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int value : {x * 255 / width, y * 255 / height, blue})
        bytes->push_back(static_cast<std::uint8_t>(value));
  return {width, height, api::PixelFormat::Rgb8, std::move(bytes)};
}
/// White in its right half.
api::Image rightHalf(int width, int height) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>();
  for (int i = 0; i < width * height * 3; ++i)
    bytes->push_back(i / 3 % width >= width / 2 ? 255 : 0);
  return {width, height, api::PixelFormat::Rgb8, std::move(bytes)};
}

/// Mean difference of the columns from..to, of 255.
double difference(const api::Image& a, const api::Image& b, int from, int to) {
  double sum = 0;
  for (int y = 0; y < a.height; ++y)
    for (int i = (y * a.width + from) * 3; i < (y * a.width + to) * 3; ++i)
      sum += std::abs(a.data()[i] - b.data()[i]);
  return sum / (3.0 * a.height * (to - from));
}

class StartPictureTest : public testing::Test {
 protected:
  StartPictureTest() {
    put("picture.png", picture);
    put("mask.png", rightHalf(64, 64));
    request.prompt = "a photo of a dog";
    request.sampling.steps = 6;
    request.width = request.height = 64;
    request.compute.dtype = api::DType::Fp32;
    request.compute.threads = 1;
    request.image = folder / "picture.png";
  }
  void put(const char* name, const api::Image& image) {
    EXPECT_TRUE(image::writePng(folder / name, image));
  }
  std::vector<api::Image> run() {
    RecordingReporter reporter;
    const auto result = generate(request, base::findResources(), reporter);
    EXPECT_TRUE(result) << (result ? "" : api::message(result.error()));
    std::vector<api::Image> made;
    for (const auto& ready : reporter.of(api::PictureKind::Result)) made.push_back(ready.image);
    progress = reporter.progresses;
    return made;
  }
  ErrorCode refused() {
    RecordingReporter reporter;
    const auto result = generate(request, base::findResources(), reporter);
    EXPECT_FALSE(result);
    return result ? ErrorCode::Internal : result.error().code;
  }

  support::TempFolder folder;
  api::Image picture = ramp(64, 64, 128);
  api::GenerateRequest request;
  std::vector<api::Progress> progress;
};

TEST_F(StartPictureTest, StrengthIsHowFarThePictureMoves) {
  double last = 0;
  for (const double strength : {0.2, 0.6, 1.0}) {
    request.strength = strength;
    const auto made = run();
    ASSERT_EQ(made.size(), 1U);
    const double moved = difference(made.front(), picture, 0, 64);
    EXPECT_GT(moved, last);
    last = moved;
    EXPECT_EQ(progress.back().total, std::max(1, static_cast<int>(6 * strength)));
    EXPECT_EQ(progress.back().done, progress.back().total);
  }
  request.image.clear();
  EXPECT_GT(difference(run().front(), picture, 0, 64), 0);
}

TEST_F(StartPictureTest, WhatTheMaskKeepsStaysToTheLastBit) {
  request.mask = folder / "mask.png";
  request.count = 2;
  const auto made = run();
  ASSERT_EQ(made.size(), 2U);
  for (const api::Image& image : made) {
    EXPECT_EQ(difference(image, picture, 0, 32), 0);
    EXPECT_GT(difference(image, picture, 34, 64), 5);
  }
  EXPECT_GT(difference(made[0], made[1], 34, 64), 0) << "each has its own noise";
}

TEST_F(StartPictureTest, LatentsUnderTheMaskAreThePicturesAtTheEnd) {
  Generator generator(starter());
  Job job;
  job.prompt = "a dog";
  job.seeds = {3};
  job.width = job.height = 64;
  job.sampling.steps = 4;
  job.start = readStart(request.image, folder / "mask.png")->at(64, 64, 1);
  const at::Tensor latents = *generator.latents(job);
  const at::Tensor clean = starter().vae.model->encode(job.start.pixels).mean *
                           starter().vae.model->config().scalingFactor;
  EXPECT_TRUE(latents.narrow(3, 0, 4).equal(clean.narrow(3, 0, 4)));
  EXPECT_FALSE(latents.narrow(3, 4, 4).equal(clean.narrow(3, 4, 4)));
}

TEST_F(StartPictureTest, WithoutASizeThePictureGivesTheShape) {
  put("picture.png", ramp(300, 150, 10));
  request.width = request.height = 0;
  request.sampling.steps = 1;
  const api::Image made = run().front();
  EXPECT_EQ(made.width, 184);  // 128 sqrt(2), in eights
  EXPECT_EQ(made.height, 88);
}

TEST_F(StartPictureTest, TheSecondPassEnlargesAndKeepsTheScene) {
  request.image.clear();
  const api::Image small = run().front();
  request.hiresScale = 1.5;
  request.hiresStrength = 0.3;
  request.count = 3;
  const auto made = run();
  ASSERT_EQ(made.size(), 3U);
  EXPECT_EQ(made.front().width, 96);
  const api::Image back = image::cropAndResize(made.front(), {}, 64, 64);
  EXPECT_LT(difference(back, small, 0, 64), difference(back, picture, 0, 64) / 2);
  EXPECT_GT(difference(back, small, 0, 64), 0);
  EXPECT_EQ(progress.back().done, progress.back().total);
  for (std::size_t i = 1; i < progress.size(); ++i)
    EXPECT_GE(progress[i].done, progress[i - 1].done);
  // Together with a mask the kept half is the picture's, enlarged.
  request.image = folder / "picture.png", request.mask = folder / "mask.png";
  const auto masked = run();
  EXPECT_EQ(difference(masked.front(), image::cropAndResize(picture, {}, 96, 96), 0, 40), 0);
}

TEST_F(StartPictureTest, BadFilesAreASentenceBeforeTheModelIsLoaded) {
  request.model.path = "nowhere";
  request.image = folder / "missing.png";
  EXPECT_EQ(refused(), ErrorCode::FileNotFound);
  request.image = folder / "picture.png", request.mask = folder / "mask.png";
  put("mask.png", rightHalf(64, 32));
  EXPECT_EQ(refused(), ErrorCode::BadCombination);
  put("mask.png", ramp(64, 64, 0));
  EXPECT_EQ(refused(), ErrorCode::FileNotFound) << "half white is enough; now the model is missed";
  put("mask.png",
      api::Image{1,
                 1,
                 api::PixelFormat::Rgb8,
                 std::make_shared<std::vector<std::uint8_t>>(3, std::uint8_t{0})});
  EXPECT_EQ(refused(), ErrorCode::BadCombination);
}

TEST_F(StartPictureTest, PastedMixesWhereTheMaskIsGrey) {
  StartFiles files{picture, ramp(64, 64, 0)};
  const api::Image made = ramp(64, 64, 0), mixed = files.pasted(made);
  const auto at = [](const api::Image& image, int x, int y) {
    return image.data()[(y * image.width + x) * 3 + 2];
  };
  EXPECT_EQ(at(mixed, 0, 0), at(picture, 0, 0));
  EXPECT_GT(at(mixed, 20, 20), at(mixed, 60, 60));
  EXPECT_GT(at(mixed, 60, 60), at(made, 60, 60));
}

}  // namespace
}  // namespace likeness::generate
