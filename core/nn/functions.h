// The differentiable operations behind the layers. Each is one node of the autograd graph that
// computes only the gradients that are wanted. Parameters come twice: the master, which receives
// the gradient, and its copy in the dtype of the computation (the master itself when the dtypes
// agree), so that no cast enters the graph.
#pragma once

#include <ATen/core/Tensor.h>

namespace likeness::nn::functions {

/// A parameter as an operation takes it; both undefined for a missing bias.
struct Weight {
  at::Tensor master, compute;
};

/// x [..., in], weight [out, in] (or [out, in, 1, 1]) -> x W^T + b, [..., out].
at::Tensor linear(const at::Tensor& x, const Weight& weight, const Weight& bias);

/// y + factor * (x down^T) up^T: what a low-rank adapter adds to a linear layer. x [..., in], y
/// [..., out].
at::Tensor addLowRank(
    const at::Tensor& y, const at::Tensor& x, const Weight& down, const Weight& up, double factor);

/// x [N, in, H, W] channels-last, weight [out, in, k, k] channels-last.
at::Tensor conv2d(const at::Tensor& x,
                  const Weight& weight,
                  const Weight& bias,
                  std::int64_t stride,
                  std::int64_t padding);

/// Group norm over channels-last x [N, C, H, W], with SiLU after it when asked.
at::Tensor groupNorm(const at::Tensor& x,
                     const at::Tensor& weight,
                     const at::Tensor& bias,
                     std::int64_t groups,
                     double eps,
                     bool silu);

/// x [..., 2 n] = [a, g] -> a * gelu(g), [..., n].
at::Tensor geglu(const at::Tensor& x);

/// softmax(q k^T / sqrt(d)) v. q [N, L, heads * d], k and v [N, S, heads * d] -> [N, L, heads * d].
at::Tensor attention(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads, bool causal);

}  // namespace likeness::nn::functions
