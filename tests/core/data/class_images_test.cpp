// Class pictures: key, resume after a kill, damaged files, stop.
#include "core/data/class_images.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <set>

#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/image/photo.h"
#include "tests/support/faulty_files.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"

namespace likeness::data {
namespace {

using support::RecordingReporter;

/// On one thread: networks this small gain nothing from more, and a busy machine would stall them.
const nn::StableDiffusion& model() {
  at::set_num_threads(1);
  static const nn::StableDiffusion loaded =
      nn::loadStableDiffusion({base::findResources() / "starter"}, {}).value();
  return loaded;
}

class ClassImagesTest : public testing::Test {
 protected:
  ClassImagesTest() {
    request.subject.classWord = "dog";
    request.prior.classImages = 3;
    request.prior.sampling.steps = 2;
    request.resolution = 64;
    request.seed = 11;
    request.outFolder = folder / "class-images";
  }
  ClassImageSet make() {
    auto set = makeClassImages(request, model(), at::kFloat, reporter);
    EXPECT_TRUE(set) << (set ? "" : api::message(set.error()));
    return set.value_or(ClassImageSet{});
  }
  std::vector<std::string> contents(const ClassImageSet& set) {
    std::vector<std::string> out;
    for (const auto& file : set.files) out.push_back(support::content(file));
    return out;
  }
  std::size_t filesIn(const std::filesystem::path& path) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path),
                                                  std::filesystem::directory_iterator()));
  }

  support::TempFolder folder;
  api::ClassImagesRequest request;
  RecordingReporter reporter;
};

TEST_F(ClassImagesTest, SeveralClassesAreReportedAsOne) {
  request.prior.classImages = 2;
  for (const std::int64_t before : {0, 2}) {
    request.subject.classWord = before == 0 ? "dog" : "cat";
    ASSERT_TRUE(
        makeClassImages(request, model(), at::kFloat, reporter, {0, 1, before, 2 - before}));
  }
  std::vector<std::int64_t> indices;
  for (const auto& picture : reporter.of(api::PictureKind::ClassImage)) {
    indices.push_back(picture.index);
    EXPECT_EQ(picture.total, 4);
  }
  EXPECT_THAT(indices, testing::ElementsAre(0, 1, 2, 3));
  for (std::size_t i = 0; i < reporter.progresses.size(); ++i) {
    EXPECT_EQ(reporter.progresses[i].total, 4);
    if (i > 0) {
      EXPECT_GE(reporter.progresses[i].done, reporter.progresses[i - 1].done);
    }
  }
  EXPECT_EQ(reporter.progresses.back().done, 4);
}

TEST_F(ClassImagesTest, MakesThemOnceWithTheirRequestInside) {
  const auto set = make();
  EXPECT_EQ(set.made, 3);
  EXPECT_FALSE(set.cancelled);
  ASSERT_EQ(set.files.size(), 3U);
  EXPECT_EQ(set.files[2].filename(), "0002.png");
  EXPECT_EQ(set.folder.filename(), classImageKey(request, model(), at::kFloat));
  const auto text = image::readPngText(set.files[2]).value();
  const auto own = config::generateRequestFromJson(text.at(0).second, "0002.png").value();
  EXPECT_EQ(own.prompt, "a photo of dog");
  EXPECT_EQ(own.seed, 13);
  EXPECT_EQ(own.model.hash, model().weightHash);
  EXPECT_THAT(reporter.stages, testing::ElementsAre(api::Stage::ClassImages));

  const auto before = contents(set);
  const auto again = make();
  EXPECT_EQ(again.made, 0);
  EXPECT_EQ(contents(again), before);
  EXPECT_EQ(reporter.of(api::PictureKind::ClassImage).size(), 6U) << "found ones are shown too";
  EXPECT_EQ(reporter.progresses.back().done, 3);
  // Known before the first picture is there.
  EXPECT_TRUE(std::ranges::any_of(reporter.progresses, [](const api::Progress& p) {
    return p.done == 0 && p.total == 3 && p.secondsLeft > 0;
  }));
}

TEST_F(ClassImagesTest, MissingAndDamagedOnesAreMadeAgain) {
  request.prior.classImages = 4;
  const auto set = make();
  std::vector<api::Image> before;
  for (const auto& file : set.files) before.push_back(image::readPhoto(file).value().image);
  std::filesystem::remove(set.files[0]);
  support::put(set.files[1], support::content(set.files[1]).substr(0, 400));
  const auto small = image::cropAndResize(before[2], std::nullopt, 32, 32);
  ASSERT_TRUE(image::writePng(set.files[2], small));
  const auto untouched = std::filesystem::last_write_time(set.files[3]);

  EXPECT_EQ(make().made, 3);
  EXPECT_EQ(std::filesystem::last_write_time(set.files[3]), untouched);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto now = image::readPhoto(set.files[i]).value().image;
    ASSERT_EQ(now.bytes->size(), before[i].bytes->size());
    for (std::size_t k = 0; k < now.bytes->size(); ++k) {
      // At most one level: the batch that made it again had another size.
      ASSERT_LE(std::abs(int{(*now.bytes)[k]} - int{(*before[i].bytes)[k]}), 1);
    }
  }
}

