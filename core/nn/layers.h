// The layers every network is built from: values made from a weight path, forward const.
//
// Dtypes: a layer computes in the dtype of its input. Its parameters (the masters in the
// ParameterStore) may have another: fp32 masters fed with bf16 activations are mixed-precision
// training, without autocast. A cast of a parameter that is being trained goes through autograd, so
// the gradient arrives at the master in fp32; casts of frozen parameters are kept and made again
// when the master has changed. Activations of convolutions are channels-last throughout. Everything
// here runs on the thread that calls it and on LibTorch's pool; errors of shape throw c10::Error (a
// bug of ours).
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <memory>

#include "core/nn/functions.h"
#include "core/nn/weights.h"

namespace likeness::nn {

/// A tensor of the store as its layer sees it.
class Parameter {
 public:
  Parameter() = default;
  explicit Parameter(at::Tensor master);
  /// The master and its copy in `dtype` (see above). Undefined stays undefined (a layer without
  /// bias).
  functions::Weight as(at::ScalarType dtype) const;
  /// The same with the changes of those adapters that are no low-rank products. The changed weight
  /// is kept until a strength changes, so a layer that carries one needs its weight's memory twice.
  functions::Weight as(at::ScalarType dtype, const AdapterSlot& slot) const;
  const at::Tensor& master() const { return m_master; }

 private:
  struct Cast {
    at::Tensor tensor;
    std::uint32_t version = 0;        ///< of the master when it was cast
    std::vector<double> strengths{};  ///< of the adapters that changed it; empty = none did
  };
  bool isKept(at::ScalarType dtype, const std::vector<double>& strengths) const;
  at::Tensor m_master;
  std::shared_ptr<Cast> m_cast;
};

/// y = x W^T + b, plus the adapters of its slot. Keys: weight [out, in], bias [out].
class Linear {
 public:
  /// Some checkpoints store the same product as a 1x1 convolution: weight [out, in, 1, 1].
  enum class Stored { Matrix, Convolution };
  Linear(const Weights& w,
         std::int64_t in,
         std::int64_t out,
         bool bias = true,
         Stored stored = Stored::Matrix);
  /// [..., in] -> [..., out].
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Parameter m_weight, m_bias;
  std::shared_ptr<const AdapterSlot> m_slot;
};

/// 2-D convolution, plus the adapters of its slot. Keys: weight [out, in, kernel, kernel], bias
/// [out].
class Conv2d {
 public:
  Conv2d(const Weights& w,
         std::int64_t in,
         std::int64_t out,
         std::int64_t kernel,
         std::int64_t stride = 1,
         std::int64_t padding = 0,
         bool bias = true);
  /// [N, in, H, W] -> [N, out, H', W'], channels-last.
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Parameter m_weight, m_bias;
  std::int64_t m_kernel, m_stride, m_padding;
  std::shared_ptr<const AdapterSlot> m_slot;
};

/// Normalizes over channel groups and space. Keys: weight, bias [channels].
class GroupNorm {
 public:
  GroupNorm(const Weights& w, std::int64_t groups, std::int64_t channels, double eps);
  /// [N, channels, H, W] -> the same shape.
  at::Tensor operator()(const at::Tensor& x) const;
  /// silu(norm(x)), in one pass where it can.
  at::Tensor thenSilu(const at::Tensor& x) const;

 private:
  at::Tensor m_weight, m_bias;
  std::int64_t m_groups;
  double m_eps;
};

/// Normalizes over the last dimension. Keys: weight, bias [size].
class LayerNorm {
 public:
  LayerNorm(const Weights& w, std::int64_t size, double eps = 1e-5);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor m_weight, m_bias;
  std::int64_t m_size;
  double m_eps;
};

/// Rows of a table. Key: weight [count, size].
class Embedding {
 public:
  Embedding(const Weights& w, std::int64_t count, std::int64_t size);
  /// ids [...] int64 -> [..., size] in `dtype`.
  at::Tensor operator()(const at::Tensor& ids, at::ScalarType dtype) const;
  at::ScalarType masterDtype() const { return m_weight.scalar_type(); }

 private:
  at::Tensor m_weight;
};

/// Sinusoids of timesteps [N] -> [N, size] fp32: f_i = exp(-ln(10000) i / (size/2 - shift)), sines
/// first unless `flip` (diffusers' get_timestep_embedding).
at::Tensor timestepEmbedding(const at::Tensor& timesteps,
                             std::int64_t size,
                             bool flip,
                             double shift);

}  // namespace likeness::nn
