// AdamW: on the CPU by own passes over memory (adamw_kernel.h), elsewhere by LibTorch's fused ones.
#include "core/train/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/train/adamw_kernel.h"

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

/// A piece of one parameter that fits the caches: what a thread works on at a time.
struct AdamW::Piece {
  std::size_t parameter;
  std::int64_t begin, size;
};

/// Pieces of the parameters that have a gradient. Those gradients lie in memory as their parameters
/// do.
std::vector<AdamW::Piece> AdamW::pieces() {
  constexpr std::int64_t size = 1 << 14;
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < m_parameters.size(); ++i) {
    const at::Tensor& value = m_parameters[i].value;
    at::Tensor& gradient = value.mutable_grad();
    if (!gradient.defined()) continue;
    if (gradient.strides() != value.strides() && value.numel() > 1)
      gradient = at::empty_like(value.detach()).copy_(gradient);
    for (std::int64_t begin = 0; begin < value.numel(); begin += size)
      pieces.push_back({i, begin, std::min(size, value.numel() - begin)});
  }
  return pieces;
}

AdamW::GradientNorm AdamW::gradientNorm() {
  const at::NoGradGuard noGradients;
  const std::vector<Piece> all = pieces();
  std::vector<double> sums(all.size());
  if (onCpu()) {
    at::parallel_for(
        0, static_cast<std::int64_t>(all.size()), 1, [&](std::int64_t begin, std::int64_t end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            const Piece& p = all[i];
            const at::Tensor& gradient = m_parameters[p.parameter].value.grad();
            sums[i] = kernels::sumOfSquares(p.size, gradient.const_data_ptr<float>() + p.begin);
          }
        });
  } else {
    std::vector<at::Tensor> gradients;
    for (const Piece& p : all)
      if (p.begin == 0) gradients.push_back(m_parameters[p.parameter].value.grad());
    const auto norms = at::_foreach_norm(gradients, 2);
    std::size_t next = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].begin == 0) sums[i] = std::pow(norms[next++].item<double>(), 2);
  }
  GradientNorm norm;
  double sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!std::isfinite(sums[i]) && norm.nonFiniteKey.empty())
      norm.nonFiniteKey = m_parameters[all[i].parameter].key;
    sum += sums[i];
  }
  norm.value = std::sqrt(sum);
  return norm;
}

void AdamW::step(std::int64_t number, double rateFactor, double gradientFactor) {
  const at::NoGradGuard noGradients;
  makeState();
  const std::vector<Piece> all = pieces();
  if (onCpu())
    stepByPieces(all, number, rateFactor, gradientFactor);
  else
    stepByLibTorch(all, number, rateFactor, gradientFactor);
  // Layers keep copies of their weights in the dtype they compute in, and make them anew when the
  // version changes. Neither way of updating changes it by itself.
  for (const Piece& p : all)
    if (p.begin == 0) m_parameters[p.parameter].value.unsafeGetTensorImpl()->bump_version();
  dropGradients();
}

void AdamW::stepByPieces(const std::vector<Piece>& all,
                         std::int64_t number,
                         double rateFactor,
                         double gradientFactor) {
  const double t = static_cast<double>(number);
  const double biased1 = 1 - std::pow(m_options.beta1, t),
               biased2 = 1 - std::pow(m_options.beta2, t);
  at::parallel_for(
      0, static_cast<std::int64_t>(all.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const Piece& p = all[i];
          const Trainable& parameter = m_parameters[p.parameter];
          const double rate = parameter.learningRate * rateFactor;
          kernels::adamW({static_cast<float>(m_options.beta1),
                          static_cast<float>(m_options.beta2),
                          static_cast<float>(m_options.epsilon),
                          static_cast<float>(1 - rate * m_options.weightDecay),
                          static_cast<float>(rate / biased1),
                          static_cast<float>(1 / std::sqrt(biased2)),
                          static_cast<float>(gradientFactor)},
                         p.size,
                         parameter.value.grad().const_data_ptr<float>() + p.begin,
                         m_mean[p.parameter].mutable_data_ptr<float>() + p.begin,
                         m_square[p.parameter].mutable_data_ptr<float>() + p.begin,
                         parameter.value.mutable_data_ptr<float>() + p.begin);
        }
      });
}

/// The same by at::_fused_adamw_, clipping folded in as its gradient scale.
void AdamW::stepByLibTorch(const std::vector<Piece>& all,
                           std::int64_t number,
                           double rateFactor,
                           double gradientFactor) {
  struct Lists {
    std::vector<at::Tensor> values, gradients, means, squares;
  };
  std::map<double, Lists> byRate;
  for (const Piece& p : all) {
    if (p.begin > 0) continue;
    Lists& lists = byRate[m_parameters[p.parameter].learningRate];
    lists.values.push_back(m_parameters[p.parameter].value);
    lists.gradients.push_back(m_parameters[p.parameter].value.grad());
    lists.means.push_back(m_mean[p.parameter]);
    lists.squares.push_back(m_square[p.parameter]);
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