TEST_F(ClassImagesTest, AWriteThatBreaksOffAnywhereIsCompletedByTheNextCall) {
  request.prior.classImages = 2;
  request.prior.sampling.steps = 1;
  int calls = 0;
  {
    const support::FaultyFiles counting(-1);
    make();
    calls = counting.calls();
  }
  ASSERT_GE(calls, 2 * 4);
  // The last call closes the folder after its fsync, when everything is kept already.
  for (int failAt = 0; failAt < calls - 1; ++failAt) {
    std::filesystem::remove_all(request.outFolder);
    {
      // From this system call on nothing works any more, not even tidying up: as after kill -9.
      const support::FaultyFiles faulty(failAt, EIO, true);
      EXPECT_FALSE(makeClassImages(request, model(), at::kFloat, reporter))
          << faulty.names().back();
    }
    const auto set = make();
    EXPECT_FALSE(set.cancelled);
    EXPECT_EQ(filesIn(set.folder), 2U) << "stray files after a failure at call " << failAt;
    for (const auto& file : set.files) EXPECT_TRUE(image::readPhoto(file)) << file;
  }
}

TEST_F(ClassImagesTest, StopKeepsWhatIsDone) {
  request.prior.classImages = 9;  // batches of 8 and 1
  reporter.onPicture = [&](const api::PictureReady&) { reporter.stopSource.request_stop(); };
  const auto set = make();
  EXPECT_TRUE(set.cancelled);
  EXPECT_EQ(set.made, 8);
  RecordingReporter second;
  const auto rest = makeClassImages(request, model(), at::kFloat, second).value();
  EXPECT_FALSE(rest.cancelled);
  EXPECT_EQ(rest.made, 1);
}

TEST_F(ClassImagesTest, CountIsNotPartOfTheKey) {
  const auto few = make();
  request.prior.classImages = 5;
  const auto more = make();
  EXPECT_EQ(more.folder, few.folder);
  EXPECT_EQ(more.made, 2);
}

TEST_F(ClassImagesTest, EverythingThatChangesAPictureChangesTheKey) {
  std::set<std::string> keys{classImageKey(request, model(), at::kFloat),
                             classImageKey(request, model(), at::kBFloat16)};
  const auto add = [&](auto change) {
    auto other = request;
    change(other);
    keys.insert(classImageKey(other, model(), at::kFloat));
  };
  add([](auto& r) { r.subject.classWord = "cat"; });
  add([](auto& r) { r.prior.negativePrompt = "blurry"; });
  add([](auto& r) { r.prior.sampling.sampler = api::SamplerKind::Euler; });
  add([](auto& r) { r.prior.sampling.steps = 3; });
  add([](auto& r) { r.prior.sampling.guidance = 7; });
  add([](auto& r) { r.prior.sampling.karras = true; });
  add([](auto& r) { r.prior.sampling.eta = 0.5; });
  add([](auto& r) { r.prior.sampling.exponential = true; });
  add([](auto& r) { r.prior.sampling.spacing = api::TimestepSpacing::Trailing; });
  add([](auto& r) { r.prior.sampling.zeroSnr = api::ZeroSnr::Off; });
  add([](auto& r) { r.prior.sampling.guidanceRescale = 0.7; });
  add([](auto& r) { r.prior.sampling.clipSkip = 2; });
  add([](auto& r) { r.resolution = 128; });
  add([](auto& r) { r.seed = 12; });
  EXPECT_EQ(keys.size(), 16U);
  for (const auto& key : keys) EXPECT_THAT(key, testing::MatchesRegex("[0-9a-f]{16}"));
  add([](auto& r) { r.prior.classImages = 50; });
  add([](auto& r) { r.prior.weight = 2; });
  add([](auto& r) { r.subject.token = "ohwx"; });
  EXPECT_EQ(keys.size(), 16U);
}

TEST_F(ClassImagesTest, TheModelsOwnResolutionIsTheSameAsNamed) {
  request.resolution = 0;
  auto named = request;
  named.resolution = model().resolution();
  EXPECT_EQ(classImageKey(request, model(), at::kFloat), classImageKey(named, model(), at::kFloat));
}

}  // namespace
}  // namespace likeness::data
