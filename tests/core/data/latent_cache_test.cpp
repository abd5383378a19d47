// Photos and their cached latents.
#include "core/data/latent_cache.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "core/image/photo.h"
#include "core/tensor/pixels.h"
#include "tests/support/faulty_files.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace likeness::data {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;

class LatentCacheTest : public testing::Test {
 protected:
  LatentCacheTest()
      : model(nn::loadStableDiffusion({support::makeTinyModel(folder / "model")}, {}).value()),
        photos(support::makePhotos(folder / "photos", 3)) {}

  TrainingPicture picture(std::size_t i) const {
    return identify(photos[i], "a photo of sks toy").value();
  }
  LatentCache cache(int resolution = 16) const { return {folder / "cache", model, resolution}; }
  std::vector<fs::path> cached() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder / "cache"))
      files.push_back(entry.path());
    return files;
  }

  support::TempFolder folder;
  nn::StableDiffusion model;
  std::vector<fs::path> photos;
};

TEST_F(LatentCacheTest, HoldsThePosteriorOfTheUprightCroppedPicture) {
  const auto latents = cache().get(picture(0), false);
  ASSERT_TRUE(latents) << api::message(latents.error());
  const auto image = image::cropAndResize(image::readPhoto(photos[0])->image, std::nullopt, 16, 16);
  const auto expected = model.vae.model->encode(tensor::toTensor(image));
  EXPECT_TRUE(latents->mean.allclose(expected.mean[0]));
  EXPECT_TRUE(latents->std.allclose(expected.std[0]));
  EXPECT_EQ(latents->mean.sizes(), at::IntArrayRef({4, 8, 8}));
}

TEST_F(LatentCacheTest, IsReusedAndKeyedByEverythingThatMatters) {
  const auto first = cache().get(picture(0), false).value();
  ASSERT_EQ(cached().size(), 1U);
  fs::rename(photos[0], folder / "renamed.png");
  auto moved = identify(folder / "renamed.png", "other words").value();
  EXPECT_TRUE(cache().get(moved, false)->mean.equal(first.mean));
  EXPECT_EQ(cached().size(), 1U) << "a file's name and words do not matter";
  ASSERT_TRUE(cache().get(moved, true));
  EXPECT_EQ(cached().size(), 2U);
  ASSERT_TRUE(cache(32).get(moved, false));
  EXPECT_EQ(cached().size(), 3U);
  moved.crop = api::CropRect{0, 0, 0.5, 0.5};
  ASSERT_TRUE(cache().get(moved, false));
  EXPECT_EQ(cached().size(), 4U);
  model.weightHash = "another";
  ASSERT_TRUE(cache().get(moved, false));
  EXPECT_EQ(cached().size(), 5U);
}

TEST_F(LatentCacheTest, MirroredIsTheMirroredPicture) {
  const auto plain = cache().get(picture(0), false).value();
  const auto mirrored = cache().get(picture(0), true).value();
  EXPECT_FALSE(plain.mean.equal(mirrored.mean));
  const auto image = image::cropAndResize(image::readPhoto(photos[0])->image, std::nullopt, 16, 16);
  const auto expected = model.vae.model->encode(tensor::toTensor(image).flip({3}));
  EXPECT_TRUE(mirrored.mean.allclose(expected.mean[0]));
}

TEST_F(LatentCacheTest, SizesAreThoseOfThePhotoScaledToItsCrop) {
  // 24 x 20 px; the centred square begins 2 px from the left, at 16 px 1.6 px.
  const nn::PictureSize centred{20, 24, 0, 2, 16, 16};
  EXPECT_EQ(cache().get(picture(0), false)->size, centred);
  EXPECT_EQ(cache().get(picture(0), false)->size, centred) << "from the file";
  auto cropped = picture(0);
  cropped.crop = api::CropRect{0.125, 0.5, 1 / 3.0, 0.4};  // 3, 10, 8 x 8 px: doubled
  EXPECT_EQ(cache().get(cropped, false)->size, (nn::PictureSize{20, 24, 20, 6, 16, 16}));
  EXPECT_EQ(cache().get(cropped, true)->size, (nn::PictureSize{20, 24, 20, 26, 16, 16}));
}

