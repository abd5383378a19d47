// Euler's method in sigma space (Karras et al. 2022, algorithm 1 without churn); as diffusers'
// EulerDiscreteScheduler.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class EulerSampler final : public SigmaSampler {
 public:
  EulerSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : SigmaSampler(schedule, eulerDescent(schedule, options)) {}

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise&) override {
    return x + (sigma(i + 1) - sigma(i)) * derivative(out, x, i);
  }
};

}  // namespace

std::unique_ptr<Sampler> makeEuler(const NoiseSchedule& schedule,
                                   const api::SamplingOptions& options) {
  return std::make_unique<EulerSampler>(schedule, options);
}

}  // namespace likeness::diffusion
