// Euler's method in sigma space (Karras et al. 2022, algorithm 1 without churn); as diffusers'
// EulerDiscreteScheduler.
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/diffusion/samplers.h"
#include "core/diffusion/timesteps.h"

namespace likeness::diffusion {
namespace {

class EulerSampler final : public Sampler {
 public:
  EulerSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : m_prediction(schedule.config().predictionType) {
    const std::int64_t count = stepsOf(schedule, options);
    const Spacing spacing = spacingOf(schedule, Spacing::Linspace);
    const auto table = trainingSigmas(schedule);
    m_timesteps = spacedTimesteps(schedule, spacing, count, true);
    m_sigmas = sigmasAt(table, m_timesteps);
    if (options.karras) {
      m_sigmas = karrasSigmas(m_sigmas.back(), m_sigmas.front(), count);
      for (std::size_t i = 0; i < m_sigmas.size(); ++i) {
        m_timesteps[i] = timestepOfSigma(table, m_sigmas[i]);
        m_sigmas[i] = static_cast<float>(m_sigmas[i]);
      }
    }
    const double max = *std::max_element(m_sigmas.begin(), m_sigmas.end());
    m_initial = spacing == Spacing::Leading ? std::sqrt(max * max + 1) : max;
    m_sigmas.push_back(0);
  }

  std::int64_t steps() const override { return static_cast<std::int64_t>(m_timesteps.size()); }
  double timestep(std::int64_t i) const override {
    return m_timesteps[static_cast<std::size_t>(i)];
  }
  double initNoiseSigma() const override { return m_initial; }
  at::Tensor scaleModelInput(const at::Tensor& x, std::int64_t i) const override {
    return x / std::hypot(sigma(i), 1.0);
  }

  at::Tensor denoised(const at::Tensor& out, const at::Tensor& x, std::int64_t i) const override {
    const double s = sigma(i);
    if (m_prediction == nn::PredictionType::Epsilon) return x - s * out;
    return x / (s * s + 1) - (s / std::hypot(s, 1.0)) * out;
  }

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const std::function<at::Tensor()>&) override {
    const double s = sigma(i), change = sigma(i + 1) - s;
    const at::Tensor derivative =
        m_prediction == nn::PredictionType::Epsilon ? out : (x - denoised(out, x, i)) / s;
    return x + change * derivative;
  }

 private:
  double sigma(std::int64_t i) const { return m_sigmas[static_cast<std::size_t>(i)]; }
  nn::PredictionType m_prediction;
  std::vector<double> m_timesteps, m_sigmas;
  double m_initial = 1;
};

}  // namespace

std::unique_ptr<Sampler> makeEuler(const NoiseSchedule& schedule,
                                   const api::SamplingOptions& options) {
  return std::make_unique<EulerSampler>(schedule, options);
}

}  // namespace likeness::diffusion
