// DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), midpoint, first order at both ends; as diffusers'
// DPMSolverMultistepScheduler.
#include <ATen/TensorOperators.h>

#include <cmath>
#include <vector>

#include "core/diffusion/samplers.h"
#include "core/diffusion/timesteps.h"

namespace likeness::diffusion {
namespace {

class Dpmpp2mSampler final : public Sampler {
 public:
  Dpmpp2mSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : m_prediction(schedule.config().predictionType) {
    const std::int64_t count = stepsOf(schedule, options);
    const auto table = trainingSigmas(schedule);
    std::vector<double> sigmas;
    if (options.karras) {
      sigmas = karrasSigmas(table.front(), table.back(), count);
      for (double& sigma : sigmas) {
        m_timesteps.push_back(std::nearbyint(timestepOfSigma(table, sigma)));
        sigma = static_cast<float>(sigma);
      }
    } else {
      const Spacing spacing = spacingOf(schedule, Spacing::Linspace);
      // One level more, whose last (cleanest) is left out; trailing has no such level.
      const bool extra = spacing != Spacing::Trailing;
      m_timesteps = spacedTimesteps(schedule, spacing, count + (extra ? 1 : 0));
      if (extra) m_timesteps.pop_back();
      sigmas = sigmasAt(table, m_timesteps);
    }
    sigmas.push_back(0);
    for (const double sigma : sigmas) {
      const double signal = 1 / std::hypot(sigma, 1.0);
      m_levels.push_back(
          {signal, sigma * signal, -std::log(sigma)});  // lambda = log(alpha / sigma)
    }
  }

  std::int64_t steps() const override { return static_cast<std::int64_t>(m_timesteps.size()); }
  double timestep(std::int64_t i) const override {
    return m_timesteps[static_cast<std::size_t>(i)];
  }
  double initNoiseSigma() const override { return 1; }
  at::Tensor scaleModelInput(const at::Tensor& x, std::int64_t) const override { return x; }

  at::Tensor denoised(const at::Tensor& out, const at::Tensor& x, std::int64_t i) const override {
    const Level& s = m_levels[static_cast<std::size_t>(i)];
    if (m_prediction == nn::PredictionType::Epsilon) return (x - s.noise * out) / s.signal;
    return s.signal * x - s.noise * out;
  }

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const std::function<at::Tensor()>&) override {
    const at::Tensor x0 = denoised(out, x, i);
    const auto at = static_cast<std::size_t>(i);
    const Level &from = m_levels[at], &to = m_levels[at + 1];
    const bool last = i + 1 == steps();
    const double h = to.lambda - from.lambda;  // infinite in the last step, which is x0 itself
    at::Tensor slope = x0;
    if (i > 0 && !last) {
      const double r = (from.lambda - m_levels[at - 1].lambda) / h;
      slope = x0 + (0.5 / r) * (x0 - m_previous);
    }
    m_previous = x0;
    return (to.noise / from.noise) * x - (to.signal * std::expm1(-h)) * slope;
  }

 private:
  struct Level {
    double signal, noise, lambda;
  };
  nn::PredictionType m_prediction;
  std::vector<double> m_timesteps;
  std::vector<Level> m_levels;
  at::Tensor m_previous;  // the step before's x0
};

}  // namespace

std::unique_ptr<Sampler> makeDpmpp2m(const NoiseSchedule& schedule,
                                     const api::SamplingOptions& options) {
  return std::make_unique<Dpmpp2mSampler>(schedule, options);
}

}  // namespace likeness::diffusion
