#include "core/train/lion.h"

#include <ATen/ops/zeros_like.h>

#include "core/train/optimizer_kernels.h"

namespace likeness::train {

std::vector<Optimizer::Slot> Lion::makeSlots(const at::Tensor& value) const {
  return {{"exp_avg", at::zeros_like(value, at::kFloat)}};
}

void Lion::updatePiece(const Piece& p, const Update& update, const float* g, float* value) {
  const double rate = rateOf(p.parameter, update);
  kernels::lion({static_cast<float>(options().beta1),
                 static_cast<float>(options().beta2),
                 static_cast<float>(1 - rate * options().weightDecay),
                 static_cast<float>(rate),
                 static_cast<float>(update.gradientFactor)},
                p.size,
                g,
                slot(p, 0),
                value);
}

void Lion::updateTensor(std::size_t parameter,
                        const Update& update,
                        const at::Tensor& gradient,
                        const at::Tensor& value) {
  const double rate = rateOf(parameter, update);
  const at::Tensor& mean = slot(parameter, 0);
  value.mul_(1 - rate * options().weightDecay)
      .sub_(mean.lerp(gradient, 1 - options().beta1).sign_(), rate);
  mean.lerp_(gradient, 1 - options().beta2);
}

}  // namespace likeness::train
