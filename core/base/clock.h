// Durations of steps of a job, for figures and estimates.
#pragma once

#include <chrono>

namespace likeness::base {

using Clock = std::chrono::steady_clock;

inline double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace likeness::base
