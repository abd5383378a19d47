// UniPC (Zhao et al. 2023), B2(h), order 2, predicting x0; as diffusers' UniPCMultistepScheduler.
#include "core/diffusion/sampler_base.h"

namespace likeness::diffusion {
namespace {

class UniPcSampler final : public LambdaSampler {
 public:
  using LambdaSampler::LambdaSampler;

  at::Tensor step(const at::Tensor& out,
                  const at::Tensor& x,
                  std::int64_t i,
                  const Noise&) override {
    const at::Tensor x0 = denoised(out, x, i);  // of the uncorrected x
    const bool first = !m_x0.defined();
    const at::Tensor begin = first ? x : corrected(x0, i);
    // First order in the first step and in the last, which is x0 itself.
    m_order = !first && i + 1 < evaluations() ? 2 : 1;
    at::Tensor slope = x0;
    if (m_order == 2) slope = x0 + 0.5 * difference(m_x0, x0, i - 1, i, i + 1);
    m_before = m_x0, m_x0 = x0, m_begin = begin;
    return moved(begin, slope, i);
  }

 private:
  /// From level i to i + 1 with a constant x0.
  at::Tensor moved(const at::Tensor& x, const at::Tensor& x0, std::int64_t i) const {
    const double phi = std::expm1(lambda(i) - lambda(i + 1));
    return (level(i + 1).noise / level(i).noise) * x - (level(i + 1).signal * phi) * x0;
  }
  /// (x0 at `other` - x0 at `from`), per fraction of the step from `from` to `to`.
  at::Tensor difference(const at::Tensor& other,
                        const at::Tensor& x0,
                        std::int64_t otherLevel,
                        std::int64_t from,
                        std::int64_t to) const {
    return (other - x0) / fraction(otherLevel, from, to);
  }
  double fraction(std::int64_t other, std::int64_t from, std::int64_t to) const {
    return (lambda(other) - lambda(from)) / (lambda(to) - lambda(from));
  }
  /// The step that led to x at i once more, knowing what the network saw there (UniC).
  at::Tensor corrected(const at::Tensor& x0, std::int64_t i) const {
    const at::Tensor change = x0 - m_x0;
    if (m_order == 1) return moved(m_begin, m_x0 + 0.5 * change, i - 1);
    // The weights solve [[1, 1], [r, 1]] rho = b (eq. 11 of the paper).
    const double hh = lambda(i - 1) - lambda(i), phi1 = std::expm1(hh);
    const double phi2 = phi1 / hh - 1, phi3 = phi2 / hh - 0.5;
    const double b1 = phi2 / phi1, b2 = 2 * phi3 / phi1;
    const double r = fraction(i - 2, i - 1, i);
    const double older = (b1 - b2) / (1 - r), newer = b1 - older;
    return moved(m_begin,
                 m_x0 + older * difference(m_before, m_x0, i - 2, i - 1, i) + newer * change,
                 i - 1);
  }

  int m_order = 1;                     // of the step before
  at::Tensor m_begin, m_x0, m_before;  // where it started, the x0 it saw and the one before that
};

}  // namespace

std::unique_ptr<Sampler> makeUniPc(const NoiseSchedule& schedule,
                                   const api::SamplingOptions& options) {
  return std::make_unique<UniPcSampler>(schedule, options);
}

}  // namespace likeness::diffusion
