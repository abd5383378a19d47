#include "core/train/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "core/base/random.h"
#include "core/train/adafactor.h"
#include "core/train/adamw.h"
#include "core/train/adamw8bit.h"
#include "core/train/lion.h"
#include "core/train/optimizer_kernels.h"
#include "core/train/prodigy.h"
#include "core/train/schedule_free.h"

namespace likeness::train {
namespace {

constexpr std::int64_t kPieceSize = 1 << 14;
constexpr std::string_view kScalars = "optimizer.scalars", kTrained = ".trained";

/// The average forgets slowly only once there is something to remember; as diffusers' EMAModel.
double averageDecay(double decay, std::int64_t number) {
  const auto t = static_cast<double>(number - 1);
  return number <= 1 ? 0 : std::min(decay, (1 + t) / (10 + t));
}

}  // namespace

Optimizer::Optimizer(std::vector<Trainable> parameters,
                     const api::OptimizerOptions& options,
                     std::uint64_t seed)
    : m_parameters(std::move(parameters)),
      m_options(options),
      m_seed(seed),
      m_byPieces(m_parameters.empty() || m_parameters.front().value.is_cpu()) {}

/// For what is still trained in 0-based `step` or later.
void Optimizer::makeState(std::int64_t step) {
  if (!m_slots.empty()) return;
  for (const Trainable& p : m_parameters) {
    const bool retired = p.until <= step;
    m_slots.push_back(retired ? std::vector<Slot>{} : makeSlots(p.value.detach()));
    m_average.push_back(m_options.ema > 0 || (retired && showsOthers()) ? p.value.detach().clone()
                                                                        : at::Tensor());
  }
}

void Optimizer::retire(std::int64_t step) {
  const at::NoGradGuard noGradients;
  for (std::size_t i = 0; i < m_slots.size(); ++i) {
    if (m_parameters[i].until > step || m_slots[i].empty()) continue;
    if (showsOthers() && !m_average[i].defined()) m_average[i] = shownOf(i);
    m_slots[i].clear();
    m_parameters[i].value.mutable_grad().reset();
  }
}

std::vector<std::size_t> Optimizer::indices() const {
  std::vector<std::size_t> all(m_parameters.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Pieces of those parameters that have a gradient. Their gradients lie in memory as they do.
std::vector<Optimizer::Piece> Optimizer::pieces(const std::vector<std::size_t>& which) {
  std::vector<Piece> pieces;
  for (const std::size_t i : which) {
    const at::Tensor& value = m_parameters[i].value;
    at::Tensor& gradient = value.mutable_grad();
    if (!gradient.defined()) continue;
    if (gradient.strides() != value.strides() && value.numel() > 1)
      gradient = at::empty_like(value.detach()).copy_(gradient);
    for (std::int64_t begin = 0; begin < value.numel(); begin += kPieceSize)
      pieces.push_back({i, begin, std::min(kPieceSize, value.numel() - begin)});
  }
  return pieces;
}

void Optimizer::forEach(std::size_t count, const std::function<void(std::size_t, Scratch&)>& work) {
  at::parallel_for(
      0, static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
        Scratch scratch;
        for (std::int64_t i = begin; i < end; ++i) work(static_cast<std::size_t>(i), scratch);
      });
}

const float* Optimizer::gradient(const Piece& p, Scratch& scratch) const {
  const at::Tensor& gradient = m_parameters[p.parameter].value.grad();
  if (gradient.scalar_type() == at::kFloat) return gradient.const_data_ptr<float>() + p.begin;
  scratch.gradient.resize(static_cast<std::size_t>(p.size));
  kernels::toFloat(p.size,
                   static_cast<const std::uint16_t*>(gradient.const_data_ptr()) + p.begin,
                   scratch.gradient.data());
  return scratch.gradient.data();
}

double Optimizer::learningRate(std::int64_t step, double rateFactor) const {
  const auto first =
      std::ranges::find_if(m_parameters, [&](const Trainable& p) { return p.isTrained(step); });
  return first == m_parameters.end() ? 0 : first->learningRate * rateFactor;
}

// ---- norm

Optimizer::GradientNorm Optimizer::gradientNorm() { return gradientNorm(indices()); }
Optimizer::GradientNorm Optimizer::gradientNorm(std::size_t parameter) {
  return gradientNorm(std::vector{parameter});
}

Optimizer::GradientNorm Optimizer::gradientNorm(const std::vector<std::size_t>& which) {
  const at::NoGradGuard noGradients;
  const std::vector<Piece> all = pieces(which);
  std::vector<double> sums(all.size());
  if (m_byPieces) {
    forEach(all.size(), [&](std::size_t i, Scratch& scratch) {
      sums[i] = kernels::sumOfSquares(all[i].size, gradient(all[i], scratch));
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

// ---- updates

void Optimizer::step(std::int64_t number, double rateFactor, double gradientFactor) {
  update(indices(), {number, rateFactor, gradientFactor});
}

void Optimizer::stepOne(std::size_t parameter, std::int64_t number, double rateFactor) {
  update({parameter}, {number, rateFactor, 1});
}

void Optimizer::update(const std::vector<std::size_t>& which, const Update& update) {
  TORCH_CHECK(m_trained.empty(), "an update while other weights are shown");
  const at::NoGradGuard noGradients;
  makeState(update.number - 1);
  const std::vector<Piece> all = pieces(which);
  std::vector<std::size_t> changed;
  for (const Piece& p : all)
    if (p.begin == 0) changed.push_back(p.parameter);
  if (m_byPieces) {
    updateByPieces(all, update);
  } else {
    updateElsewhere(changed, update);
    if (m_options.ema > 0)
      for (const std::size_t i : changed)
        m_average[i].lerp_(m_parameters[i].value, 1 - averageDecay(m_options.ema, update.number));
  }
  // Layers keep copies of their weights in the dtype they compute in, and make them anew when the
  // version changes. Not every way of updating changes it by itself.
  for (const std::size_t i : changed) m_parameters[i].value.unsafeGetTensorImpl()->bump_version();
  for (const std::size_t i : which) m_parameters[i].value.mutable_grad().reset();
}

/// Every value is read and written once, whatever is done with it.
void Optimizer::updateByPieces(const std::vector<Piece>& all, const Update& update) {
  prepare(all, update);
  const auto averaging = static_cast<float>(1 - averageDecay(m_options.ema, update.number));
  forEach(all.size(), [&](std::size_t i, Scratch& scratch) {
    const Piece& p = all[i];
    const at::Tensor& tensor = m_parameters[p.parameter].value;
    if (tensor.scalar_type() == at::kFloat) {
      float* const value = tensor.mutable_data_ptr<float>() + p.begin;
      updatePiece(p, update, gradient(p, scratch), value);
      if (m_options.ema > 0)
        kernels::average(
            p.size, averaging, value, m_average[p.parameter].mutable_data_ptr<float>() + p.begin);
      return;
    }
    auto* const stored = static_cast<std::uint16_t*>(tensor.mutable_data_ptr()) + p.begin;
    scratch.value.resize(static_cast<std::size_t>(p.size));
    kernels::toFloat(p.size, stored, scratch.value.data());
    updatePiece(p, update, gradient(p, scratch), scratch.value.data());
    kernels::roundAtRandom(
        p.size, scratch.value.data(), roundingBits(p, update.number).data(), stored);
  });
}

/// 16 bits for each value of a piece.
std::vector<std::uint32_t> Optimizer::roundingBits(const Piece& p, std::int64_t number) const {
  std::vector<std::uint32_t> words(static_cast<std::size_t>(p.size + 7) / 8 * 4);
  base::Random(
      m_seed, base::Purpose::StochasticRounding, static_cast<std::uint64_t>(number), p.parameter)
      .words(static_cast<std::uint64_t>(p.begin) / 8, words);
  return words;
}

void Optimizer::updateElsewhere(const std::vector<std::size_t>& which, const Update& update) {
  for (const std::size_t i : which) {
    const at::Tensor stored = m_parameters[i].value.detach();
    const at::Tensor value = stored.to(at::kFloat);  // itself when it is fp32
    updateTensor(
        i, update, m_parameters[i].value.grad().to(at::kFloat).mul(update.gradientFactor), value);
    if (stored.scalar_type() == at::kFloat) continue;
    std::vector<std::uint32_t> words = roundingBits({i, 0, value.numel()}, update.number);
    const at::Tensor random =
        at::from_blob(words.data(), {2 * static_cast<std::int64_t>(words.size())}, at::kShort)
            .slice(0, 0, value.numel())
            .to(value.device(), at::kInt)
            .bitwise_and(0xffff);
    const at::Tensor bits = value.as_strided({value.numel()}, {1}).view(at::kInt).add(random);
    stored.as_strided({value.numel()}, {1}).view(at::kShort).copy_(bits.bitwise_right_shift(16));
  }
}

void Optimizer::dropGradients() {
  for (Trainable& p : m_parameters) p.value.mutable_grad().reset();
}

// ---- state

tensor::StateDict Optimizer::state() const {
  tensor::StateDict state;
  if (m_slots.empty()) return state;
  TORCH_CHECK(showsOthers() == !m_trained.empty(), "the shown weights are not those to be saved");
  for (std::size_t i = 0; i < m_parameters.size(); ++i) {
    for (const Slot& slot : m_slots[i])
      state.emplace(m_parameters[i].key + "." + std::string(slot.name), slot.tensor);
    if (showsOthers()) state.emplace(m_parameters[i].key + std::string(kTrained), m_trained[i]);
  }
  if (!m_scalars.empty()) state.emplace(kScalars, at::tensor(m_scalars, at::kDouble));
  return state;
}

bool Optimizer::load(tensor::StateDict state, std::int64_t steps) {
  const at::NoGradGuard noGradients;
  makeState(steps);
  const auto take = [&](const std::string& key, const at::Tensor& target) {
    const auto found = state.find(key);
    if (found == state.end() || found->second.sizes() != target.sizes() ||
        found->second.scalar_type() != target.scalar_type())
      return false;
    target.copy_(found->second);
    state.erase(found);
    return true;
  };
  for (std::size_t i = 0; i < m_parameters.size(); ++i) {
    const Trainable& p = m_parameters[i];
    if (showsOthers()) {
      if (m_average[i].defined()) m_average[i].copy_(p.value);
      if (!take(p.key + std::string(kTrained), p.value)) return false;
    }
    const auto isOwn = [prefix = p.key + "."](const auto& entry) {
      return entry.first.starts_with(prefix);
    };
    if (m_slots[i].empty())
      std::erase_if(state, isOwn);
    else if (p.until == Trainable().until || std::ranges::any_of(state, isOwn))
      for (const Slot& slot : m_slots[i])
        if (!take(p.key + "." + std::string(slot.name), slot.tensor)) return false;
  }
  if (!m_scalars.empty()) {
    const at::Tensor scalars = at::tensor(m_scalars, at::kDouble);
    if (!take(std::string(kScalars), scalars)) return false;
    std::copy_n(scalars.const_data_ptr<double>(), m_scalars.size(), m_scalars.begin());
  }
  return state.empty();
}

// ---- shown weights

/// Values and what stands for them change places; so nothing is rounded on the way back.
void Optimizer::exchange() {
  const at::NoGradGuard noGradients;
  const bool back = !m_trained.empty();
  for (std::size_t i = 0; i < m_parameters.size(); ++i) {
    if (!back) m_trained.push_back(m_average[i].defined() ? m_average[i] : shownOf(i));
    const at::Tensor& value = m_parameters[i].value;
    const at::Tensor before = value.detach().clone();
    value.copy_(m_trained[i]);
    m_trained[i].copy_(before);
  }
  if (back) m_trained.clear();
}

ShownWeights::ShownWeights(Optimizer& optimizer) {
  if (optimizer.m_slots.empty() || !optimizer.showsOthers() || !optimizer.m_trained.empty()) return;
  optimizer.exchange();
  m_optimizer = &optimizer;
}

ShownWeights::~ShownWeights() {
  if (m_optimizer) m_optimizer->exchange();
}

// ---- kinds

std::unique_ptr<Optimizer> makeOptimizer(std::vector<Trainable> parameters,
                                         const api::OptimizerOptions& options,
                                         std::uint64_t seed) {
  const auto make = [&]<typename Kind>(std::type_identity<Kind>) -> std::unique_ptr<Optimizer> {
    return std::make_unique<Kind>(std::move(parameters), options, seed);
  };
  switch (options.kind) {
    case api::OptimizerKind::AdamW8bit:
      return make(std::type_identity<AdamW8bit>());
    case api::OptimizerKind::Adafactor:
      return make(std::type_identity<Adafactor>());
    case api::OptimizerKind::Prodigy:
      return make(std::type_identity<Prodigy>());
    case api::OptimizerKind::Lion:
      return make(std::type_identity<Lion>());
    case api::OptimizerKind::ScheduleFree:
      return make(std::type_identity<ScheduleFree>());
    case api::OptimizerKind::AdamW:
      break;
  }
  return make(std::type_identity<AdamW>());
}

}  // namespace likeness::train
