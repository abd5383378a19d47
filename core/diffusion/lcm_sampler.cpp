// Multistep consistency sampling (Luo et al. 2023, algorithm 3); as diffusers' LCMScheduler with
// its 50 levels of distillation. For models or adapters that were distilled for it.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

constexpr std::int64_t kDistilledSteps = 50;
constexpr double kDataSigma = 0.5, kTimestepScale = 10;

class LcmSampler final : public TableSampler {
 public:
  LcmSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : TableSampler(schedule) {
    const std::int64_t levels = schedule.config().numTrainTimesteps;
    const std::int64_t origin = std::min(kDistilledSteps, levels);
    const std::int64_t count = std::min(stepsOf(schedule, options), origin);
    std::vector<double> timesteps;
    for (std::int64_t i = 0; i < count; ++i)
      timesteps.push_back(
          static_cast<double>((origin - i * origin / count) * (levels / origin) - 1));
    visit(std::move(timesteps));
  }

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise& noise) override {
    const double scaled = kTimestepScale * timestep(i),
                 sum = scaled * scaled + kDataSigma * kDataSigma;
    const at::Tensor x0 =
        (scaled / std::sqrt(sum)) * denoised(out, x, i) + (kDataSigma * kDataSigma / sum) * x;
    if (i + 1 == evaluations()) return x0;
    const Level& next = level(i + 1);
    return next.signal * x0 + next.noise * noise();
  }
};

}  // namespace

std::unique_ptr<Sampler> makeLcm(const NoiseSchedule& schedule,
                                 const api::SamplingOptions& options) {
  return std::make_unique<LcmSampler>(schedule, options);
}

}  // namespace likeness::diffusion
