// The plan of draws: balanced, repeatable, independent of how a batch is cut.
#include "core/data/data_plan.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "core/api/timesteps.h"

namespace likeness::data {
namespace {

DataPlan somePlan() {
  DataPlan plan{5, std::vector<PlanPicture>(4), std::vector<PlanPicture>(7), 2, 2, 1000, true, 1};
  return plan;
}

TEST(DataPlanTest, EveryEpochVisitsEachPictureOnceInItsOwnOrder) {
  const auto plan = somePlan();
  for (const Half half : {Half::Subject, Half::Class}) {
    const auto count = static_cast<std::int64_t>(
        (half == Half::Subject ? plan.photos : plan.classPictures).size());
    std::set<std::vector<std::int64_t>> orders;
    std::vector<std::int64_t> order;
    for (std::int64_t sample = 0; sample < 10 * count; ++sample) {
      order.push_back(plan.draw(sample / 2, sample % 2, half).picture);
      if (static_cast<std::int64_t>(order.size()) < count) continue;
      orders.insert(order);
      std::ranges::sort(order);
      for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
      order.clear();
    }
    EXPECT_GT(orders.size(), 5U);
  }
}

TEST(DataPlanTest, IsAPureFunction) {
  const auto first = somePlan(), second = somePlan();
  for (std::int64_t step : {0, 17, 123456})
    for (const Half half : {Half::Subject, Half::Class})
      EXPECT_EQ(first.draw(step, 1, half), second.draw(step, 1, half));
  auto other = somePlan();
  other.seed = 6;
  int different = 0;
  for (std::int64_t step = 0; step < 50; ++step)
    different += first.draw(step, 0, Half::Subject) != other.draw(step, 0, Half::Subject);
  EXPECT_GT(different, 45);
}

TEST(DataPlanTest, PlacesAndHalvesDrawApart) {
  const auto plan = somePlan();
  std::set<std::uint64_t> words;
  for (std::int64_t step = 0; step < 20; ++step)
    for (std::int64_t position = 0; position < 2; ++position)
      for (const Half half : {Half::Subject, Half::Class})
        for (const base::Purpose purpose : {base::Purpose::Noise, base::Purpose::Posterior})
          words.insert(plan.random(purpose, step, position, half).below(1ull << 62));
  EXPECT_EQ(words.size(), 20U * 2 * 2 * 2);
}

TEST(DataPlanTest, TimestepsCoverTheScheduleEvenly) {
  const auto plan = somePlan();
  std::map<std::int64_t, int> tenths;
  for (std::int64_t step = 0; step < 10000; ++step) {
    const auto t = plan.draw(step, 0, Half::Subject).timestep;
    ASSERT_GE(t, 0);
    ASSERT_LT(t, 1000);
    ++tenths[t / 100];
  }
  ASSERT_EQ(tenths.size(), 10U);
  for (const auto& [tenth, count] : tenths) EXPECT_NEAR(count, 1000, 150) << tenth;
}

TEST(DataPlanTest, TimestepsStayInTheirRangeOfAnySchedule) {
  for (const auto distribution :
       {api::TimestepDistribution::Uniform, api::TimestepDistribution::LogitNormal})
    for (const std::int64_t length : {1000, 50}) {
      auto plan = somePlan();
      plan.trainTimesteps = length;
      plan.loss.timesteps = distribution;
      plan.loss.timestepSpread = 3;
      plan.loss.timestepMin = 200;
      plan.loss.timestepMax = 300;
      std::set<std::int64_t> drawn;
      for (std::int64_t step = 0; step < 2000; ++step)
        drawn.insert(plan.draw(step, 1, Half::Class).timestep);
      EXPECT_EQ(*drawn.begin(), length / 5);
      EXPECT_EQ(*drawn.rbegin(), length * 3 / 10 - 1);
    }
  // A range of less than one level is that level.
  auto plan = somePlan();
  plan.trainTimesteps = 50;
  plan.loss.timestepMin = 213;
  plan.loss.timestepMax = 214;
  for (std::int64_t step = 0; step < 20; ++step)
    EXPECT_EQ(plan.draw(step, 0, Half::Subject).timestep, 10);
}

/// Against the distribution function: P(t < x) = Phi((logit(x) - mean) / spread).
TEST(DataPlanTest, LogitNormalTimestepsHaveTheirMeanAndSpread) {
  constexpr std::int64_t kDraws = 20000;
  for (const auto& [mean, spread] :
       {std::pair(0.0, 1.0), std::pair(1.0, 1.0), std::pair(-0.5, 0.3)}) {
    auto plan = somePlan();
    plan.loss.timesteps = api::TimestepDistribution::LogitNormal;
    plan.loss.timestepMean = mean;
    plan.loss.timestepSpread = spread;
    std::vector<double> below(9);
    for (std::int64_t step = 0; step < kDraws; ++step) {
      const auto t = plan.draw(step, 0, Half::Subject).timestep;
      for (std::size_t i = 0; i < below.size(); ++i)
        below[i] += t < 100 * static_cast<std::int64_t>(i + 1);
    }
    for (std::size_t i = 0; i < below.size(); ++i) {
      const double x = 0.1 * static_cast<double>(i + 1);
      const double z = (std::log(x / (1 - x)) - mean) / spread;
      EXPECT_NEAR(below[i] / kDraws, std::erfc(-z / std::sqrt(2)) / 2, 0.012) << mean << " " << x;
    }
  }
}

/// What the window draws (api::timestepShares) is what happens.
TEST(DataPlanTest, TimestepsFallWhereTheirSharesSay) {
  constexpr std::int64_t kDraws = 20000;
  constexpr std::size_t kParts = 8;
  for (const auto distribution :
       {api::TimestepDistribution::Uniform, api::TimestepDistribution::LogitNormal}) {
    auto plan = somePlan();
    plan.loss.timesteps = distribution;
    plan.loss.timestepMean = 0.7;
    plan.loss.timestepSpread = 0.8;
    plan.loss.timestepMin = 100;
    plan.loss.timestepMax = 700;
    std::vector<double> drawn(kParts);
    for (std::int64_t step = 0; step < kDraws; ++step) {
      const auto t = plan.draw(step, 0, Half::Subject).timestep;
      drawn[static_cast<std::size_t>(t) * kParts / 1000] += 1.0 / kDraws;
    }
    const auto shares = api::timestepShares(plan.loss, kParts);
    for (std::size_t i = 0; i < kParts; ++i) EXPECT_NEAR(drawn[i], shares[i], 0.012) << i;
  }
}

TEST(DataPlanTest, CaptionsAreDroppedAsOftenAsAskedInBothHalves) {
  auto plan = somePlan();
  for (const double part : {0.0, 0.1, 1.0}) {
    plan.loss.captionDropout = part;
    for (const Half half : {Half::Subject, Half::Class}) {
      int dropped = 0;
      for (std::int64_t step = 0; step < 2000; ++step)
        dropped += plan.draw(step, 0, half).withoutCaption;
      EXPECT_NEAR(dropped, 2000 * part, part == 0.1 ? 45 : 0);
    }
  }
}

TEST(DataPlanTest, PhotosAreMirroredHalfTheTimeAndClassPicturesNever) {
  auto plan = somePlan();
  int mirrored = 0;
  for (std::int64_t step = 0; step < 1000; ++step) {
    mirrored += plan.draw(step, 0, Half::Subject).flip;
    EXPECT_FALSE(plan.draw(step, 0, Half::Class).flip);
  }
  EXPECT_NEAR(mirrored, 500, 60);
  plan.flip = false;
  for (std::int64_t step = 0; step < 100; ++step)
    EXPECT_FALSE(plan.draw(step, 0, Half::Subject).flip);
}

TEST(DataPlanTest, PhotosAreRepeatedWithinAnEpoch) {
  auto plan = somePlan();
  plan.photos[1].repeats = 3;
  std::map<std::int64_t, int> visited;
  for (std::int64_t step = 0; step < 3 * 10; ++step)  // ten epochs of six
    for (std::int64_t position : {0, 1})
      ++visited[plan.draw(step, position, Half::Subject).picture];
  EXPECT_EQ(visited, (std::map<std::int64_t, int>{{0, 10}, {1, 30}, {2, 10}, {3, 10}}));
}

TEST(DataPlanTest, PromptsAndCopiesAreDrawnByStepAndPlace) {
  auto plan = somePlan();
  plan.photos[0].prompts = 3;
  plan.copies = 4;
  std::map<std::int64_t, int> prompts, versions;
  for (std::int64_t step = 0; step < 600; ++step) {
    const Draw draw = plan.draw(step, step % 2, Half::Subject);
    ++versions[draw.version];
    if (draw.picture == 0)
      ++prompts[draw.prompt];
    else
      EXPECT_EQ(draw.prompt, 0);
    EXPECT_EQ(plan.draw(step, 0, Half::Class).version, 0);
  }
  ASSERT_EQ(prompts.size(), 3U);
  ASSERT_EQ(versions.size(), 4U);
  for (const auto& [prompt, count] : prompts) EXPECT_NEAR(count, 50, 20) << prompt;
  for (const auto& [version, count] : versions) EXPECT_NEAR(count, 150, 40) << version;
}

TEST(DataPlanTest, ASingleShapeIsTheOrderItself) {
  for (const std::int64_t batchSize : {1, 2, 3}) {
    auto plan = somePlan();
    plan.batchSize = batchSize;
    plan.globalBatch = 6;
    for (std::int64_t sample = 0; sample < 60; ++sample)
      EXPECT_EQ(plan.draw(sample / 6, sample % 6, Half::Subject).picture,
                epochOrder(5, Half::Subject, sample / 4, 4)[static_cast<std::size_t>(sample % 4)]);
  }
}

TEST(DataPlanTest, BatchesHaveOneShapeAndEpochsEveryPhoto) {
  auto plan = somePlan();
  plan.photos = {{1, 1, 0}, {2, 1, 1}, {1, 1, 0}, {1, 1, 2}, {1, 1, 1}};  // 2, 3 and 1 visits
  const auto pictureAt = [&](std::int64_t sample) {
    return plan.draw(sample / plan.globalBatch, sample % plan.globalBatch, Half::Subject).picture;
  };
  for (const std::int64_t batchSize : {1, 2, 4}) {
    plan.batchSize = batchSize;
    plan.globalBatch = 2 * batchSize;
    std::map<std::int64_t, int> visited;
    for (std::int64_t sample = 0; sample < 10 * 6 * batchSize; ++sample) {
      const std::int64_t step = sample / plan.globalBatch, position = sample % plan.globalBatch;
      const std::int64_t picture = pictureAt(sample);
      const auto shape = plan.photos[static_cast<std::size_t>(picture)].shape;
      ++visited[picture];
      EXPECT_EQ(shape, plan.shape(step, position));
      EXPECT_EQ(plan.photos[static_cast<std::size_t>(pictureAt(sample - sample % batchSize))].shape,
                shape);
      EXPECT_EQ(plan.draw(step, position, Half::Class).version, shape);
      if (batchSize == 1) {
        const auto order = epochOrder(5, Half::Subject, sample / 6, 6);
        constexpr std::int64_t kPictures[]{0, 1, 1, 2, 3, 4};
        EXPECT_EQ(picture, kPictures[order[static_cast<std::size_t>(sample % 6)]])
            << "the shapes change nothing";
      }
    }
    // Whole passes: batchSize epochs leave no photo waiting.
    const int passes = static_cast<int>(10 * batchSize);
    EXPECT_EQ(visited,
              (std::map<std::int64_t, int>{
                  {0, passes}, {1, 2 * passes}, {2, passes}, {3, passes}, {4, passes}}));
  }
}

/// A run of one subject draws what it drew before there could be several: the class half is its
/// own order, whatever the photos' shapes, repeats and batches are.
TEST(DataPlanTest, OneClassIsItsOrder) {
  auto plan = somePlan();
  plan.photos = {{1, 1, 0}, {2, 1, 1}, {1, 1, 0}, {1, 1, 2}, {1, 1, 1}};
  plan.classPictures[2].repeats = 2;
  constexpr std::int64_t kPictures[]{0, 1, 2, 2, 3, 4, 5, 6};
  for (const std::int64_t batchSize : {1, 2, 3}) {
    plan.batchSize = batchSize;
    plan.globalBatch = 2 * batchSize;
    for (std::int64_t sample = 0; sample < 100; ++sample) {
      const auto order = epochOrder(5, Half::Class, sample / 8, 8);
      EXPECT_EQ(
          plan.draw(sample / plan.globalBatch, sample % plan.globalBatch, Half::Class).picture,
          kPictures[order[static_cast<std::size_t>(sample % 8)]]);
    }
  }
}

TEST(DataPlanTest, ClassRowsAreOfThePhotosClassesAndEachGoesThroughItsPictures) {
  auto plan = somePlan();
  // Subjects of classes 0, 2 and 0 with 2, 3 and 1 photos; 3 and 4 class pictures.
  plan.photos = {{1, 1, 0, 0}, {1, 1, 0, 0}, {1, 1, 0, 2}, {2, 1, 0, 2}, {1, 1, 0, 0}};
  plan.classPictures = {{1, 1, 0, 0},
                        {1, 1, 0, 2},
                        {1, 1, 0, 0},
                        {1, 1, 0, 2},
                        {1, 1, 0, 0},
                        {1, 1, 0, 2},
                        {1, 1, 0, 2}};
  plan.globalBatch = 6;
  std::map<std::int64_t, std::vector<std::int64_t>> drawn;  // by class
  for (std::int64_t sample = 0; sample < 240; ++sample) {
    const auto rowOf = [&](Half half) {
      return static_cast<std::size_t>(plan.draw(sample / 6, sample % 6, half).picture);
    };
    const PlanPicture photo = plan.photos[rowOf(Half::Subject)];
    const std::size_t picture = rowOf(Half::Class);
    EXPECT_EQ(plan.classPictures[picture].kind, photo.kind) << "beside it stands its class";
    drawn[photo.kind].push_back(static_cast<std::int64_t>(picture));
  }
  EXPECT_EQ(drawn[0].size(), 120U) << "half of the visits";
  EXPECT_EQ(drawn[2].size(), 120U);
  std::set<std::vector<std::int64_t>> orders;
  for (const auto& [kind, pictures] : drawn) {
    const std::size_t count = kind == 0 ? 3 : 4;
    for (std::size_t begin = 0; begin + count <= pictures.size(); begin += count) {
      std::vector<std::int64_t> epoch(
          pictures.begin() + static_cast<std::ptrdiff_t>(begin),
          pictures.begin() + static_cast<std::ptrdiff_t>(begin + count));
      orders.insert(epoch);
      std::ranges::sort(epoch);
      EXPECT_EQ(epoch,
                kind == 0 ? (std::vector<std::int64_t>{0, 2, 4})
                          : (std::vector<std::int64_t>{1, 3, 5, 6}))
          << "an epoch of the class";
    }
  }
  EXPECT_GT(orders.size(), 10U);
}

TEST(DataPlanTest, ClassesAreBalancedWherePhotosWaitForTheirShape) {
  auto plan = somePlan();
  plan.photos = {{1, 1, 0, 0}, {1, 1, 1, 0}, {1, 1, 0, 1}, {1, 1, 1, 1}, {3, 1, 2, 1}};
  plan.classPictures = {{1, 1, 0, 0}, {1, 1, 0, 1}, {1, 1, 0, 1}};
  plan.batchSize = plan.globalBatch = 4;
  std::map<std::int64_t, int> rows;
  for (std::int64_t sample = 0; sample < 7 * 8; ++sample)
    ++rows[plan.draw(sample / 4, sample % 4, Half::Class).picture];
  EXPECT_EQ(rows, (std::map<std::int64_t, int>{{0, 16}, {1, 20}, {2, 20}}));
}

}  // namespace
}  // namespace likeness::data
