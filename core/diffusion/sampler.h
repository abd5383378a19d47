// Samplers: from noise to latents. One file each, registered once in sampler.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "core/api/options.h"
#include "core/diffusion/noise_schedule.h"

namespace likeness::diffusion {

/// One trajectory, used from evaluation 0 (or that of a later step, from noisy()) to the last in
/// order. Most samplers ask the network once
/// a step; Heun and DPM++ SDE twice, PLMS once more at its start. Latents are fp32 throughout,
/// whatever the network computes in; coefficients are computed in double from diffusers' fp32
/// tables.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// How often the network is asked.
  virtual std::int64_t evaluations() const = 0;
  /// Steps as a person counts them.
  virtual std::int64_t steps() const { return evaluations(); }
  /// How many of them are done after evaluation i.
  virtual std::int64_t stepsDone(std::int64_t i) const { return i + 1; }
  /// The evaluation that a step begins with. A trajectory may begin with any step.
  virtual std::int64_t evaluationOf(std::int64_t step) const { return step; }
  /// What the network is told at evaluation i; Euler's may be fractional.
  virtual double timestep(std::int64_t i) const = 0;
  /// Factor on standard noise at the start.
  virtual double initNoiseSigma() const = 0;
  /// Clean latents with as much noise (standard normal) as there is before evaluation i; clean ones
  /// after the last.
  virtual at::Tensor noisy(const at::Tensor& latents,
                           const at::Tensor& noise,
                           std::int64_t i) const = 0;
  /// What the network is shown at evaluation i.
  virtual at::Tensor scaleModelInput(const at::Tensor& x, std::int64_t i) const = 0;
  /// The finished latents as the network sees them at evaluation i (for previews).
  virtual at::Tensor denoised(const at::Tensor& modelOutput,
                              const at::Tensor& x,
                              std::int64_t i) const = 0;
  /// What evaluation i + 1 looks at (in the end the latents), from x at i and the network's output.
  /// `noise` yields a standard normal tensor of x's shape; it is called at most once per
  /// evaluation, by stochastic samplers (SamplerInfo::draws) and DDIM with eta alone.
  virtual at::Tensor step(const at::Tensor& modelOutput,
                          const at::Tensor& x,
                          std::int64_t i,
                          const std::function<at::Tensor()>& noise) = 0;
};

/// The sampler of `options` for a model. Timesteps follow the options' spacing, else the model's
/// `timestep_spacing`; where its configuration is silent, each sampler has diffusers' default of
/// its class (DDIM, DDPM and PLMS leading, the others linspace). More steps than the model has
/// noise levels are cut to that number.
std::unique_ptr<Sampler> makeSampler(const NoiseSchedule& schedule,
                                     const api::SamplingOptions& options);

}  // namespace likeness::diffusion
