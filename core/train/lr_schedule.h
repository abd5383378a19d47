// The learning rate over a run, as a factor on each group's own rate.
#pragma once

#include <cstdint>

#include "core/api/train_options.h"

namespace likeness::train {

struct LrSchedule {
  api::LrScheduleKind kind = api::LrScheduleKind::Constant;
  std::int64_t steps = 1;   ///< of the whole run
  std::int64_t warmup = 0;  ///< steps of the linear rise
  std::int64_t cycles = 1;  ///< of CosineRestarts
  double power = 2;         ///< of Polynomial

  /// Factor of the update after step `step` (0-based). The rise reaches 1 with the last warm-up
  /// step and never starts at 0 (unlike diffusers', whose first step is lost); then constant,
  /// a fall to 0: linear, half a cosine (or several, each from 1), a power of what is left; as
  /// diffusers' get_scheduler with its default cycle and, for the power, an end of 0.
  double factor(std::int64_t step) const;
};

LrSchedule makeSchedule(const api::TrainingOptions& options, std::int64_t steps);

}  // namespace likeness::train
