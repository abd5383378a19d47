// How fast this machine trains.
#pragma once

#include <cstdint>

namespace likeness::workspace {

/// What a speed was reached with.
struct SpeedConditions {
  std::int64_t unetParameters = 0;  ///< small networks wait more than they compute
  bool bf16 = false;
  std::int64_t threads = 0;  ///< 0 = all
};

/// Floating-point operations a second: what the last run under these conditions reached here, else
/// the part that runs usually reach of what the processor manages, which takes some milliseconds to
/// measure.
double trainingSpeed(const SpeedConditions& conditions);
/// Keeps what a run has reached for later plans.
void rememberTrainingSpeed(const SpeedConditions& conditions, double operationsPerSecond);

}  // namespace likeness::workspace
