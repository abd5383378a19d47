// Which noise levels training draws, and how often: for the plan that draws and the window that
// shows it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/api/train_options.h"

namespace likeness::api {

/// Timesteps that are drawn: from .. to - 1, 0 is the clearest.
struct TimestepRange {
  std::int64_t from = 0, to = 0;
};
/// Of a schedule of `length` levels, at least one when `loss` is valid. Any thread.
TimestepRange timestepRange(const LossOptions& loss, std::int64_t length);

/// Where in the range, 0..1, a logit-normal draw falls: `normal` is of the standard normal
/// distribution. Any thread.
double timestepPlace(const LossOptions& loss, double normal);

/// The part of all draws, 0..1, that falls on each of `parts` equal parts of the schedule, from
/// clear to noisy. All 0 when the range is empty. Any thread.
std::vector<double> timestepShares(const LossOptions& loss, std::size_t parts);

}  // namespace likeness::api
