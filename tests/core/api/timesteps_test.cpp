// Which noise levels are drawn: the range, the place of a draw, and the shares that the window
// shows.
#include "core/api/timesteps.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

namespace likeness::api {
namespace {

double sum(const std::vector<double>& shares) {
  return std::accumulate(shares.begin(), shares.end(), 0.0);
}

TEST(TimestepsTest, UniformSharesAreAlikeInsideTheRangeAndNoneOutside) {
  LossOptions loss;
  for (const double share : timestepShares(loss, 10)) EXPECT_NEAR(share, 0.1, 1e-12);
  loss.timestepMin = 250;
  loss.timestepMax = 500;
  const auto shares = timestepShares(loss, 10);
  EXPECT_EQ(shares[1], 0);
  EXPECT_NEAR(shares[2], 0.2, 1e-12);  // half of it is inside
  EXPECT_NEAR(shares[3], 0.4, 1e-12);
  EXPECT_EQ(shares[5], 0);
  EXPECT_NEAR(sum(shares), 1, 1e-12);
}

TEST(TimestepsTest, LogitNormalPrefersTheMiddleAndFollowsItsCentre) {
  LossOptions loss;
  loss.timesteps = TimestepDistribution::LogitNormal;
  auto shares = timestepShares(loss, 3);
  EXPECT_NEAR(shares[0], shares[2], 1e-12);
  EXPECT_NEAR(shares[0], std::erfc(std::log(2) / std::sqrt(2)) / 2, 1e-12);
  loss.timestepMean = 1;
  shares = timestepShares(loss, 3);
  EXPECT_GT(shares[2], shares[1]);
  EXPECT_GT(shares[1], shares[0]);
  EXPECT_NEAR(sum(shares), 1, 1e-12);
}

/// The draw and the distribution function are one formula and its inverse.
TEST(TimestepsTest, HalfOfTheDrawsFallBelowThePlaceOfZero) {
  LossOptions loss;
  loss.timesteps = TimestepDistribution::LogitNormal;
  loss.timestepMean = -0.4;
  loss.timestepSpread = 0.6;
  const auto shares = timestepShares(loss, 1000);
  const auto parts = static_cast<std::ptrdiff_t>(std::lround(1000 * timestepPlace(loss, 0)));
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.begin() + parts, 0.0), 0.5, 1e-3);
}

TEST(TimestepsTest, RangesOfOtherSchedulesKeepAtLeastOneLevel) {
  LossOptions loss;
  loss.timestepMin = 213;
  loss.timestepMax = 214;
  const TimestepRange range = timestepRange(loss, 50);
  EXPECT_EQ(range.from, 10);
  EXPECT_EQ(range.to, 11);
}

TEST(TimestepsTest, AnEmptyRangeHasNoShares) {
  LossOptions loss;
  loss.timestepMin = loss.timestepMax = 500;
  EXPECT_THAT(timestepShares(loss, 4), testing::Each(0.0));
}

}  // namespace
}  // namespace likeness::api
