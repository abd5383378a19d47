// What a run does with the photos it is given, and with those that change under it.
#include "core/image/photo.h"
#include "tests/core/train/job_fixture.h"

namespace likeness::train::test {
namespace {

using testing::Contains;
using testing::Key;

TEST_F(TrainTest, PhotosMayLieElsewhereButMustBeTheSame) {
  auto r = request("run");
  runUntil(r, 2);
  fs::rename(folder / "photos", folder / "moved");
  for (auto& photo : r.photos) photo.file = folder / "moved" / photo.file.filename();
  r.resume = true;
  runUntil(r, 4);
  fs::copy_file(r.photos[0].file, r.photos[1].file, fs::copy_options::overwrite_existing);
  expectError(r, ErrorCode::PhotoChanged);
}

TEST_F(TrainTest, PhotoDeletedWhileItTrainsIsAWarning) {
  auto r = request("run");
  reporter.onProgress = [&](const api::Progress& p) {
    if (p.stage == api::Stage::Train && p.done == 1) fs::remove(r.photos[1].file);
  };
  const auto result = run(r);
  ASSERT_TRUE(result);
  ASSERT_EQ(reporter.warnings.size(), 1U);
  EXPECT_EQ(reporter.warnings[0].code, ErrorCode::PhotoChanged);
  EXPECT_EQ(reporter.warnings[0].value("file"), r.photos[1].file.string());
}

TEST_F(TrainTest, PhotoDeletedBeforeItWasReadIsAnError) {
  auto r = request("run");
  reporter.onProgress = [&](const api::Progress& p) {
    if (p.stage == api::Stage::PreparePhotos) fs::remove(r.photos[1].file);
  };
  expectError(r, ErrorCode::PhotoChanged);
  EXPECT_FALSE(fs::exists(r.classImageFolder));
}

TEST_F(TrainTest, ExcludedPhotosTakeNoPart) {
  auto r = request("run");
  support::put(r.photos[2].file, "not a picture");
  r.photos[2].excluded = true;
  EXPECT_TRUE(run(r));
  for (auto& photo : r.photos) photo.excluded = true;
  r.runFolder = folder / "none";
  expectError(r, ErrorCode::NoPhotos);
  EXPECT_FALSE(fs::exists(folder / "none/run.yaml"));
}

TEST_F(TrainTest, APhotoThatCannotBeDecodedIsNamedBeforeClassPicturesAreMade) {
  auto r = request("run");
  const std::string whole = support::content(r.photos[2].file);
  for (const std::string& bytes :
       {std::string("not a picture"), whole.substr(0, whole.size() / 2)}) {
    support::put(r.photos[2].file, bytes);
    const auto result = run(r);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().value("file"), r.photos[2].file.string());
    EXPECT_EQ(reporter.stages.back(), api::Stage::PreparePhotos);
    EXPECT_TRUE(reporter.pictures.empty());
    EXPECT_FALSE(fs::exists(r.classImageFolder));
  }
  // No run has begun, so the same request without that photo does.
  r.photos.pop_back();
  EXPECT_TRUE(run(r));
}

TEST_F(TrainTest, EachStageCountsItsOwnPicturesAndCachedLatentsAreNotMadeAgain) {
  auto r = request("run");
  r.photos[1].excluded = true;
  ASSERT_TRUE(run(r));
  std::map<api::Stage, api::Progress> last;
  for (const auto& p : reporter.progresses) last[p.stage] = p;
  EXPECT_EQ(last[api::Stage::PreparePhotos].done, 2);
  EXPECT_EQ(last[api::Stage::PreparePhotos].total, 2);
  EXPECT_EQ(last[api::Stage::CacheLatents].total, r.prior.classImages);
  std::map<fs::path, fs::file_time_type> written;
  for (const auto& entry : fs::directory_iterator(r.cacheFolder))
    written[entry.path()] = entry.last_write_time();
  EXPECT_EQ(written.size(), 2U * 2 + 2) << "photos also mirrored";
  r.runFolder = folder / "again";
  ASSERT_TRUE(run(r));
  for (const auto& entry : fs::directory_iterator(r.cacheFolder))
    EXPECT_EQ(written.at(entry.path()), entry.last_write_time());
}

TEST_F(TrainTest, WithoutClassPicturesTheirStagesAreLeftOut) {
  auto r = request("run");
  r.prior.classImages = 0;
  ASSERT_TRUE(run(r));
  EXPECT_THAT(
      reporter.stages,
      testing::ElementsAre(api::Stage::LoadModel, api::Stage::PreparePhotos, api::Stage::Train));
  EXPECT_TRUE(fs::exists(r.runFolder / "inputs.json"));
}

}  // namespace
}  // namespace likeness::train::test
