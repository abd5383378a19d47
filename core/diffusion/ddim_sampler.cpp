// DDIM (Song et al. 2021, eq. 12) with eta; as diffusers' DDIMScheduler without clipping.
#include <ATen/TensorOperators.h>

#include <cmath>
#include <vector>

#include "core/diffusion/samplers.h"
#include "core/diffusion/timesteps.h"

namespace likeness::diffusion {
namespace {

class DdimSampler final : public Sampler {
 public:
  DdimSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : m_prediction(schedule.config().predictionType) {
    const auto& config = schedule.config();
    const std::int64_t count = stepsOf(schedule, options);
    m_timesteps = spacedTimesteps(schedule, spacingOf(schedule, Spacing::Leading), count);
    const at::Tensor table = schedule.alphasCumprod().contiguous();
    const auto* alphas = table.const_data_ptr<float>();
    for (const double timestep : m_timesteps) {
      const auto t = static_cast<std::int64_t>(timestep);
      // As upstream: the step's goal is one stride below, whatever the next timestep of the list
      // is.
      const std::int64_t previous = t - config.numTrainTimesteps / count;
      const double a = alphas[t];
      const double p = previous >= 0 ? alphas[previous] : config.setAlphaToOne ? 1.0 : alphas[0];
      const double sigma = options.eta * std::sqrt((1 - p) / (1 - a) * (1 - a / p));
      m_steps.push_back({std::sqrt(a),
                         std::sqrt(1 - a),
                         std::sqrt(p),
                         std::sqrt(std::max(0.0, 1 - p - sigma * sigma)),
                         sigma});
    }
  }

  std::int64_t steps() const override { return static_cast<std::int64_t>(m_steps.size()); }
  double timestep(std::int64_t i) const override {
    return m_timesteps[static_cast<std::size_t>(i)];
  }
  double initNoiseSigma() const override { return 1; }
  at::Tensor scaleModelInput(const at::Tensor& x, std::int64_t) const override { return x; }

  at::Tensor denoised(const at::Tensor& out, const at::Tensor& x, std::int64_t i) const override {
    const Step& s = m_steps[static_cast<std::size_t>(i)];
    if (m_prediction == nn::PredictionType::Epsilon) return (x - s.noise * out) / s.signal;
    return s.signal * x - s.noise * out;
  }

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const std::function<at::Tensor()>& noise) override {
    const Step& s = m_steps[static_cast<std::size_t>(i)];
    const at::Tensor epsilon =
        m_prediction == nn::PredictionType::Epsilon ? out : s.signal * out + s.noise * x;
    at::Tensor next = s.nextSignal * denoised(out, x, i) + s.direction * epsilon;
    if (s.sigma > 0) next += s.sigma * noise();
    return next;
  }

 private:
  struct Step {
    double signal, noise;          // sqrt(a_t), sqrt(1 - a_t)
    double nextSignal, direction;  // sqrt(a_p), sqrt(1 - a_p - sigma^2)
    double sigma;
  };
  nn::PredictionType m_prediction;
  std::vector<double> m_timesteps;
  std::vector<Step> m_steps;
};

}  // namespace

std::unique_ptr<Sampler> makeDdim(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options) {
  return std::make_unique<DdimSampler>(schedule, options);
}

}  // namespace likeness::diffusion
