#include "core/train/schedule_free.h"

#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "core/train/optimizer_kernels.h"

namespace likeness::train {

ScheduleFree::ScheduleFree(std::vector<Trainable> parameters,
                           const api::OptimizerOptions& options,
                           std::uint64_t seed)
    : Optimizer(std::move(parameters), options, seed) {
  m_scalars = {0, 0, 0};
}

std::vector<Optimizer::Slot> ScheduleFree::makeSlots(const at::Tensor& value) const {
  return {{"z", value.clone()}, {"exp_avg_sq", at::zeros_like(value)}};
}

/// Once for each update, however many calls it takes. The rates of the parameters differ by
/// constants alone, which cancel in c.
void ScheduleFree::count(const Update& update) {
  const auto number = static_cast<double>(update.number);
  if (m_scalars[2] == number) return;
  m_scalars[0] = std::max(m_scalars[0], update.rateFactor);
  m_scalars[1] += m_scalars[0] * m_scalars[0];
  m_scalars[2] = number;
}

/// c
double ScheduleFree::averaging() const {
  return m_scalars[1] > 0 ? m_scalars[0] * m_scalars[0] / m_scalars[1] : 0;
}

void ScheduleFree::prepare(const std::vector<Piece>&, const Update& update) { count(update); }

void ScheduleFree::updatePiece(const Piece& p, const Update& update, const float* g, float* value) {
  const double rate = rateOf(p.parameter, update), c = averaging();
  const double corrected = 1 - std::pow(options().beta2, static_cast<double>(update.number));
  kernels::scheduleFree({static_cast<float>(options().beta2),
                         static_cast<float>(options().epsilon),
                         static_cast<float>(options().weightDecay),
                         static_cast<float>(1 / std::sqrt(corrected)),
                         static_cast<float>(c),
                         static_cast<float>(rate * (options().beta1 * (1 - c) - 1)),
                         static_cast<float>(rate),
                         static_cast<float>(update.gradientFactor)},
                        p.size,
                        g,
                        slot(p, 0),
                        slot(p, 1),
                        value);
}

void ScheduleFree::updateElsewhere(const std::vector<std::size_t>& which, const Update& update) {
  count(update);
  Optimizer::updateElsewhere(which, update);
}

void ScheduleFree::updateTensor(std::size_t parameter,
                                const Update& update,
                                const at::Tensor& gradient,
                                const at::Tensor& value) {
  const double rate = rateOf(parameter, update), c = averaging();
  const double corrected = 1 - std::pow(options().beta2, static_cast<double>(update.number));
  const at::Tensor &z = slot(parameter, 0), &square = slot(parameter, 1);
  square.mul_(options().beta2).addcmul_(gradient, gradient, 1 - options().beta2);
  const at::Tensor change = gradient.div(square.div(corrected).sqrt_().add_(options().epsilon))
                                .add_(value, options().weightDecay);
  value.lerp_(z, c).add_(change, rate * (options().beta1 * (1 - c) - 1));
  z.sub_(change, rate);
}

at::Tensor ScheduleFree::shownOf(std::size_t parameter) const {
  return parameters()[parameter].value.detach().lerp(slot(parameter, 0), 1 - 1 / options().beta1);
}

}  // namespace likeness::train