TEST_F(LatentCacheTest, DamagedFilesAreMadeAnew) {
  const auto good = cache().get(picture(0), false).value();
  const fs::path file = cached().front();
  const std::string bytes = support::content(file);
  for (const std::string& damage :
       {std::string(), bytes.substr(0, bytes.size() / 2), "x" + bytes.substr(1)}) {
    support::put(file, damage);
    const auto again = cache().get(picture(0), false);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->mean.equal(good.mean));
    EXPECT_EQ(support::content(file), bytes);
  }
}

TEST_F(LatentCacheTest, FullDiskIsAnErrorAndLeavesNothing) {
  ASSERT_TRUE(cache().get(picture(1), false));
  const support::FaultyFiles faulty(1, ENOSPC);
  const auto latents = cache().get(picture(0), false);
  ASSERT_FALSE(latents);
  EXPECT_EQ(latents.error().code, ErrorCode::DiskFull);
  EXPECT_EQ(cached().size(), 1U);
}

TEST_F(LatentCacheTest, VanishedOrChangedPhotosAreNamed) {
  const auto gone = picture(0), changed = picture(1);
  fs::remove(photos[0]);
  fs::copy_file(photos[2], photos[1], fs::copy_options::overwrite_existing);
  for (const auto& p : {gone, changed}) {
    EXPECT_FALSE(unchanged(p));
    const auto latents = cache().get(p, false);
    ASSERT_FALSE(latents);
    EXPECT_EQ(latents.error().code, ErrorCode::PhotoChanged);
    EXPECT_EQ(latents.error().value("file"), p.file.string());
  }
  EXPECT_TRUE(unchanged(picture(2)));
}

TEST_F(LatentCacheTest, PhotosCarryTheirWords) {
  api::TrainRequest request;
  request.subject.classWord = "toy";
  request.photos = {{photos[0], "", {}, false},
                    {photos[1], "{subject} in a red box", {}, false},
                    {photos[2], "", {}, true}};
  const auto opened = openPhotos(request, {}).value();
  ASSERT_EQ(opened.size(), 2U);
  EXPECT_EQ(opened[0].prompt, "a photo of sks toy");
  EXPECT_EQ(opened[1].prompt, "sks toy in a red box");
  EXPECT_EQ(opened[0].contentHash.size(), 64U);
  request.photos.clear();
  EXPECT_EQ(openPhotos(request, {}).error().code, ErrorCode::NoPhotos);
  request.photos = {{folder / "missing.png", "", {}, false}};
  EXPECT_EQ(openPhotos(request, {}).error().code, ErrorCode::FileNotFound);
}

TEST_F(LatentCacheTest, AWholeSetReportsAndCanBeStopped) {
  support::RecordingReporter reporter;
  const auto stage = api::Stage::PreparePhotos;
  const auto set = cache().getAll({picture(0), picture(1)}, true, stage, reporter).value();
  EXPECT_EQ(set.plain.size(), 2U);
  EXPECT_EQ(set.mirrored.size(), 2U);
  ASSERT_EQ(reporter.progresses.size(), 3U);
  for (std::int64_t done = 0; done <= 2; ++done) {
    const auto& progress = reporter.progresses[static_cast<std::size_t>(done)];
    EXPECT_EQ(progress.stage, stage);
    EXPECT_EQ(progress.done, done);
    EXPECT_EQ(progress.total, 2);
  }
  reporter.stopSource.request_stop();
  EXPECT_TRUE(cache().getAll({picture(2)}, false, stage, reporter)->plain.empty());
}

}  // namespace
}  // namespace likeness::data
