// DPM-Solver++ (2S) as a stochastic differential equation with midpoints; as diffusers'
// DPMSolverSDEScheduler and k-diffusion's sample_dpmpp_sde. The last step, to sigma 0, is Euler's.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

/// Levels s0, m0, s1, m1, ...: m is the middle of a step in log sigma.
Descent midpointDescent(const NoiseSchedule& schedule, const api::SamplingOptions& options) {
  const Descent once = eulerDescent(schedule, options);
  const auto table = trainingSigmas(schedule);
  Descent twice;
  twice.initialScale = once.initialScale;
  for (std::size_t i = 0; i < once.sigmas.size(); ++i) {
    if (i > 0) {
      const double middle = std::sqrt(once.sigmas[i - 1] * once.sigmas[i]);
      twice.sigmas.push_back(middle);
      twice.timesteps.push_back(timestepOfSigma(table, middle));
    }
    twice.sigmas.push_back(once.sigmas[i]);
    twice.timesteps.push_back(once.timesteps[i]);
  }
  return twice;
}

class DpmppSdeSampler final : public TwiceSigmaSampler {
 public:
  DpmppSdeSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : TwiceSigmaSampler(schedule, midpointDescent(schedule, options)) {}

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise& noise) override {
    const at::Tensor x0 = denoised(out, x, i);
    if (i + 1 == evaluations()) return x0;
    if (i % 2 == 0) {
      m_begin = x, m_noise = noise();
      return move(x, x0, sigma(i), sigma(i + 1), m_noise);
    }
    // The noise of the whole step holds that of its first half: one Brownian path.
    const double from = sigma(i - 1), middle = sigma(i), to = sigma(i + 1);
    const double first = from - middle, second = middle - to;
    if (first + second <= 0) return m_begin;  // two equal levels
    const at::Tensor path =
        (std::sqrt(first) * m_noise + std::sqrt(second) * noise()) / std::sqrt(first + second);
    return move(m_begin, x0, from, to, path);
  }

 private:
  /// From one sigma to another along x0, with fresh noise in place of what is taken away.
  static at::Tensor move(
      const at::Tensor& x, const at::Tensor& x0, double from, double to, const at::Tensor& noise) {
    const double up = std::min(to, to * std::sqrt(std::max(0.0, from * from - to * to)) / from);
    const double down = std::sqrt(std::max(0.0, to * to - up * up));
    return (down / from) * x + (1 - down / from) * x0 + up * noise;
  }

  at::Tensor m_begin, m_noise;  // of the step under way
};

}  // namespace

std::unique_ptr<Sampler> makeDpmppSde(const NoiseSchedule& schedule,
                                      const api::SamplingOptions& options) {
  return std::make_unique<DpmppSdeSampler>(schedule, options);
}

}  // namespace likeness::diffusion
