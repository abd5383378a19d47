#include "core/api/timesteps.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace likeness::api {
namespace {

constexpr std::int64_t kThousandths = 1000;  // the unit of the options' range

/// The part of draws below `place` of the range: the distribution of timestepPlace().
double cumulative(const LossOptions& loss, double place) {
  if (place <= 0 || place >= 1) return place <= 0 ? 0 : 1;
  if (loss.timesteps == TimestepDistribution::Uniform) return place;
  const double normal = (std::log(place / (1 - place)) - loss.timestepMean) / loss.timestepSpread;
  return std::erfc(-normal / std::numbers::sqrt2) / 2;
}

}  // namespace

TimestepRange timestepRange(const LossOptions& loss, std::int64_t length) {
  return {loss.timestepMin * length / kThousandths,
          (loss.timestepMax * length + kThousandths - 1) / kThousandths};
}

double timestepPlace(const LossOptions& loss, double normal) {
  return 1 / (1 + std::exp(-(loss.timestepMean + loss.timestepSpread * normal)));
}

std::vector<double> timestepShares(const LossOptions& loss, std::size_t parts) {
  std::vector<double> shares(parts, 0.0);
  const double from = static_cast<double>(loss.timestepMin) / kThousandths;
  const double width = static_cast<double>(loss.timestepMax) / kThousandths - from;
  if (width <= 0) return shares;
  const auto below = [&](std::size_t part) {
    const double level = static_cast<double>(part) / static_cast<double>(parts);
    return cumulative(loss, (level - from) / width);
  };
  for (std::size_t i = 0; i < parts; ++i) shares[i] = below(i + 1) - below(i);
  return shares;
}

}  // namespace likeness::api
