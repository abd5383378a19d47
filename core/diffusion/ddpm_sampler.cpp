// Ancestral sampling (Ho et al. 2020, eq. 7, the smaller variance); as diffusers' DDPMScheduler
// without clipping.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class DdpmSampler final : public TableSampler {
 public:
  DdpmSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : TableSampler(schedule) {
    visit(spacedTimesteps(
        schedule, spacingOf(schedule, options, Spacing::Leading), stepsOf(schedule, options)));
  }

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise& noise) override {
    const double a = alpha(timestep(i));
    const double p = i + 1 < evaluations() ? alpha(timestep(i + 1)) : 1;
    const double kept = a / p, fresh = 1 - kept;
    at::Tensor next = (std::sqrt(p) * fresh / (1 - a)) * denoised(out, x, i) +
                      (std::sqrt(kept) * (1 - p) / (1 - a)) * x;
    const double variance = (1 - p) / (1 - a) * fresh;
    if (variance > 0) next += std::sqrt(variance) * noise();
    return next;
  }
};

}  // namespace

std::unique_ptr<Sampler> makeDdpm(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options) {
  return std::make_unique<DdpmSampler>(schedule, options);
}

}  // namespace likeness::diffusion
