// Heun's method in sigma space (Karras et al. 2022, algorithm 1 without churn); as diffusers'
// HeunDiscreteScheduler. The last step, to sigma 0, is Euler's.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

/// Levels s0, s1, s1, s2, s2, ...: the second evaluation of a step sees its end.
Descent heunDescent(const NoiseSchedule& schedule, const api::SamplingOptions& options) {
  const Descent once = eulerDescent(schedule, options);
  Descent twice;
  twice.initialScale = once.initialScale;
  for (std::size_t i = 0; i < once.sigmas.size(); ++i) {
    twice.sigmas.insert(twice.sigmas.end(), i == 0 ? 1 : 2, once.sigmas[i]);
    twice.timesteps.insert(twice.timesteps.end(), i == 0 ? 1 : 2, once.timesteps[i]);
  }
  return twice;
}

class HeunSampler final : public TwiceSigmaSampler {
 public:
  HeunSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : TwiceSigmaSampler(schedule, heunDescent(schedule, options)) {}

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise&) override {
    const at::Tensor slope = derivative(out, x, i);
    if (i % 2 == 0) {
      m_begin = x, m_slope = slope;
      return x + (sigma(i + 1) - sigma(i)) * slope;
    }
    return m_begin + (0.5 * (sigma(i) - sigma(i - 1))) * (m_slope + slope);
  }

 private:
  at::Tensor m_begin, m_slope;  // of the step under way
};

}  // namespace

std::unique_ptr<Sampler> makeHeun(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options) {
  return std::make_unique<HeunSampler>(schedule, options);
}

}  // namespace likeness::diffusion
