// Photos and their cached latents.
#include "core/data/latent_cache.h"

#include <ATen/ops/tensor.h>
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
    return identify(photos[i], {"a photo of sks toy"}).value();
  }
  LatentCache cache() const { return {folder / "cache", model}; }
  static constexpr View kPlain{16, 16};
  static constexpr View kMirrored{.width = 16, .height = 16, .mirrored = true};
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
  const auto latents = cache().get(picture(0), kPlain);
  ASSERT_TRUE(latents) << api::message(latents.error());
  const auto image = image::cropAndResize(image::readPhoto(photos[0])->image, std::nullopt, 16, 16);
  const auto expected = model.vae.model->encode(tensor::toTensor(image));
  EXPECT_TRUE(latents->mean.allclose(expected.mean[0]));
  EXPECT_TRUE(latents->std.allclose(expected.std[0]));
  EXPECT_EQ(latents->mean.sizes(), at::IntArrayRef({4, 8, 8}));
}

TEST_F(LatentCacheTest, IsReusedAndKeyedByEverythingThatMatters) {
  const auto first = cache().get(picture(0), kPlain).value();
  ASSERT_EQ(cached().size(), 1U);
  fs::rename(photos[0], folder / "renamed.png");
  auto moved = identify(folder / "renamed.png", {"other words"}).value();
  EXPECT_TRUE(cache().get(moved, kPlain)->mean.equal(first.mean));
  EXPECT_EQ(cached().size(), 1U) << "a file's name and words do not matter";
  ASSERT_TRUE(cache().get(moved, kMirrored));
  EXPECT_EQ(cached().size(), 2U);
  ASSERT_TRUE(cache().get(moved, {32, 32}));
  EXPECT_EQ(cached().size(), 3U);
  moved.crop = api::CropRect{0, 0, 0.5, 0.5};
  ASSERT_TRUE(cache().get(moved, kPlain));
  EXPECT_EQ(cached().size(), 4U);
  model.weightHash = "another";
  ASSERT_TRUE(cache().get(moved, kPlain));
  EXPECT_EQ(cached().size(), 5U);
}

TEST_F(LatentCacheTest, MirroredIsTheMirroredPicture) {
  const auto plain = cache().get(picture(0), kPlain).value();
  const auto mirrored = cache().get(picture(0), kMirrored).value();
  EXPECT_FALSE(plain.mean.equal(mirrored.mean));
  const auto image = image::cropAndResize(image::readPhoto(photos[0])->image, std::nullopt, 16, 16);
  const auto expected = model.vae.model->encode(tensor::toTensor(image).flip({3}));
  EXPECT_TRUE(mirrored.mean.allclose(expected.mean[0]));
}

TEST_F(LatentCacheTest, SizesAreThoseOfThePhotoScaledToItsCrop) {
  // 24 x 20 px; the centred square begins 2 px from the left, at 16 px 1.6 px.
  const nn::PictureSize centred{20, 24, 0, 2, 16, 16};
  EXPECT_EQ(cache().get(picture(0), kPlain)->size, centred);
  EXPECT_EQ(cache().get(picture(0), kPlain)->size, centred) << "from the file";
  auto cropped = picture(0);
  cropped.crop = api::CropRect{0.125, 0.5, 1 / 3.0, 0.4};  // 3, 10, 8 x 8 px: doubled
  EXPECT_EQ(cache().get(cropped, kPlain)->size, (nn::PictureSize{20, 24, 20, 6, 16, 16}));
  EXPECT_EQ(cache().get(cropped, kMirrored)->size, (nn::PictureSize{20, 24, 20, 26, 16, 16}));
}

