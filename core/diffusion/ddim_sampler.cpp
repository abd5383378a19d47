// DDIM (Song et al. 2021, eq. 12) with eta; as diffusers' DDIMScheduler without clipping.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class DdimSampler final : public TableSampler {
 public:
  DdimSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : TableSampler(schedule) {
    const std::int64_t count = stepsOf(schedule, options);
    visit(spacedTimesteps(schedule, spacingOf(schedule, options, Spacing::Leading), count));
    const auto stride = static_cast<double>(schedule.config().numTrainTimesteps / count);
    for (const double t : m_timesteps) {
      // As upstream: the step's goal is one stride below, whatever the next timestep of the list
      // is.
      const double a = alpha(t), p = alphaOrFinal(t - stride);
      const double sigma = options.eta * std::sqrt((1 - p) / (1 - a) * (1 - a / p));
      m_steps.push_back({std::sqrt(p), std::sqrt(std::max(0.0, 1 - p - sigma * sigma)), sigma});
    }
  }

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise& noise) override {
    const Step& s = m_steps[static_cast<std::size_t>(i)];
    at::Tensor next = s.signal * denoised(out, x, i) + s.direction * epsilon(out, x, i);
    if (s.sigma > 0) next += s.sigma * noise();
    return next;
  }

 private:
  struct Step {
    double signal, direction, sigma;  // sqrt(a_p), sqrt(1 - a_p - sigma^2)
  };
  std::vector<Step> m_steps;
};

}  // namespace

std::unique_ptr<Sampler> makeDdim(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options) {
  return std::make_unique<DdimSampler>(schedule, options);
}

}  // namespace likeness::diffusion
