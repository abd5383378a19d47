// Euler's method with fresh noise in each step; as diffusers' EulerAncestralDiscreteScheduler.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class EulerAncestralSampler final : public SigmaSampler {
 public:
  EulerAncestralSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : SigmaSampler(schedule, eulerDescent(schedule, options)) {}

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise& noise) override {
    const double from = sigma(i), to = sigma(i + 1);
    const double up = to * std::sqrt(std::max(0.0, from * from - to * to)) / from;
    const double down = std::sqrt(std::max(0.0, to * to - up * up));
    at::Tensor next = x + (down - from) * derivative(out, x, i);
    if (up > 0) next += up * noise();
    return next;
  }
};

}  // namespace

std::unique_ptr<Sampler> makeEulerAncestral(const NoiseSchedule& schedule,
                                            const api::SamplingOptions& options) {
  return std::make_unique<EulerAncestralSampler>(schedule, options);
}

}  // namespace likeness::diffusion
