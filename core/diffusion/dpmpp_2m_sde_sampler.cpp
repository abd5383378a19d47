// SDE-DPM-Solver++(2M), midpoint, first order at both ends; as diffusers'
// DPMSolverMultistepScheduler with sde-dpmsolver++.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class Dpmpp2mSdeSampler final : public LambdaSampler {
 public:
  using LambdaSampler::LambdaSampler;

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise& noise) override {
    const at::Tensor x0 = denoised(out, x, i);
    const double h = lambda(i + 1) - lambda(i);  // infinite in the last step, which is x0 itself
    at::Tensor slope = x0;
    if (m_previous.defined() && i + 1 < evaluations()) {
      const double r = (lambda(i) - lambda(i - 1)) / h;
      slope = x0 + (0.5 / r) * (x0 - m_previous);
    }
    m_previous = x0;
    const Level &from = level(i), &to = level(i + 1);
    at::Tensor next =
        (to.noise / from.noise * std::exp(-h)) * x - (to.signal * std::expm1(-2 * h)) * slope;
    if (to.noise > 0) next += to.noise * std::sqrt(-std::expm1(-2 * h)) * noise();
    return next;
  }

 private:
  at::Tensor m_previous;  // the step before's x0
};

}  // namespace

std::unique_ptr<Sampler> makeDpmpp2mSde(const NoiseSchedule& schedule,
                                        const api::SamplingOptions& options) {
  return std::make_unique<Dpmpp2mSdeSampler>(schedule, options);
}

}  // namespace likeness::diffusion