TEST_F(LatentCacheTest, PhotosKeepTheirShapeInBuckets) {
  View view{.width = 16, .height = 16, .bucketStep = 4};  // of 24 x 20: 16 x 16, 20 x 12, ...
  const auto first = cache().get(picture(0), view).value();
  EXPECT_EQ(first.mean.sizes(), at::IntArrayRef({4, 8, 8})) << "6 : 5 is nearest to a square";
  auto wide = picture(0);
  wide.crop = api::CropRect{0, 0.25, 1, 0.5};  // 24 x 10: 2.4
  const auto latents = cache().get(wide, view).value();
  EXPECT_EQ(latents.mean.sizes(), at::IntArrayRef({4, 6, 10}));
  // 17 x 10 px at (4, 5), enlarged by 1.2.
  EXPECT_EQ(latents.size, (nn::PictureSize{20, 24, 6, 5, 12, 20}));
  EXPECT_TRUE(cache().get(wide, view)->mean.equal(latents.mean)) << "from the file";
  EXPECT_EQ(cached().size(), 2U);
  // A class picture of the same batch is cut to the same shape.
  EXPECT_EQ(cache().get(picture(1), {20, 12})->mean.sizes(), at::IntArrayRef({4, 6, 10}));

  support::RecordingReporter reporter;
  const auto set =
      cache().getAll({picture(0), wide, picture(1)}, {view}, false, api::Stage::Train, reporter);
  EXPECT_EQ(shapesOf(*set), (std::vector<image::Shape>{{16, 16}, {20, 12}}));
}

TEST_F(LatentCacheTest, CopiesAreCroppedAndColouredAtRandomAndKept) {
  const auto of = [&](View view) { return cache().get(picture(0), view).value(); };
  View crop{.width = 16, .height = 16, .cropJitter = 0.5};
  View colour{.width = 16, .height = 16, .colorJitter = 0.5};
  const auto plain = of(kPlain);
  for (View* view : {&crop, &colour}) {
    const auto first = of(*view);
    EXPECT_FALSE(first.mean.equal(plain.mean));
    EXPECT_TRUE(of(*view).mean.equal(first.mean)) << "cached";
    fs::remove_all(folder / "cache");
    EXPECT_TRUE(of(*view).mean.equal(first.mean)) << "not cached";
    for (auto change : {+[](View& v) { v.copy = 1; }, +[](View& v) { v.seed = 9; }}) {
      View other = *view;
      change(other);
      EXPECT_FALSE(of(other).mean.equal(first.mean));
    }
  }
  // SDXL is told where the crop lies: scaled so that it has 16 px, on either side of the mirror.
  const auto size = of(crop).size;
  crop.mirrored = true;
  const auto mirrored = of(crop).size;
  EXPECT_EQ(of(colour).size, plain.size);
  EXPECT_NE(size, plain.size);
  EXPECT_EQ(mirrored.cropTop, size.cropTop);
  const double scale = 1.0 * (size.cropLeft + mirrored.cropLeft + 16) / 24;
  EXPECT_GT(scale, 0.8) << "16 of 20 px or less are kept";
  EXPECT_LE(scale, 1.7);
}

TEST_F(LatentCacheTest, MasksFollowTheirPhoto) {
  // White where x >= 12 of 24: the centred square begins at 2, so at latent column 4 of 8.
  const auto paint = [&](const fs::path& file, int width, int height) {
    std::vector<std::uint8_t> pixels;
    for (int i = 0; i < width * height; ++i) pixels.push_back(i % width >= width / 2 ? 255 : 0);
    const api::Image image{width,
                           height,
                           api::PixelFormat::Gray8,
                           std::make_shared<const std::vector<std::uint8_t>>(pixels)};
    EXPECT_TRUE(image::writePng(file, image));
    return know(file).value();
  };
  auto masked = picture(0);
  const auto unmasked = cache().get(masked, kPlain).value();
  EXPECT_FALSE(unmasked.mask.defined());
  masked.mask = paint(folder / "mask.png", 24, 20);
  const auto row = at::tensor({0.F, 0.F, 0.F, 0.F, 1.F, 1.F, 1.F, 1.F});
  for (int twice = 0; twice < 2; ++twice) {
    const auto latents = cache().get(masked, kPlain).value();
    EXPECT_TRUE(latents.mean.equal(unmasked.mean));
    EXPECT_EQ(latents.mask.sizes(), at::IntArrayRef({1, 8, 8}));
    EXPECT_TRUE(latents.mask[0][3].allclose(row));
    EXPECT_TRUE(cache().get(masked, kMirrored)->mask[0][3].allclose(row.flip({0})));
  }
  EXPECT_EQ(cached().size(), 3U);
  masked.mask = paint(folder / "mask.png", 48, 40);
  EXPECT_TRUE(cache().get(masked, kPlain)->mask[0][3].allclose(row)) << "another size";
  EXPECT_EQ(cached().size(), 4U) << "another content";
  masked.mask = paint(folder / "mask.png", 20, 20);
  EXPECT_EQ(cache().get(masked, kPlain).error().code, ErrorCode::FileUnreadable);
  fs::remove(folder / "mask.png");
  const auto gone = cache().get(masked, kPlain);
  EXPECT_EQ(gone.error().code, ErrorCode::PhotoChanged);
  EXPECT_EQ(gone.error().value("file"), (folder / "mask.png").string());
}

