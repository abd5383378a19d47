// The plan: permutation per epoch, one counter-based stream per place.
#include "core/data/data_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace likeness::data {

std::vector<std::int64_t> epochOrder(std::uint64_t seed,
                                     Half half,
                                     std::int64_t epoch,
                                     std::int64_t count) {
  const base::Random random(seed,
                            base::Purpose::Order,
                            static_cast<std::uint64_t>(epoch),
                            static_cast<std::uint64_t>(half));
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::uint64_t last = order.size(); last-- > 1;)
    std::swap(order[last], order[random.below(last + 1, last)]);
  return order;
}

base::Random DataPlan::random(base::Purpose purpose,
                              std::int64_t step,
                              std::int64_t position,
                              Half half) const {
  return base::Random(seed,
                      purpose,
                      static_cast<std::uint64_t>(step),
                      2 * static_cast<std::uint64_t>(position) + static_cast<std::uint64_t>(half));
}

std::int64_t DataPlan::timestep(const base::Random& random) const {
  constexpr std::int64_t kParts = 1000;
  const std::int64_t from = loss.timestepMin * trainTimesteps / kParts;
  const std::int64_t to = (loss.timestepMax * trainTimesteps + kParts - 1) / kParts;
  const std::int64_t count = to - from;
  if (loss.timesteps == api::TimestepDistribution::Uniform)
    return from + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)));
  float z = 0;
  random.normal({&z, 1});
  const double share = 1 / (1 + std::exp(-(loss.timestepMean + loss.timestepSpread * z)));
  return from + std::min(static_cast<std::int64_t>(share * static_cast<double>(count)), count - 1);
}

Draw DataPlan::draw(std::int64_t step, std::int64_t position, Half half) const {
  const std::int64_t count = half == Half::Subject ? photos : classPictures;
  const std::int64_t sample = step * globalBatch + position;
  const auto order = epochOrder(seed, half, sample / count, count);
  const auto stream = [&](base::Purpose purpose) { return random(purpose, step, position, half); };
  return {order[static_cast<std::size_t>(sample % count)],
          timestep(stream(base::Purpose::Timestep)),
          flip && half == Half::Subject && stream(base::Purpose::Flip).below(2) == 1,
          stream(base::Purpose::CaptionDropout).uniform() < loss.captionDropout};
}

}  // namespace likeness::data
