#include "core/train/adamw.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <map>

#include "core/train/optimizer_kernels.h"

namespace likeness::train {

std::vector<Optimizer::Slot> AdamW::makeSlots(const at::Tensor& value) const {
  return {{"exp_avg", at::zeros_like(value, at::kFloat)},
          {"exp_avg_sq", at::zeros_like(value, at::kFloat)}};
}

void AdamW::updatePiece(const Piece& p, const Update& update, const float* g, float* value) {
  kernels::adamW(kernels::adamWStep(options().beta1,
                                    options().beta2,
                                    options().epsilon,
                                    options().weightDecay,
                                    rateOf(p.parameter, update),
                                    update.number,
                                    update.gradientFactor),
                 p.size,
                 g,
                 slot(p, 0),
                 slot(p, 1),
                 value);
}

/// Clipping is folded in as the kernel's gradient scale.
void AdamW::updateElsewhere(const std::vector<std::size_t>& which, const Update& update) {
  struct Lists {
    std::vector<at::Tensor> values, gradients, means, squares;
  };
  std::map<double, Lists> byRate;
  std::vector<std::size_t> others;
  for (const std::size_t i : which) {
    if (parameters()[i].value.scalar_type() != at::kFloat) {
      others.push_back(i);
      continue;
    }
    Lists& lists = byRate[rateOf(i, update)];
    lists.values.push_back(parameters()[i].value);
    lists.gradients.push_back(parameters()[i].value.grad());
    lists.means.push_back(slot(i, 0));
    lists.squares.push_back(slot(i, 1));
  }
  for (auto& [rate, lists] : byRate) {
    const auto scalar = lists.means.front().options();
    const std::vector<at::Tensor> steps(lists.values.size(),
                                        at::full({}, static_cast<double>(update.number), scalar));
    std::optional<at::Tensor> scale;  // the kernel divides by it
    if (update.gradientFactor != 1) scale = at::full({}, 1 / update.gradientFactor, scalar);
    at::_fused_adamw_(lists.values,
                      lists.gradients,
                      lists.means,
                      lists.squares,
                      {},
                      steps,
                      rate,
                      options().beta1,
                      options().beta2,
                      options().weightDecay,
                      options().epsilon,
                      /*amsgrad=*/false,
                      /*maximize=*/false,
                      scale);
  }
  Optimizer::updateElsewhere(others, update);
}

void AdamW::updateTensor(std::size_t parameter,
                         const Update& update,
                         const at::Tensor& gradient,
                         const at::Tensor& value) {
  adamW(gradient,
        slot(parameter, 0),
        slot(parameter, 1),
        value,
        rateOf(parameter, update),
        update.number,
        options());
}

void adamW(const at::Tensor& gradient,
           const at::Tensor& mean,
           const at::Tensor& square,
           const at::Tensor& value,
           double rate,
           std::int64_t number,
           const api::OptimizerOptions& o) {
  const auto t = static_cast<double>(number);
  mean.lerp_(gradient, 1 - o.beta1);
  square.mul_(o.beta2).addcmul_(gradient, gradient, 1 - o.beta2);
  value.mul_(1 - rate * o.weightDecay)
      .addcdiv_(mean,
                square.sqrt().div_(std::sqrt(1 - std::pow(o.beta2, t))).add_(o.epsilon),
                -rate / (1 - std::pow(o.beta1, t)));
}

}  // namespace likeness::train