TEST_F(LatentCacheTest, DamagedFilesAreMadeAnew) {
  const auto good = cache().get(picture(0), kPlain).value();
  const fs::path file = cached().front();
  const std::string bytes = support::content(file);
  for (const std::string& damage :
       {std::string(), bytes.substr(0, bytes.size() / 2), "x" + bytes.substr(1)}) {
    support::put(file, damage);
    const auto again = cache().get(picture(0), kPlain);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->mean.equal(good.mean));
    EXPECT_EQ(support::content(file), bytes);
  }
}

TEST_F(LatentCacheTest, FullDiskIsAnErrorAndLeavesNothing) {
  ASSERT_TRUE(cache().get(picture(1), kPlain));
  const support::FaultyFiles faulty(1, ENOSPC);
  const auto latents = cache().get(picture(0), kPlain);
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
    const auto latents = cache().get(p, kPlain);
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
  EXPECT_THAT(opened[0].prompts, testing::ElementsAre("a photo of sks toy"));
  EXPECT_THAT(opened[1].prompts, testing::ElementsAre("sks toy in a red box"));
  EXPECT_EQ(opened[0].contentHash.size(), 64U);
  support::put(folder / "photos/00.txt", "a {class}\n{token} in snow\n");
  support::put(folder / "photos/01.txt", "not this");
  request.photos[1].caption += "\n{subject}";
  request.photos[1].repeats = 3;
  const auto beside = openPhotos(request, {}).value();
  EXPECT_THAT(beside[0].prompts, testing::ElementsAre("a toy", "sks in snow"));
  EXPECT_THAT(beside[1].prompts, testing::ElementsAre("sks toy in a red box", "sks toy"));
  EXPECT_EQ(beside[1].repeats, 3);
  request.photos.clear();
  EXPECT_EQ(openPhotos(request, {}).error().code, ErrorCode::NoPhotos);
  request.photos = {{folder / "missing.png", "", {}, false}};
  EXPECT_EQ(openPhotos(request, {}).error().code, ErrorCode::FileNotFound);
}

TEST_F(LatentCacheTest, MasksAreGivenOrLieBeside) {
  api::TrainRequest request;
  request.subject.classWord = "toy";
  request.photos.resize(3);
  for (std::size_t i = 0; i < 3; ++i) request.photos[i].file = photos[i];
  const auto beside = support::put(folder / "photos/00-masklabel.png", "a mask");
  request.photos[1].mask = photos[1];
  const auto opened = openPhotos(request, {}).value();
  ASSERT_TRUE(opened[0].mask && opened[1].mask);
  EXPECT_EQ(opened[0].mask->file, beside);
  EXPECT_EQ(opened[0].mask->contentHash, know(beside)->contentHash);
  EXPECT_EQ(opened[1].mask->file, photos[1]) << "its own opacity";
  EXPECT_FALSE(opened[2].mask);
  request.photos[2].mask = folder / "missing.png";
  EXPECT_EQ(openPhotos(request, {}).error().code, ErrorCode::FileNotFound);
}

TEST_F(LatentCacheTest, EachPhotoSpeaksOfItsOwnSubject) {
  api::TrainRequest request;
  request.subject.classWord = "toy";
  request.photos = {{photos[0], "", {}, false}, {photos[1], "{subject} at {token}'s", {}, false}};
  api::FurtherSubject& further = request.furtherSubjects.emplace_back();
  further.subject.token = "zwx";
  further.subject.classWord = "cat";
  further.subject.subjectPrompt = "this is {subject}";
  further.photos = {{photos[2], "", {}, false}, {photos[0], "a {class}", {}, false}};
  support::put(folder / "photos/02.txt", "{subject}\nno {class} but {token}\n");
  const auto opened = openPhotos(request, {}).value();
  ASSERT_EQ(opened.size(), 4U);
  EXPECT_THAT(opened[0].prompts, testing::ElementsAre("a photo of sks toy"));
  EXPECT_THAT(opened[1].prompts, testing::ElementsAre("sks toy at sks's"));
  EXPECT_THAT(opened[2].prompts, testing::ElementsAre("zwx cat", "no cat but zwx"));
  EXPECT_THAT(opened[3].prompts, testing::ElementsAre("a cat"));
  fs::remove(folder / "photos/02.txt");
  const auto plain = openPhotos(request, {}).value();
  EXPECT_THAT(plain[2].prompts, testing::ElementsAre("this is zwx cat"));
  std::vector<std::size_t> subjects;
  for (const TrainingPicture& picture : opened) subjects.push_back(picture.subject);
  EXPECT_THAT(subjects, testing::ElementsAre(0, 0, 1, 1));
  further.photos[0].excluded = further.photos[1].excluded = true;
  EXPECT_EQ(openPhotos(request, {}).error().code, ErrorCode::NoPhotos) << "of the second";
}

