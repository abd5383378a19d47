// Pseudo linear multistep (Liu et al. 2022, eqs. 9 and 12), started by a step and its correction
// instead of Runge-Kutta; as diffusers' PNDMScheduler with skip_prk_steps.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class PndmSampler final : public TableSampler {
 public:
  PndmSampler(const NoiseSchedule& schedule, const api::SamplingOptions& options)
      : TableSampler(schedule) {
    const std::int64_t count = stepsOf(schedule, options);
    auto timesteps =
        spacedTimesteps(schedule, spacingOf(schedule, options, Spacing::Leading), count);
    if (count > 1) timesteps.insert(timesteps.begin() + 1, timesteps[1]);
    visit(std::move(timesteps));
    m_stride = static_cast<double>(schedule.config().numTrainTimesteps / count);
    m_last = static_cast<double>(schedule.config().numTrainTimesteps - 1);
  }
  std::int64_t steps() const override { return std::max<std::int64_t>(1, evaluations() - 1); }
  std::int64_t stepsDone(std::int64_t i) const override {
    return i + 1 == evaluations() ? steps() : i;
  }

  /// A trajectory that begins later has no correction of its first step.
  std::int64_t evaluationOf(std::int64_t step) const override { return step == 0 ? 0 : step + 1; }

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise&) override {
    double from = timestep(i), to = from - m_stride;
    at::Tensor begin = x, combined;
    if (i == 1 && m_begin.defined()) {
      // The first step again, with the mean of the outputs at its two ends.
      to = from, from = std::min(from + m_stride, m_last);
      begin = m_begin;
      combined = 0.5 * (out + m_outs[0]);
    } else {
      m_outs.insert(m_outs.begin(), out);
      if (m_outs.size() > 4) m_outs.pop_back();
      combined = extrapolated();
      if (i == 0) m_begin = x;
    }
    return transferred(begin, combined, alpha(from), alphaOrFinal(to));
  }

 private:
  at::Tensor extrapolated() const {
    const auto& e = m_outs;
    switch (e.size()) {
      case 1:
        return e[0];
      case 2:
        return 1.5 * e[0] - 0.5 * e[1];
      case 3:
        return (23.0 / 12) * e[0] - (16.0 / 12) * e[1] + (5.0 / 12) * e[2];
      default:
        return (55.0 / 24) * e[0] - (59.0 / 24) * e[1] + (37.0 / 24) * e[2] - (9.0 / 24) * e[3];
    }
  }
  at::Tensor transferred(const at::Tensor& x, const at::Tensor& out, double a, double p) const {
    const double scale = (p - a) / (a * std::sqrt(1 - p) + std::sqrt(a * (1 - a) * p));
    return std::sqrt(p / a) * x - scale * epsilon(out, x, levelOf(a));
  }

  double m_stride, m_last;
  std::vector<at::Tensor> m_outs;  // newest first, at most four
  at::Tensor m_begin;              // where the first step started
};

}  // namespace

std::unique_ptr<Sampler> makePndm(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options) {
  return std::make_unique<PndmSampler>(schedule, options);
}

}  // namespace likeness::diffusion
