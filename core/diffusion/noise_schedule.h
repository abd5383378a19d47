// The training noise schedule (DDPM): tables, forward process and targets.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/stable_diffusion.h"

namespace likeness::diffusion {

/// Immutable; any thread.
class NoiseSchedule {
 public:
  /// Tables in fp32 by torch's own operations, as diffusers computes them. `linear` and
  /// `scaled_linear` betas; another schedule throws (the loader refuses it with a sentence).
  /// Rescaled to zero terminal SNR where the configuration says so: the last value is then 0.
  explicit NoiseSchedule(const nn::NoiseScheduleConfig& config);
  const nn::NoiseScheduleConfig& config() const { return m_config; }
  /// Cumulative product of alphas, [T] fp32 on the CPU.
  const at::Tensor& alphasCumprod() const { return m_alphasCumprod; }
  /// sqrt(a_t) x0 + sqrt(1 - a_t) noise; x0, noise [N, C, h, w], timesteps [N] int64 on any device.
  /// Coefficients stay fp32 whatever the dtype of x0, which the result has.
  at::Tensor addNoise(const at::Tensor& x0,
                      const at::Tensor& noise,
                      const at::Tensor& timesteps) const;
  /// What the network should predict: the noise, v = sqrt(a_t) noise - sqrt(1 - a_t) x0, or x0.
  at::Tensor target(const at::Tensor& x0,
                    const at::Tensor& noise,
                    const at::Tensor& timesteps) const;

 private:
  nn::NoiseScheduleConfig m_config;
  at::Tensor m_alphasCumprod;
};

}  // namespace likeness::diffusion