TEST_F(LatentCacheTest, OwnClassPicturesAreOfAFolder) {
  api::TrainRequest request;
  request.subject.classWord = "toy";
  request.prior.folder = folder / "photos";
  request.prior.classImages = 2;
  support::put(folder / "photos/00.caption", "two {class}s");
  const auto opened = openClassFolders(request, {}).value();
  ASSERT_EQ(opened.size(), 2U);
  EXPECT_EQ(opened[0].file, photos[0]);
  EXPECT_THAT(opened[0].prompts, testing::ElementsAre("two toys"));
  EXPECT_THAT(opened[1].prompts, testing::ElementsAre("a photo of toy"));
  request.prior.classImages = 50;
  EXPECT_EQ(openClassFolders(request, {})->size(), 3U);
  // Of another class its own, with its words; of the same one none again.
  request.furtherSubjects.resize(2);
  request.furtherSubjects[0] = {request.subject, {}, folder / "photos"};
  request.furtherSubjects[1] = {request.subject, {}, folder / "photos"};
  request.furtherSubjects[1].subject.classWord = "cat";
  const auto both = openClassFolders(request, {}).value();
  ASSERT_EQ(both.size(), 6U);
  EXPECT_THAT(both[3].prompts, testing::ElementsAre("two cats"));
  EXPECT_EQ(both[2].subject, 0U);
  EXPECT_EQ(both[3].subject, 2U);
  request.furtherSubjects.clear();
  request.prior.folder = folder / "none";
  EXPECT_EQ(openClassFolders(request, {}).error().code, ErrorCode::FileNotFound);
  request.prior.folder = photos[0];
  EXPECT_EQ(openClassFolders(request, {}).error().code, ErrorCode::FileUnreadable);
  request.prior.folder = folder / "model";
  const auto empty = openClassFolders(request, {});
  EXPECT_EQ(empty.error().code, ErrorCode::NoPhotos);
  EXPECT_THAT(api::hint(empty.error()), testing::HasSubstr("classFolder"));
}

TEST_F(LatentCacheTest, AWholeSetReportsAndCanBeStopped) {
  support::RecordingReporter reporter;
  const auto stage = api::Stage::PreparePhotos;
  const auto set =
      cache().getAll({picture(0), picture(1)}, {kPlain}, true, stage, reporter).value();
  EXPECT_EQ(set.plain.size(), 2U);
  EXPECT_EQ(set.mirrored.size(), 2U);
  ASSERT_EQ(reporter.progresses.size(), 3U);
  for (std::int64_t done = 0; done <= 2; ++done) {
    const auto& progress = reporter.progresses[static_cast<std::size_t>(done)];
    EXPECT_EQ(progress.stage, stage);
    EXPECT_EQ(progress.done, done);
    EXPECT_EQ(progress.total, 2);
  }
  const auto copies =
      cache().getAll({picture(0), picture(1)},
                     {kPlain, View{.width = 16, .height = 16, .cropJitter = 0.5, .copy = 1}},
                     true,
                     stage,
                     reporter);
  EXPECT_EQ(copies->versions, 2);
  EXPECT_TRUE(copies->latents({.picture = 1}).mean.equal(set.plain[1].mean));
  EXPECT_TRUE(copies->latents({.picture = 1, .version = 1}).mean.equal(copies->plain[3].mean));
  EXPECT_TRUE(copies->latents({.picture = 1, .flip = true}).mean.equal(set.mirrored[1].mean));
  reporter.stopSource.request_stop();
  EXPECT_TRUE(cache().getAll({picture(2)}, {kPlain}, false, stage, reporter)->plain.empty());
}

}  // namespace
}  // namespace likeness::data
