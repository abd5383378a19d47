// What the samplers share: which noise levels they visit.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/api/options.h"
#include "core/diffusion/noise_schedule.h"

namespace likeness::diffusion {

enum class Spacing { Leading, Linspace, Trailing };
/// The options' spacing, else the model's `timestep_spacing`, or `byDefault` where both are silent.
Spacing spacingOf(const NoiseSchedule& schedule,
                  const api::SamplingOptions& options,
                  Spacing byDefault);
/// `options.steps`, at least 1 and at most as many as there are noise levels.
std::int64_t stepsOf(const NoiseSchedule& schedule, const api::SamplingOptions& options);

/// "Common Diffusion Noise Schedules and Sample Steps are Flawed" (Lin et al. 2024), table 2; the
/// arithmetic is that of diffusers' DDIM, except that trailing always yields exactly `steps` values
/// (numpy's float arange yields one more for some) and that none exceeds the last noise level.
/// `exact` leaves linspace unrounded (Euler).
std::vector<double> spacedTimesteps(const NoiseSchedule& schedule,
                                    Spacing spacing,
                                    std::int64_t steps,
                                    bool exact = false);

/// The table of sigma = sqrt((1 - a) / a), as doubles of fp32 values, T entries.
/// Without any signal (zero SNR) sigma would be infinite: a is at least 2^-24, as upstream.
std::vector<double> trainingSigmas(const NoiseSchedule& schedule);
/// Sigmas at fractional timesteps, linear between table entries, rounded to fp32.
std::vector<double> sigmasAt(const std::vector<double>& table,
                             const std::vector<double>& timesteps);
/// Karras et al. 2022, eq. (5), rho 7; from `max` down to `min`.
std::vector<double> karrasSigmas(double min, double max, std::int64_t steps);
/// Evenly spaced in the logarithm, from `max` down to `min`.
std::vector<double> exponentialSigmas(double min, double max, std::int64_t steps);
/// The timestep whose sigma this is, by interpolation of log sigma.
double timestepOfSigma(const std::vector<double>& table, double sigma);

/// A descent through noise levels, without the final 0.
struct Descent {
  std::vector<double> timesteps, sigmas;
  double initialScale = 1;  ///< factor on standard noise for samplers in sigma space
};
/// As diffusers' Euler and Heun do: Karras and exponential sigmas between the ends of the spacing.
Descent eulerDescent(const NoiseSchedule& schedule, const api::SamplingOptions& options);
/// As diffusers' multistep DPM and UniPC do: over the whole table, timesteps in whole numbers.
Descent multistepDescent(const NoiseSchedule& schedule, const api::SamplingOptions& options);

}  // namespace likeness::diffusion
