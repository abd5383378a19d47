// The plan: permutation per epoch, one counter-based stream per place.
#include "core/data/data_plan.h"

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

Draw DataPlan::draw(std::int64_t step, std::int64_t position, Half half) const {
  const std::int64_t count = half == Half::Subject ? photos : classPictures;
  const std::int64_t sample = step * globalBatch + position;
  const auto order = epochOrder(seed, half, sample / count, count);
  return {order[static_cast<std::size_t>(sample % count)],
          static_cast<std::int64_t>(random(base::Purpose::Timestep, step, position, half)
                                        .below(static_cast<std::uint64_t>(trainTimesteps))),
          flip && half == Half::Subject &&
              random(base::Purpose::Flip, step, position, half).below(2) == 1};
}

}  // namespace likeness::data
