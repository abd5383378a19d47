// How pictures become batches, through whole jobs: shapes, copies, masks, captions, own class
// pictures; always resumed exactly.
#include "core/image/photo.h"
#include "core/train/run_folder.h"
#include "tests/core/train/job_fixture.h"
#include "tests/support/temp_folder.h"

namespace likeness::train::test {
namespace {

void paint(const fs::path& file, int width, int height, int seed) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 3 * width * height; ++i)
    pixels.push_back(static_cast<std::uint8_t>((i * (seed + 3) / 7) % 256));
  const api::Image image{width,
                         height,
                         api::PixelFormat::Rgb8,
                         std::make_shared<const std::vector<std::uint8_t>>(pixels)};
  fs::create_directories(file.parent_path());
  ASSERT_TRUE(image::writePng(file, image));
}

class TrainDataTest : public testing::Test {
 protected:
  TrainDataTest() {
    paint(folder / "photos/a.png", 40, 40, 1);
    paint(folder / "photos/b.png", 56, 40, 2);
    paint(folder / "photos/c.png", 40, 56, 3);
    for (int i = 0; i < 3; ++i)
      paint(folder / "dogs" / (std::to_string(i) + ".png"), 50, 40 + i, 10 + i);
  }

  /// Everything that this file is about.
  api::TrainRequest request(const std::string& run) const {
    auto r = jobRequest(tinyModel(Tiny::Xl), folder / "photos", folder / run);
    std::erase_if(r.photos, [](const auto& photo) { return photo.file.extension() != ".png"; });
    r.training.method = api::Method::Lora;
    r.training.resolution = 32;
    r.training.steps = 4;
    r.training.flip = true;
    r.data = {.buckets = true,
              .bucketStep = 8,
              .cropJitter = 0.2,
              .colorJitter = 0.2,
              .augmentations = 2};
    r.photos[0].repeats = 2;
    r.photos[1].caption = "{subject}\na {class} of {token}";
    r.prior.folder = folder / "dogs";
    r.prior.classImages = 3;
    r.cacheFolder = folder / "cache";
    return r;
  }
  void run(const api::TrainRequest& r) {
    const auto result = train(r, {}, reporter);
    ASSERT_TRUE(result) << api::message(result.error()) << result.error().detail;
  }
  void expectError(const api::TrainRequest& r, ErrorCode code, const std::string& key = "") {
    const auto result = train(r, {}, reporter);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code) << api::message(result.error());
    EXPECT_TRUE(key.empty() || result.error().value("key") == key) << result.error().value("key");
  }

  support::TempFolder folder;
  support::RecordingReporter reporter;
};

TEST_F(TrainDataTest, EveryOptionResumesExactlyWithAndWithoutCache) {
  auto whole = request("whole");
  whole.training.batchSize = 2;
  whole.training.gradientAccumulation = 2;
  run(whole);
  const auto rows = metricRows(whole.runFolder);
  ASSERT_GT(rows.size(), 4U);
  EXPECT_FALSE(fs::exists(whole.runFolder / "class-images")) << "none are made";
  EXPECT_EQ(reporter.of(api::PictureKind::ClassImage).size(), 0U);

  for (const bool cached : {true, false}) {
    if (!cached) fs::remove_all(folder / "cache");
    auto parts = whole;
    parts.runFolder = folder / (cached ? "cached" : "uncached");
    reporter.onProgress = [this](const api::Progress& p) {
      if (p.stage == api::Stage::Train && p.done == 2) reporter.stopSource.request_stop();
    };
    run(parts);
    reporter.onProgress = nullptr;
    reporter.stopSource = std::stop_source();
    parts.resume = true;
    run(parts);
    EXPECT_EQ(metricRows(parts.runFolder), rows) << cached;
  }
}

TEST_F(TrainDataTest, EachOptionChangesTheRun) {
  const auto lossesOf = [&](const api::TrainRequest& r) {
    run(r);
    return metricRows(r.runFolder);
  };
  std::map<std::vector<std::vector<std::string>>, std::string> runs;
  int number = 0;
  const auto add = [&](const char* what, auto change) {
    auto r = request(std::to_string(number++));
    change(r);
    const auto [known, isNew] = runs.emplace(lossesOf(r), what);
    EXPECT_TRUE(isNew) << what << " did nothing beside " << known->second;
  };
  add("nothing", [](auto&) {});
  add("buckets", [](auto& r) { r.data.buckets = false; });
  add("bucketStep", [](auto& r) { r.data.bucketStep = 4; });
  add("cropJitter", [](auto& r) { r.data.cropJitter = 0; });
  add("colorJitter", [](auto& r) { r.data.colorJitter = 0; });
  add("augmentations", [](auto& r) { r.data.augmentations = 1; });
  add("repeats", [](auto& r) { r.photos[0].repeats = 5; });
  add("caption", [](auto& r) { r.photos[1].caption = "{class}"; });
  add("classFolder", [&](auto& r) { r.prior.folder = folder / "photos"; });
  add("classImages", [](auto& r) { r.prior.classImages = 2; });
  support::put(folder / "photos/c.txt", "a {class} on grass");
  add("a caption beside a photo", [](auto&) {});
}

TEST_F(TrainDataTest, WhatARunLearnsFromIsNotChangedOnTheWay) {
  auto r = request("run");
  r.training.steps = 1;
  paint(folder / "mask.png", 40, 40, 9);
  r.photos[0].mask = folder / "mask.png";
  run(r);
  const auto inputs = readInputs(r.runFolder).value();
  EXPECT_EQ(inputs.photos[0].repeats, 2);
  EXPECT_EQ(inputs.photos[0].mask.size(), 64U);
  EXPECT_EQ(inputs.photos[1].prompt, "sks toy\na toy of sks");
  EXPECT_EQ(inputs.classPictures.size(), 3U);
  r.resume = true;
  r.training.steps = 2;
  auto other = r;
  other.photos[0].repeats = 1;
  expectError(other, ErrorCode::RunIncompatible, "photos.repeats");
  other = r;
  other.photos[0].mask.clear();
  expectError(other, ErrorCode::RunIncompatible, "photos.mask");
  other = r;
  other.data.cropJitter = 0;
  expectError(other, ErrorCode::RunIncompatible, "data.cropJitter");
  paint(folder / "mask.png", 40, 40, 8);
  expectError(r, ErrorCode::PhotoChanged);
  paint(folder / "mask.png", 40, 40, 9);
  run(r);
}

}  // namespace
}  // namespace likeness::train::test
