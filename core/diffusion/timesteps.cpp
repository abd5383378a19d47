// Timestep spacings and sigma tables; numpy's float64 arithmetic, stored as fp32 where diffusers
// does.
#include "core/diffusion/timesteps.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/rsub.h>

#include <algorithm>
#include <cmath>

namespace likeness::diffusion {

Spacing spacingOf(const NoiseSchedule& schedule,
                  const api::SamplingOptions& options,
                  Spacing byDefault) {
  const std::string name = options.spacing == api::TimestepSpacing::Auto
                               ? schedule.config().timestepSpacing
                               : std::string(api::enumName(options.spacing));
  if (name.empty()) return byDefault;
  TORCH_CHECK(name == "leading" || name == "linspace" || name == "trailing",
              "unknown timestep spacing ",
              name);
  return name == "leading"    ? Spacing::Leading
         : name == "linspace" ? Spacing::Linspace
                              : Spacing::Trailing;
}

std::int64_t stepsOf(const NoiseSchedule& schedule, const api::SamplingOptions& options) {
  return std::clamp<std::int64_t>(options.steps, 1, schedule.config().numTrainTimesteps);
}

std::vector<double> spacedTimesteps(const NoiseSchedule& schedule,
                                    Spacing spacing,
                                    std::int64_t steps,
                                    bool exact) {
  const std::int64_t levels = schedule.config().numTrainTimesteps;
  const auto last = static_cast<double>(levels - 1);
  std::vector<double> timesteps(static_cast<std::size_t>(steps));
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t up = steps - 1 - i;  // from the least noise
    double t = 0;
    if (spacing == Spacing::Leading) {
      t = static_cast<double>(up * (levels / steps) + schedule.config().stepsOffset);
    } else if (spacing == Spacing::Linspace) {
      t = steps > 1 ? static_cast<double>(up) * (last / static_cast<double>(steps - 1)) : 0;
      t = exact ? static_cast<float>(t) : std::nearbyint(t);
    } else {
      const double ratio = static_cast<double>(levels) / static_cast<double>(steps);
      t = std::nearbyint(static_cast<double>(levels) - static_cast<double>(i) * ratio) - 1;
    }
    timesteps[static_cast<std::size_t>(i)] = std::min(t, last);
  }
  return timesteps;
}

std::vector<double> trainingSigmas(const NoiseSchedule& schedule) {
  const at::Tensor a = schedule.alphasCumprod().clamp_min(0x1p-24);
  const at::Tensor sigmas = (at::rsub(a, 1) / a).sqrt().contiguous();
  const auto* values = sigmas.const_data_ptr<float>();
  return {values, values + sigmas.numel()};
}

std::vector<double> sigmasAt(const std::vector<double>& table,
                             const std::vector<double>& timesteps) {
  std::vector<double> sigmas;
  for (const double t : timesteps) {
    const double at = std::clamp(t, 0.0, static_cast<double>(table.size() - 1));
    const auto low = std::min(static_cast<std::size_t>(at), table.size() - 2);
    const double fraction = at - static_cast<double>(low);
    sigmas.push_back(static_cast<float>(table[low] + fraction * (table[low + 1] - table[low])));
  }
  return sigmas;
}

std::vector<double> karrasSigmas(double min, double max, std::int64_t steps) {
  constexpr double kRho = 7;
  const double from = std::pow(max, 1 / kRho), to = std::pow(min, 1 / kRho);
  std::vector<double> sigmas;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double ramp = steps > 1 ? static_cast<double>(i) / static_cast<double>(steps - 1) : 0;
    sigmas.push_back(std::pow(from + ramp * (to - from), kRho));
  }
  return sigmas;
}

std::vector<double> exponentialSigmas(double min, double max, std::int64_t steps) {
  const double from = std::log(max), to = std::log(min);
  std::vector<double> sigmas;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double ramp = steps > 1 ? static_cast<double>(i) / static_cast<double>(steps - 1) : 0;
    sigmas.push_back(std::exp(from + ramp * (to - from)));
  }
  return sigmas;
}

double timestepOfSigma(const std::vector<double>& table, double sigma) {
  // Logarithms of the table in fp32, of sigma in double, as upstream: where the result is cut to a
  // whole number, the last bit decides.
  const auto logAt = [&](std::size_t i) -> double {
    return std::log(static_cast<float>(table[i]));
  };
  const double wanted = std::log(std::max(sigma, 1e-10));
  std::size_t low = 0, high = table.size() - 1;  // log at low <= wanted, at high > wanted
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (logAt(middle) <= wanted ? low : high) = middle;
  }
  const double from = logAt(low), to = logAt(low + 1);
  return static_cast<double>(low) + std::clamp((from - wanted) / (from - to), 0.0, 1.0);
}

Descent eulerDescent(const NoiseSchedule& schedule, const api::SamplingOptions& options) {
  const std::int64_t count = stepsOf(schedule, options);
  const Spacing spacing = spacingOf(schedule, options, Spacing::Linspace);
  const auto table = trainingSigmas(schedule);
  Descent d;
  d.timesteps = spacedTimesteps(schedule, spacing, count, true);
  d.sigmas = sigmasAt(table, d.timesteps);
  if (options.karras || options.exponential) {
    d.sigmas = (options.karras ? karrasSigmas : exponentialSigmas)(
        d.sigmas.back(), d.sigmas.front(), count);
    for (std::size_t i = 0; i < d.sigmas.size(); ++i) {
      d.timesteps[i] = timestepOfSigma(table, d.sigmas[i]);
      d.sigmas[i] = static_cast<float>(d.sigmas[i]);
    }
  }
  const double max = *std::max_element(d.sigmas.begin(), d.sigmas.end());
  d.initialScale = spacing == Spacing::Leading ? std::sqrt(max * max + 1) : max;
  return d;
}

Descent multistepDescent(const NoiseSchedule& schedule, const api::SamplingOptions& options) {
  const std::int64_t count = stepsOf(schedule, options);
  const auto table = trainingSigmas(schedule);
  Descent d;
  if (options.karras || options.exponential) {
    d.sigmas =
        (options.karras ? karrasSigmas : exponentialSigmas)(table.front(), table.back(), count);
    for (double& sigma : d.sigmas) {
      const double t = timestepOfSigma(table, sigma);
      // Upstream rounds the one and cuts the other.
      d.timesteps.push_back(options.karras ? std::nearbyint(t) : std::trunc(t));
      sigma = static_cast<float>(sigma);
    }
    return d;
  }
  const Spacing spacing = spacingOf(schedule, options, Spacing::Linspace);
  // One level more, whose last (cleanest) is left out; trailing has no such level.
  const bool extra = spacing != Spacing::Trailing;
  d.timesteps = spacedTimesteps(schedule, spacing, count + (extra ? 1 : 0));
  if (extra) d.timesteps.pop_back();
  d.sigmas = sigmasAt(table, d.timesteps);
  return d;
}

}  // namespace likeness::diffusion
