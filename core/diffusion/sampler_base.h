// What samplers of one family share: the two ways to write noisy latents.
#pragma once

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/diffusion/samplers.h"
#include "core/diffusion/timesteps.h"

namespace likeness::diffusion {

using Noise = std::function<at::Tensor()>;

/// x = x0 + sigma noise (Karras et al. 2022); one sigma per evaluation and a final 0.
class SigmaSampler : public Sampler {
 public:
  std::int64_t evaluations() const override {
    return static_cast<std::int64_t>(m_timesteps.size());
  }
  double timestep(std::int64_t i) const override {
    return m_timesteps[static_cast<std::size_t>(i)];
  }
  double initNoiseSigma() const override { return m_initial; }
  at::Tensor noisy(const at::Tensor& latents,
                   const at::Tensor& noise,
                   std::int64_t i) const override {
    return latents + sigma(i) * noise;
  }
  at::Tensor scaleModelInput(const at::Tensor& x, std::int64_t i) const override {
    return x / std::hypot(sigma(i), 1.0);
  }
  at::Tensor denoised(const at::Tensor& out, const at::Tensor& x, std::int64_t i) const override {
    const double s = sigma(i);
    if (m_prediction == nn::PredictionType::Sample) return out;
    if (m_prediction == nn::PredictionType::Epsilon) return x - s * out;
    return x / (s * s + 1) - (s / std::hypot(s, 1.0)) * out;
  }

 protected:
  SigmaSampler(const NoiseSchedule& schedule, Descent descent)
      : m_prediction(schedule.config().predictionType),
        m_timesteps(std::move(descent.timesteps)),
        m_sigmas(std::move(descent.sigmas)),
        m_initial(descent.initialScale) {
    m_sigmas.push_back(0);
  }
  double sigma(std::int64_t i) const { return m_sigmas[static_cast<std::size_t>(i)]; }
  /// dx / dsigma at evaluation i.
  at::Tensor derivative(const at::Tensor& out, const at::Tensor& x, std::int64_t i) const {
    return m_prediction == nn::PredictionType::Epsilon ? out : (x - denoised(out, x, i)) / sigma(i);
  }

 private:
  nn::PredictionType m_prediction;
  std::vector<double> m_timesteps, m_sigmas;
  double m_initial;
};

/// Two evaluations in every step but the last; sigmas and timesteps of the second ones come from
/// the sampler.
class TwiceSigmaSampler : public SigmaSampler {
 public:
  std::int64_t steps() const override { return (evaluations() + 1) / 2; }
  std::int64_t evaluationOf(std::int64_t step) const override { return 2 * step; }
  std::int64_t stepsDone(std::int64_t i) const override {
    return i + 1 == evaluations() ? steps() : (i + 1) / 2;
  }

 protected:
  using SigmaSampler::SigmaSampler;
};

/// x = signal x0 + noise epsilon with signal^2 + noise^2 = 1; one level per evaluation.
class SignalSampler : public Sampler {
 public:
  std::int64_t evaluations() const override {
    return static_cast<std::int64_t>(m_timesteps.size());
  }
  double timestep(std::int64_t i) const override {
    return m_timesteps[static_cast<std::size_t>(i)];
  }
  double initNoiseSigma() const override { return 1; }
  at::Tensor noisy(const at::Tensor& latents,
                   const at::Tensor& noise,
                   std::int64_t i) const override {
    if (i == evaluations()) return latents;
    return level(i).signal * latents + level(i).noise * noise;
  }
  at::Tensor scaleModelInput(const at::Tensor& x, std::int64_t) const override { return x; }
  at::Tensor denoised(const at::Tensor& out, const at::Tensor& x, std::int64_t i) const override {
    const Level& s = level(i);
    if (m_prediction == nn::PredictionType::Sample) return out;
    if (m_prediction == nn::PredictionType::Epsilon) return (x - s.noise * out) / s.signal;
    return s.signal * x - s.noise * out;
  }

 protected:
  struct Level {
    double signal, noise;
  };
  explicit SignalSampler(const NoiseSchedule& schedule)
      : m_prediction(schedule.config().predictionType) {}
  const Level& level(std::int64_t i) const { return m_levels[static_cast<std::size_t>(i)]; }
  /// The noise in x at evaluation i, as the network sees it.
  at::Tensor epsilon(const at::Tensor& out, const at::Tensor& x, std::int64_t i) const {
    return epsilon(out, x, level(i));
  }
  at::Tensor epsilon(const at::Tensor& out, const at::Tensor& x, const Level& s) const {
    if (m_prediction == nn::PredictionType::Sample) return (x - s.signal * out) / s.noise;
    return m_prediction == nn::PredictionType::Epsilon ? out : s.signal * out + s.noise * x;
  }

  nn::PredictionType m_prediction;
  std::vector<double> m_timesteps;
  std::vector<Level> m_levels;
};

/// Samplers whose levels are entries of the training table.
class TableSampler : public SignalSampler {
 protected:
  /// An epsilon cannot be turned into x0 without any signal, so a is then at least 2^-24.
  explicit TableSampler(const NoiseSchedule& schedule)
      : SignalSampler(schedule), m_toOne(schedule.config().setAlphaToOne) {
    const bool floor = m_prediction == nn::PredictionType::Epsilon;
    const at::Tensor table =
        (floor ? schedule.alphasCumprod().clamp_min(0x1p-24) : schedule.alphasCumprod())
            .contiguous();
    const auto* values = table.const_data_ptr<float>();
    m_alphas.assign(values, values + table.numel());
  }
  void visit(std::vector<double> timesteps) {
    m_timesteps = std::move(timesteps);
    for (const double t : m_timesteps) m_levels.push_back(levelOf(alpha(t)));
  }
  static Level levelOf(double a) { return {std::sqrt(a), std::sqrt(1 - a)}; }
  double alpha(double t) const { return m_alphas[static_cast<std::size_t>(t)]; }
  /// alpha(t), or what the model's configuration puts below the table.
  double alphaOrFinal(double t) const { return t >= 0 ? alpha(t) : m_toOne ? 1 : m_alphas[0]; }

 private:
  bool m_toOne;
  std::vector<double> m_alphas;
};

/// Multistep solvers in lambda = log(signal / noise), whose last level is clean.
class LambdaSampler : public SignalSampler {
 public:
  LambdaSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : SignalSampler(schedule) {
    Descent descent = multistepDescent(schedule, options);
    m_timesteps = std::move(descent.timesteps);
    descent.sigmas.push_back(0);
    for (const double sigma : descent.sigmas) {
      const double signal = 1 / std::hypot(sigma, 1.0);
      m_levels.push_back({signal, sigma * signal});
      m_lambdas.push_back(-std::log(sigma));
    }
  }

 protected:
  double lambda(std::int64_t i) const { return m_lambdas[static_cast<std::size_t>(i)]; }

 private:
  std::vector<double> m_lambdas;
};

}  // namespace likeness::diffusion
