// Layers on ATen alone.
#include "core/nn/layers.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
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

/// x W^T + b over the last dimension, with adapters.
at::Tensor product(const at::Tensor& x,
                   const Parameter& weight,
                   const Parameter& bias,
                   const AdapterSlot& slot) {
  const auto dtype = x.scalar_type();
  at::Tensor y = functions::linear(x, weight.as(dtype, slot), bias.as(dtype));
  for (const Adapter& a : slot.adapters)
    if (a.strength != 0 && !a.change)
      y = functions::addLowRank(
          y, x, adapterWeight(a.down, dtype), adapterWeight(a.up, dtype), a.strength * a.scale);
  return y;
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
  at::Tensor y =
      functions::conv2d(input, m_weight.as(dtype, *m_slot), m_bias.as(dtype), m_stride, m_padding);
  for (const Adapter& a : m_slot->adapters) {
    if (a.strength == 0 || a.change) continue;
    const functions::Weight down = adapterWeight(a.down, dtype);
    const at::Tensor inner = a.mid.defined()
                                 ? functions::conv2d(functions::conv2d(input, down, {}, 1, 0),
                                                     adapterWeight(a.mid, dtype),
                                                     {},
                                                     m_stride,
                                                     m_padding)
                                 : functions::conv2d(input, down, {}, m_stride, m_padding);
    const at::Tensor outer = functions::conv2d(inner, adapterWeight(a.up, dtype), {}, 1, 0);
    y = y + outer * (a.strength * a.scale);
  }
  return y;
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
