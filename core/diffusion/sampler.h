// Samplers: from noise to latents. One file each, registered once in sampler.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "core/api/options.h"
#include "core/diffusion/noise_schedule.h"

namespace likeness::diffusion {

/// One trajectory. Coefficients are computed in double, stored as diffusers stores them.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual std::int64_t steps() const = 0;
  virtual double timestep(std::int64_t i) const = 0;        ///< what the network is told at step i; Euler's may be fractional
  virtual double initNoiseSigma() const = 0;                ///< factor on standard noise at the start
  virtual at::Tensor scaleModelInput(const at::Tensor& x, std::int64_t i) const = 0;
  /// x_{i+1} from x_i and the network's output. `noise` yields a standard normal tensor of x's shape (eta > 0 only).
  virtual at::Tensor step(const at::Tensor& modelOutput, const at::Tensor& x, std::int64_t i, const std::function<at::Tensor()>& noise) = 0;
};

std::unique_ptr<Sampler> makeSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options);

}  // namespace likeness::diffusion
