// The user's vision models judge samples beside the photos.
#include "core/train/likeness.h"

#include "tests/core/train/job_fixture.h"
#include "tests/support/vision_folder.h"

namespace likeness::train::test {
namespace {

using api::Series;

class LikenessTest : public TrainTest {
 protected:
  /// A folder of the golden `kind`, clip or vit.
  fs::path model(const std::string& kind) const {
    return support::writeVisionModel(kind, folder / kind);
  }
  std::map<Series, std::vector<std::int64_t>> judged() const {
    std::map<Series, std::vector<std::int64_t>> steps;
    for (const auto& sample : reporter.metrics)
      if (sample.series >= Series::DinoLikeness) {
        steps[sample.series].push_back(sample.step);
        EXPECT_LE(std::abs(sample.value), 1 + 1e-6);
      }
    return steps;
  }
};

TEST_F(LikenessTest, ModelsOfTheUserJudgeTheSamples) {
  auto r = request("run");
  r.watch.samplePrompts = {"{subject} on the beach", "a photo of {class}"};
  ASSERT_TRUE(run(r));
  EXPECT_TRUE(judged().empty());

  r.runFolder = folder / "judged";
  r.watch.dinoModel = model("vit");
  r.watch.clipModel = model("clip");
  ASSERT_TRUE(run(r));
  const std::vector<std::int64_t> steps{0, 6, 12};
  const auto all = judged();
  ASSERT_EQ(all.size(), 3);
  for (const auto& [series, at] : all) EXPECT_EQ(at, steps) << static_cast<int>(series);
  EXPECT_THAT(metricRows(r.runFolder).front(),
              testing::IsSupersetOf({"dino_likeness", "clip_likeness", "clip_prompt"}));
}

/// A photo among the samples is as like as photos are among themselves; the token is no word of the
/// prompt.
TEST_F(LikenessTest, IsTheMeanCosineWithThePhotos) {
  auto r = request("run");
  r.training.resolution = 16;
  r.watch.dinoModel = model("vit");
  const auto photos = data::openPhotos(r, {});
  ASSERT_TRUE(photos);
  auto judge = LikenessJudge::open(r, *photos, at::kCPU);
  ASSERT_TRUE(judge) << api::message(judge.error());
  const auto tower = nn::VisionTower::open(r.watch.dinoModel, at::kCPU);
  std::vector<at::Tensor> points;
  for (const auto& photo : *photos)
    points.push_back(tower->embed(data::readPicture(photo, {16, 16}, 8).value().image)[0]);
  double mean = 0;
  for (const at::Tensor& point : points)
    mean += (point * points[0]).sum().item<double>() / static_cast<double>(points.size());
  judge->look(data::readPicture(photos->front(), {16, 16}, 8).value().image, "a toy");
  const auto means = judge->take(3);
  ASSERT_EQ(means.size(), 1);
  EXPECT_EQ(means[0].step, 3);
  EXPECT_NEAR(means[0].value, mean, 1e-6);
  EXPECT_TRUE(judge->take(4).empty());
}

TEST_F(LikenessTest, TheWrongModelIsNamedBeforeAnythingIsMade) {
  auto r = request("run");
  r.watch.clipModel = model("vit");
  const auto result = run(r);
  ASSERT_FALSE(result);
  EXPECT_THAT(api::message(result.error()), testing::HasSubstr("no CLIP"));
  EXPECT_FALSE(fs::exists(r.runFolder / workspace::kRunFile));
}

}  // namespace
}  // namespace likeness::train::test
