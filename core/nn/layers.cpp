// Layers on ATen alone.
#include "core/nn/layers.h"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/lerp.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <cmath>

namespace likeness::nn {

Parameter::Parameter(at::Tensor master)
    : m_master(std::move(master)), m_cast(std::make_shared<Cast>()) {}

bool Parameter::isKept(at::ScalarType dtype, const std::vector<double>& strengths) const {
  return m_cast->tensor.defined() && m_cast->tensor.scalar_type() == dtype &&
         m_cast->version == static_cast<std::uint32_t>(m_master._version()) &&
         m_cast->strengths == strengths;
}

functions::Weight Parameter::as(at::ScalarType dtype) const {
  if (!m_master.defined() || m_master.scalar_type() == dtype) return {m_master, m_master};
  if (!isKept(dtype, {})) {
    const c10::InferenceMode normalTensor(false);  // it may be saved for a backward pass later
    *m_cast = {m_master.detach().to(dtype), static_cast<std::uint32_t>(m_master._version())};
  }
  return {m_master, m_cast->tensor};
}

functions::Weight Parameter::as(at::ScalarType dtype, const AdapterSlot& slot) const {
  std::vector<double> strengths;
  for (const Adapter& a : slot.adapters)
    if (a.change && a.strength != 0) strengths.resize(slot.adapters.size());
  if (strengths.empty()) return as(dtype);
  for (std::size_t i = 0; i < strengths.size(); ++i)
    if (slot.adapters[i].change) strengths[i] = slot.adapters[i].strength;
  if (!isKept(dtype, strengths)) {
    const c10::InferenceMode normalTensor(false);
    const c10::NoGradGuard noGrad;
    const at::Tensor base = m_master.detach().to(at::kFloat);
    at::Tensor sum = base;
    for (const Adapter& a : slot.adapters)
      if (a.change && a.strength != 0) sum = sum + a.change(base).mul(a.strength);
    const auto layout =
        sum.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    *m_cast = {sum.to(dtype).contiguous(layout),
               static_cast<std::uint32_t>(m_master._version()),
               std::move(strengths)};
  }
  return {m_cast->tensor, m_cast->tensor};
}

namespace {

/// The tensors of an adapter are small, so their copies are made anew.
functions::Weight adapterWeight(const at::Tensor& tensor, at::ScalarType dtype) {
  return {tensor, tensor.detach().to(dtype)};
}

/// Lengths of the rows of weight + scale * up down, [out] in fp32, without a graph.
at::Tensor changedNorms(const Adapter& a, const at::Tensor& weight) {
  const auto down = static_cast<std::uint32_t>(a.down._version()),
             up = static_cast<std::uint32_t>(a.up._version());
  Adapter::Norms& kept = *a.norms;
  if (kept.ofRows.defined() && kept.down == down && kept.up == up) return kept.ofRows;
  const c10::InferenceMode normalTensor(false);
  const c10::NoGradGuard noGrad;
  at::Tensor sum = at::addmm(weight.to(at::kFloat).flatten(1),
                             a.up.to(at::kFloat).flatten(1),
                             a.down.to(at::kFloat).flatten(1),
                             1,
                             a.scale);
  // A row of zeros has no direction; it stays zero.
  kept = {sum.norm(2, {1}, false).clamp_min(1e-30), down, up};
  return kept.ofRows;
}

/// DoRA: from the layer's y and `moved`, y with the low-rank product at strength 1, both without a
/// bias. `channels` is the shape of magnitudes that lie along the layer's outputs.
at::Tensor decomposed(const Adapter& a,
                      const at::Tensor& weight,
                      const at::Tensor& y,
                      const at::Tensor& moved,
                      at::IntArrayRef channels) {
  // The factor is near 1: what it differs by keeps its digits in a short type, itself it would not.
  const at::Tensor more =
      (a.magnitude.flatten() / changedNorms(a, weight) - 1).view(channels).to(y.scalar_type());
  const at::Tensor changed = at::addcmul(moved, moved, more);
  return a.strength == 1 ? changed : at::lerp(y, changed, a.strength);
}

bool hasMagnitude(const AdapterSlot& slot) {
  for (const Adapter& a : slot.adapters)
    if (a.magnitude.defined() && a.strength != 0) return true;
  return false;
}

/// LoKr: x times the Kronecker product of the two factors over the last dimension, one factor after
/// the other, which costs a fraction of their product.
at::Tensor kronecker(const Adapter& a, const at::Tensor& x) {
  const auto dtype = x.scalar_type();
  at::Tensor h =
      functions::linear(x.unflatten(-1, {a.factor.size(1), -1}), adapterWeight(a.down, dtype), {});
  if (a.up.defined()) h = functions::linear(h, adapterWeight(a.up, dtype), {});
  h = functions::linear(h.transpose(-1, -2), adapterWeight(a.factor, dtype), {});
  return h.transpose(-1, -2).flatten(-2);
}

/// The same of a convolution; x [N, in, H, W].
at::Tensor kronecker(const Adapter& a,
                     const at::Tensor& x,
                     std::int64_t kernel,
                     std::int64_t stride,
                     std::int64_t padding) {
  const auto dtype = x.scalar_type();
  const at::Tensor down = a.down.dim() == 4 ? a.down : a.down.unflatten(1, {-1, kernel, kernel});
  // Each of the m parts of the channels is a picture of its own.
  at::Tensor h = x.unflatten(1, {a.factor.size(1), -1}).flatten(0, 1);
  h = functions::conv2d(h.contiguous(at::MemoryFormat::ChannelsLast),
                        adapterWeight(down, dtype),
                        {},
                        stride,
                        padding)
          .permute({0, 2, 3, 1});
  if (a.up.defined()) h = functions::linear(h, adapterWeight(a.up, dtype), {});
  h = functions::linear(
      h.unflatten(0, {x.size(0), -1}).permute({0, 2, 3, 4, 1}), adapterWeight(a.factor, dtype), {});
  return h.transpose(-1, -2).flatten(-2).permute({0, 3, 1, 2});
}

/// x W^T + b over the last dimension, with adapters.
at::Tensor product(const at::Tensor& x,
                   const Parameter& weight,
                   const Parameter& bias,
                   const AdapterSlot& slot) {
  const auto dtype = x.scalar_type();
  const bool biasLast = hasMagnitude(slot);
  const functions::Weight added = bias.as(dtype);
  at::Tensor y =
      functions::linear(x, weight.as(dtype, slot), biasLast ? functions::Weight{} : added);
  for (const Adapter& a : slot.adapters) {
    if (a.strength == 0 || a.change) continue;
    if (a.factor.defined()) {
      y = y + kronecker(a, x) * (a.strength * a.scale);
      continue;
    }
    const double strength = a.magnitude.defined() ? 1 : a.strength;
    const at::Tensor moved = functions::addLowRank(
        y, x, adapterWeight(a.down, dtype), adapterWeight(a.up, dtype), strength * a.scale);
    y = a.magnitude.defined() ? decomposed(a, weight.master(), y, moved, {-1}) : moved;
  }
  return biasLast && added.compute.defined() ? y + added.compute : y;
}

}  // namespace

Linear::Linear(const Weights& w, std::int64_t in, std::int64_t out, bool bias, Stored stored)
    : m_weight(stored == Stored::Matrix ? w.tensor("weight", {out, in})
                                        : w.tensor("weight", {out, in, 1, 1})),
      m_slot(w.slot()) {
  if (bias) m_bias = Parameter(w.tensor("bias", {out}));
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return product(x, m_weight, m_bias, *m_slot);
}

Conv2d::Conv2d(const Weights& w,
               std::int64_t in,
               std::int64_t out,
               std::int64_t kernel,
               std::int64_t stride,
               std::int64_t padding,
               bool bias)
    : m_weight(w.tensor("weight", {out, in, kernel, kernel})),
      m_kernel(kernel),
      m_stride(stride),
      m_padding(padding),
      m_slot(w.slot()) {
  if (bias) m_bias = Parameter(w.tensor("bias", {out}));
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  const auto dtype = x.scalar_type();
  const at::Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
  if (m_kernel == 1)  // a linear layer over pixels
    return product(input.permute({0, 2, 3, 1}), m_weight, m_bias, *m_slot).permute({0, 3, 1, 2});
  const bool biasLast = hasMagnitude(*m_slot);
  const functions::Weight bias = m_bias.as(dtype);
  at::Tensor y = functions::conv2d(input,
                                   m_weight.as(dtype, *m_slot),
                                   biasLast ? functions::Weight{} : bias,
                                   m_stride,
                                   m_padding);
  for (const Adapter& a : m_slot->adapters) {
    if (a.strength == 0 || a.change) continue;
    if (a.factor.defined()) {
      y = y + kronecker(a, input, m_kernel, m_stride, m_padding) * (a.strength * a.scale);
      continue;
    }
    const functions::Weight down = adapterWeight(a.down, dtype);
    const at::Tensor inner = a.mid.defined()
                                 ? functions::conv2d(functions::conv2d(input, down, {}, 1, 0),
                                                     adapterWeight(a.mid, dtype),
                                                     {},
                                                     m_stride,
                                                     m_padding)
                                 : functions::conv2d(input, down, {}, m_stride, m_padding);
    const at::Tensor outer = functions::conv2d(inner, adapterWeight(a.up, dtype), {}, 1, 0);
    if (a.magnitude.defined())
      y = decomposed(a, m_weight.master(), y, y + outer * a.scale, {-1, 1, 1});
    else
      y = y + outer * (a.strength * a.scale);
  }
  return biasLast && bias.compute.defined() ? y + bias.compute.view({-1, 1, 1}) : y;
}

GroupNorm::GroupNorm(const Weights& w, std::int64_t groups, std::int64_t channels, double eps)
    : m_weight(w.tensor("weight", {channels})),
      m_bias(w.tensor("bias", {channels})),
      m_groups(groups),
      m_eps(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return functions::groupNorm(x, m_weight, m_bias, m_groups, m_eps, false);
}

at::Tensor GroupNorm::thenSilu(const at::Tensor& x) const {
  return functions::groupNorm(x, m_weight, m_bias, m_groups, m_eps, true);
}

LayerNorm::LayerNorm(const Weights& w, std::int64_t size, double eps)
    : m_weight(w.tensor("weight", {size})),
      m_bias(w.tensor("bias", {size})),
      m_size(size),
      m_eps(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  // On the CPU the operator itself takes fp32 parameters beside bf16 activations.
  const auto parameterDtype =
      x.is_cpu() && m_weight.scalar_type() == at::kFloat ? at::kFloat : x.scalar_type();
  return at::layer_norm(x, {m_size}, m_weight.to(parameterDtype), m_bias.to(parameterDtype), m_eps);
}

Embedding::Embedding(const Weights& w, std::int64_t count, std::int64_t size)
    : m_weight(w.tensor("weight", {count, size})) {}

at::Tensor Embedding::operator()(const at::Tensor& ids, at::ScalarType dtype) const {
  // Rows first, cast after: the table is much larger than a prompt.
  return at::embedding(m_weight, ids).to(dtype);
}

at::Tensor timestepEmbedding(const at::Tensor& timesteps,
                             std::int64_t size,
                             bool flip,
                             double shift) {
  const std::int64_t half = size / 2;
  const auto fp32 = timesteps.options().dtype(at::kFloat);
  const at::Tensor exponent =
      at::arange(half, fp32).mul(-std::log(10000.0)).div(static_cast<double>(half) - shift);
  const at::Tensor angle = timesteps.to(at::kFloat).unsqueeze(1).mul(exponent.exp().unsqueeze(0));
  at::Tensor embedding =
      flip ? at::cat({angle.cos(), angle.sin()}, 1) : at::cat({angle.sin(), angle.cos()}, 1);
  return size % 2 ? at::constant_pad_nd(embedding, {0, 1}) : embedding;
}

}  // namespace likeness::nn
