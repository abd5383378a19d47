// AdamW by at::_fused_adamw_, clipping folded in as its gradient scale.
#include "core/train/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <map>

namespace likeness::train {

AdamW::AdamW(std::vector<Trainable> parameters, const api::OptimizerOptions& options)
    : m_parameters(std::move(parameters)), m_options(options) {}

void AdamW::makeState() {
  if (!m_mean.empty()) return;
  for (const Trainable& p : m_parameters) {
    m_mean.push_back(at::zeros_like(p.value.detach()));
    m_square.push_back(at::zeros_like(p.value.detach()));
  }
}

AdamW::GradientNorm AdamW::gradientNorm() const {
  const at::NoGradGuard noGradients;
  std::vector<at::Tensor> gradients;
  std::vector<const Trainable*> owners;
  for (const Trainable& p : m_parameters)
    if (p.value.grad().defined()) {
      gradients.push_back(p.value.grad());
      owners.push_back(&p);
    }
  GradientNorm norm;
  if (gradients.empty()) return norm;
  const auto norms = at::_foreach_norm(gradients, 2);
  double sum = 0;
  for (std::size_t i = 0; i < norms.size(); ++i) {
    const double value = norms[i].item<double>();
    if (!std::isfinite(value) && norm.nonFiniteKey.empty()) norm.nonFiniteKey = owners[i]->key;
    sum += value * value;
  }
  norm.value = std::sqrt(sum);
  return norm;
}

void AdamW::step(std::int64_t number, double rateFactor, double gradientFactor) {
  const at::NoGradGuard noGradients;
  makeState();
  struct Lists {
    std::vector<at::Tensor> values, gradients, means, squares;
  };
  std::map<double, Lists> byRate;
  for (std::size_t i = 0; i < m_parameters.size(); ++i) {
    const at::Tensor& value = m_parameters[i].value;
    at::Tensor gradient = value.grad();
    if (!gradient.defined()) continue;
    // The kernel walks all four in memory order.
    if (gradient.strides() != value.strides())
      gradient = at::empty_like(value.detach()).copy_(gradient);
    Lists& lists = byRate[m_parameters[i].learningRate];
    lists.values.push_back(value);
    lists.gradients.push_back(gradient);
    lists.means.push_back(m_mean[i]);
    lists.squares.push_back(m_square[i]);
  }
  for (auto& [rate, lists] : byRate) {
    const auto scalar = lists.values.front().options().requires_grad(false);
    const std::vector<at::Tensor> steps(lists.values.size(),
                                        at::full({}, static_cast<double>(number), scalar));
    std::optional<at::Tensor> scale;  // the kernel divides by it
    if (gradientFactor != 1) scale = at::full({}, 1 / gradientFactor, scalar);
    at::_fused_adamw_(lists.values,
                      lists.gradients,
                      lists.means,
                      lists.squares,
                      {},
                      steps,
                      rate * rateFactor,
                      m_options.beta1,
                      m_options.beta2,
                      m_options.weightDecay,
                      m_options.epsilon,
                      /*amsgrad=*/false,
                      /*maximize=*/false,
                      scale);
  }
  dropGradients();
}

void AdamW::dropGradients() {
  for (Trainable& p : m_parameters) p.value.mutable_grad().reset();
}

tensor::StateDict AdamW::state() const {
  tensor::StateDict state;
  for (std::size_t i = 0; i < m_mean.size(); ++i) {
    state.emplace(m_parameters[i].key + ".exp_avg", m_mean[i]);
    state.emplace(m_parameters[i].key + ".exp_avg_sq", m_square[i]);
  }
  return state;
}

bool AdamW::load(tensor::StateDict state) {
  if (state.size() != 2 * m_parameters.size()) return false;
  makeState();
  for (std::size_t i = 0; i < m_parameters.size(); ++i)
    for (const auto& [suffix, target] :
         {std::pair(".exp_avg", &m_mean[i]), std::pair(".exp_avg_sq", &m_square[i])}) {
      const auto found = state.find(m_parameters[i].key + suffix);
      if (found == state.end() || found->second.sizes() != target->sizes()) return false;
      target->copy_(found->second);
      state.erase(found);
    }
  return true;
}

}  // namespace likeness::train
