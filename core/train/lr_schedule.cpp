// Warm-up, then one of the falls.
#include "core/train/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace likeness::train {

double LrSchedule::factor(std::int64_t step) const {
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double progress =
      std::min(1.0,
               static_cast<double>(step - warmup) /
                   static_cast<double>(std::max<std::int64_t>(1, steps - warmup)));
  switch (kind) {
    case api::LrScheduleKind::Constant:
      return 1;
    case api::LrScheduleKind::Linear:
      return 1 - progress;
    case api::LrScheduleKind::Cosine:
      return 0.5 * (1 + std::cos(std::numbers::pi * progress));
    case api::LrScheduleKind::CosineRestarts:
      return progress >= 1
                 ? 0
                 : 0.5 * (1 + std::cos(std::numbers::pi *
                                       std::fmod(progress * static_cast<double>(cycles), 1.0)));
    case api::LrScheduleKind::Polynomial:
      return std::pow(1 - progress, power);
  }
  return 1;
}

LrSchedule makeSchedule(const api::TrainingOptions& options, std::int64_t steps) {
  return {options.lrSchedule,
          steps,
          std::llround(options.lrWarmup * static_cast<double>(steps)),
          options.lrCycles,
          options.lrPower};
}

}  // namespace likeness::train
