// Layers on ATen alone.
#include "core/nn/layers.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <cmath>

namespace likeness::nn {

Parameter::Parameter(at::Tensor master)
    : m_master(std::move(master)), m_cast(std::make_shared<Cast>()) {}

at::Tensor Parameter::as(at::ScalarType dtype) const {
  if (!m_master.defined() || m_master.scalar_type() == dtype) return m_master;
  if (m_master.requires_grad() && c10::GradMode::is_enabled()) return m_master.to(dtype);
  const auto version = static_cast<std::uint32_t>(m_master._version());
  if (!m_cast->tensor.defined() || m_cast->tensor.scalar_type() != dtype ||
      m_cast->version != version) {
    const c10::InferenceMode normalTensor(
        false);  // the cast may be saved for a backward pass later
    *m_cast = {m_master.detach().to(dtype), version};
  }
  return m_cast->tensor;
}

namespace {

/// Weights of 1x1 convolutions as the matrices they are.
at::Tensor asMatrix(const at::Tensor& weight) {
  return weight.dim() == 2 ? weight : weight.flatten(1);
}

}  // namespace

Linear::Linear(const Weights& w, std::int64_t in, std::int64_t out, bool bias, Stored stored)
    : m_weight(stored == Stored::Matrix ? w.tensor("weight", {out, in})
                                        : w.tensor("weight", {out, in, 1, 1})),
      m_slot(w.slot()) {
  if (bias) m_bias = Parameter(w.tensor("bias", {out}));
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const auto dtype = x.scalar_type();
  at::Tensor y = at::linear(x, asMatrix(m_weight.as(dtype)), m_bias.as(dtype));
  for (const LowRank& a : m_slot->adapters) {
    if (a.strength == 0) continue;
    const at::Tensor inner = at::linear(x, asMatrix(a.down.to(dtype))).mul(a.strength * a.scale);
    y = y + at::linear(inner, asMatrix(a.up.to(dtype)));
  }
  return y;
}

Conv2d::Conv2d(const Weights& w,
               std::int64_t in,
               std::int64_t out,
               std::int64_t kernel,
               std::int64_t stride,
               std::int64_t padding)
    : m_weight(w.tensor("weight", {out, in, kernel, kernel})),
      m_bias(w.tensor("bias", {out})),
      m_stride(stride),
      m_padding(padding),
      m_slot(w.slot()) {}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  const auto dtype = x.scalar_type();
  const at::Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y = at::conv2d(input, m_weight.as(dtype), m_bias.as(dtype), m_stride, m_padding);
  for (const LowRank& a : m_slot->adapters) {
    if (a.strength == 0) continue;
    const at::Tensor inner = at::conv2d(input, a.down.to(dtype), {}, m_stride, m_padding);
    y = y + at::conv2d(inner.mul(a.strength * a.scale), a.up.to(dtype));
  }
  return y;
}

GroupNorm::GroupNorm(const Weights& w, std::int64_t groups, std::int64_t channels, double eps)
    : m_weight(w.tensor("weight", {channels})),
      m_bias(w.tensor("bias", {channels})),
      m_groups(groups),
      m_eps(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  const auto dtype = x.scalar_type();
  return at::group_norm(x, m_groups, m_weight.as(dtype), m_bias.as(dtype), m_eps);
}

at::Tensor GroupNorm::thenSilu(const at::Tensor& x) const { return at::silu((*this)(x)); }

LayerNorm::LayerNorm(const Weights& w, std::int64_t size, double eps)
    : m_weight(w.tensor("weight", {size})),
      m_bias(w.tensor("bias", {size})),
      m_size(size),
      m_eps(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  const auto dtype = x.scalar_type();
  return at::layer_norm(x, {m_size}, m_weight.as(dtype), m_bias.as(dtype), m_eps);
}

Embedding::Embedding(const Weights& w, std::int64_t count, std::int64_t size)
    : m_weight(w.tensor("weight", {count, size})) {}

at::Tensor Embedding::operator()(const at::Tensor& ids, at::ScalarType dtype) const {
  // Rows first, cast after: the table is much larger than a prompt.
  return at::embedding(m_weight.master(), ids).to(dtype);
}

at::Tensor attend(const at::Tensor& q,
                  const at::Tensor& k,
                  const at::Tensor& v,
                  std::int64_t heads,
                  bool causal) {
  const auto split = [heads](const at::Tensor& x) {
    return x.unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(split(q), split(k), split(v), {}, 0.0, causal)
      .transpose(1, 2)
      .flatten(2);
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
