// The plan of draws: balanced, repeatable, independent of how a batch is cut.
#include "core/data/data_plan.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

namespace likeness::data {
namespace {

DataPlan somePlan() { return {5, 4, 7, 2, 1000, true}; }

TEST(DataPlanTest, EveryEpochVisitsEachPictureOnceInItsOwnOrder) {
  const auto plan = somePlan();
  for (const Half half : {Half::Subject, Half::Class}) {
    const std::int64_t count = half == Half::Subject ? plan.photos : plan.classPictures;
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

}  // namespace
}  // namespace likeness::data
