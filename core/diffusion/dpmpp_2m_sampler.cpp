// DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), midpoint, first order at both ends; as diffusers'
// DPMSolverMultistepScheduler.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class Dpmpp2mSampler final : public LambdaSampler {
 public:
  using LambdaSampler::LambdaSampler;

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise&) override {
    const at::Tensor x0 = denoised(out, x, i);
    const double h = lambda(i + 1) - lambda(i);  // infinite in the last step, which is x0 itself
    at::Tensor slope = x0;
    if (m_previous.defined() && i + 1 < evaluations()) {
      const double r = (lambda(i) - lambda(i - 1)) / h;
      slope = x0 + (0.5 / r) * (x0 - m_previous);
    }
    m_previous = x0;
    return (level(i + 1).noise / level(i).noise) * x -
           (level(i + 1).signal * std::expm1(-h)) * slope;
  }

 private:
  at::Tensor m_previous;  // the step before's x0
};

}  // namespace

std::unique_ptr<Sampler> makeDpmpp2m(const NoiseSchedule& schedule,
                                     const api::SamplingOptions& options) {
  return std::make_unique<Dpmpp2mSampler>(schedule, options);
}

}  // namespace likeness::diffusion
