// Group norm with SiLU, GEGLU and attention. On the CPU by the loops of kernels.h, elsewhere by
// LibTorch's operators.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numeric>

#include "core/nn/functions.h"
#include "core/nn/kernel_dispatch.h"

namespace likeness::nn::functions {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

at::ScalarType realType(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// Runs body(picture, shape) for pieces of whole groups of every picture, on LibTorch's threads. A
/// piece is at least 48 channels wide (a cache line and a half in bf16) and, where groups allow it,
/// made of whole vectors of 16.
template <class Body>
void forEachPiece(
    const at::Tensor& x, std::int64_t groups, double eps, bool silu, const Body& body) {
  const std::int64_t channels = x.size(1), groupSize = channels / groups;
  const std::int64_t whole =
      16 / std::gcd<std::int64_t>(16, groupSize);  // groups that fill vectors
  const std::int64_t wide = (48 + whole * groupSize - 1) / (whole * groupSize);
  const std::int64_t groupsEach = std::min(groups, wide * whole);
  const std::int64_t pieces = (groups + groupsEach - 1) / groupsEach;
  const std::int64_t values = x.size(2) * x.size(3) * groupsEach * groupSize;
  at::parallel_for(0, x.size(0) * pieces, grain(values), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t firstGroup = i % pieces * groupsEach;
      const std::int64_t count = std::min(groupsEach, groups - firstGroup);
      body(i / pieces,
           kernels::GroupNormShape{x.size(2) * x.size(3),
                                   channels,
                                   firstGroup * groupSize,
                                   count * groupSize,
                                   groupSize,
                                   eps,
                                   silu});
    }
  });
}

struct GroupNormFunction : Function<GroupNormFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& input,
                            const at::Tensor& weight,
                            const at::Tensor& bias,
                            std::int64_t groups,
                            double eps,
                            bool silu) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const auto real = x.options().dtype(realType(x)).memory_format(at::MemoryFormat::Contiguous);
    const at::Tensor w = weight.to(real.dtype().toScalarType()),
                     b = bias.to(real.dtype().toScalarType());
    at::Tensor y = at::empty_like(x);
    at::Tensor mean = at::empty({x.size(0), groups}, real), rstd = at::empty_like(mean);
    dispatch(x, [&]<class T, class Real>(T, Real) {
      forEachPiece(x, groups, eps, silu, [&](std::int64_t n, const kernels::GroupNormShape& s) {
        const std::int64_t at = n * s.pixels * s.channels;
        kernels::groupNormForward<T, Real>(s,
                                           in<T>(x) + at,
                                           in<Real>(w),
                                           in<Real>(b),
                                           out<T>(y) + at,
                                           out<Real>(mean) + n * groups,
                                           out<Real>(rstd) + n * groups);
      });
    });
    context->save_for_backward({x, w, b, mean, rstd});
    context->saved_data["eps"] = eps;
    context->saved_data["silu"] = silu;
    context->saved_data["dtype"] = weight.scalar_type();
    return y;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], &b = saved[2], &mean = saved[3],
                     &rstd = saved[4];
    const bool silu = context->saved_data["silu"].toBool();
    const std::int64_t groups = mean.size(1), channels = x.size(1);
    const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor dx = at::empty_like(x);
    const at::Tensor dWeight = at::empty({x.size(0), channels}, w.options());
    const at::Tensor dBias = at::empty_like(dWeight);
    dispatch(x, [&]<class T, class Real>(T, Real) {
      forEachPiece(x, groups, 0, silu, [&](std::int64_t n, const kernels::GroupNormShape& s) {
        const std::int64_t at = n * s.pixels * s.channels;
        kernels::groupNormBackward<T, Real>(s,
                                            in<T>(dy) + at,
                                            in<T>(x) + at,
                                            in<Real>(w),
                                            in<Real>(b),
                                            in<Real>(mean) + n * groups,
                                            in<Real>(rstd) + n * groups,
                                            out<T>(dx) + at,
                                            out<Real>(dWeight) + n * channels,
                                            out<Real>(dBias) + n * channels);
      });
    });
    const auto master = context->saved_data["dtype"].toScalarType();
    const auto total = [master](const at::Tensor& perPicture) {
      return perPicture.sum(at::IntArrayRef{0}, false, master);
    };
    return {dx,
            context->needs_input_grad(1) ? total(dWeight) : at::Tensor(),
            context->needs_input_grad(2) ? total(dBias) : at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

/// Rows of x, shared out in pieces of some thousand values.
template <class Body>
void forEachRows(std::int64_t rows, std::int64_t size, const Body& body) {
  at::parallel_for(0, rows, grain(size), body);
}

struct GegluFunction : Function<GegluFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input) {
    const at::Tensor x = input.contiguous();
    auto sizes = x.sizes().vec();
    const std::int64_t size = sizes.back() / 2, rows = x.numel() / sizes.back();
    sizes.back() = size;
    const at::Tensor y = at::empty(sizes, x.options());
    dispatch(x, [&]<class T, class Real>(T, Real) {
      forEachRows(rows, size, [&](std::int64_t begin, std::int64_t end) {
        kernels::gegluForward<T>(
            end - begin, size, in<T>(x) + 2 * begin * size, out<T>(y) + begin * size);
      });
    });
    context->save_for_backward({x});
    return y;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor x = context->get_saved_variables()[0], dy = gradients[0].contiguous();
    const at::Tensor dx = at::empty_like(x);
    const std::int64_t size = dy.size(-1), rows = dy.numel() / size;
    dispatch(x, [&]<class T, class Real>(T, Real) {
      forEachRows(rows, size, [&](std::int64_t begin, std::int64_t end) {
        kernels::gegluBackward<T>(end - begin,
                                  size,
                                  in<T>(dy) + begin * size,
                                  in<T>(x) + 2 * begin * size,
                                  out<T>(dx) + 2 * begin * size);
      });
    });
    return {dx};
  }
};

/// [N, L, heads * d] <-> [N * heads, L, d].
at::Tensor splitHeads(const at::Tensor& x, std::int64_t heads) {
  const std::int64_t d = x.size(2) / heads;
  return x.view({x.size(0), x.size(1), heads, d}).transpose(1, 2).reshape({-1, x.size(1), d});
}
at::Tensor joinHeads(const at::Tensor& x, std::int64_t heads) {
  const std::int64_t n = x.size(0) / heads;
  return x.view({n, heads, x.size(1), x.size(2)})
      .transpose(1, 2)
      .reshape({n, x.size(1), heads * x.size(2)});
}

/// Attention by whole products, which oneDNN computes in bf16; LibTorch's fused attention falls to
/// fp32 loops there, and its backward pass in bf16 takes twice this one's time (core/nn/README.md).
struct ProductAttentionFunction : Function<ProductAttentionFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& query,
                            const at::Tensor& key,
                            const at::Tensor& value,
                            std::int64_t heads,
                            bool causal) {
    const at::Tensor q = splitHeads(query, heads), k = splitHeads(key, heads),
                     v = splitHeads(value, heads);
    const at::Tensor p = at::bmm(q, k.transpose(1, 2));
    const std::int64_t size = p.size(2), causalRows = causal ? p.size(1) : 0;
    forEachHead(p, [&](std::int64_t at, std::int64_t rows) {
      kernels::softmaxForward(rows, size, scale(q), causalRows, out<kernels::Bf16>(p) + at * size);
    });
    context->save_for_backward({q, k, v, p});
    context->saved_data["heads"] = heads;
    return joinHeads(at::bmm(p, v), heads);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &p = saved[3];
    const std::int64_t heads = context->saved_data["heads"].toInt(), size = p.size(2);
    const at::Tensor dy = splitHeads(gradients[0].contiguous(), heads);
    const at::Tensor ds = at::bmm(dy, v.transpose(1, 2));
    forEachHead(p, [&](std::int64_t at, std::int64_t rows) {
      kernels::softmaxBackward(rows,
                               size,
                               scale(q),
                               in<kernels::Bf16>(p) + at * size,
                               out<kernels::Bf16>(ds) + at * size);
    });
    return {joinHeads(at::bmm(ds, k), heads),
            joinHeads(at::bmm(ds.transpose(1, 2), q), heads),
            joinHeads(at::bmm(p.transpose(1, 2), dy), heads),
            at::Tensor(),
            at::Tensor()};
  }

 private:
  static float scale(const at::Tensor& q) { return 1 / std::sqrt(static_cast<float>(q.size(2))); }
  /// Calls body(first row, rows) for pieces of whole heads of p [heads, rows, size].
  template <class Body>
  static void forEachHead(const at::Tensor& p, const Body& body) {
    const std::int64_t rows = p.size(1);
    at::parallel_for(
        0, p.size(0), grain(rows * p.size(2)), [&](std::int64_t begin, std::int64_t end) {
          body(begin * rows, (end - begin) * rows);
        });
  }
};

/// Above this many scores per head the score matrix no longer fits the caches, and fused attention
/// wins.
constexpr std::int64_t maxScores = 256 * 256;

}  // namespace

at::Tensor groupNorm(const at::Tensor& x,
                     const at::Tensor& weight,
                     const at::Tensor& bias,
                     std::int64_t groups,
                     double eps,
                     bool silu) {
  if (hasKernels(x)) return GroupNormFunction::apply(x, weight, bias, groups, eps, silu);
  const auto dtype = x.scalar_type();
  const at::Tensor y = at::group_norm(x, groups, weight.to(dtype), bias.to(dtype), eps);
  return silu ? at::silu(y) : y;
}

at::Tensor geglu(const at::Tensor& x) {
  if (hasKernels(x)) return GegluFunction::apply(x);
  const auto parts = x.chunk(2, -1);
  return parts[0] * at::gelu(parts[1]);
}

at::Tensor attention(const at::Tensor& q,
                     const at::Tensor& k,
                     const at::Tensor& v,
                     std::int64_t heads,
                     bool causal) {
  const bool byProducts =
      q.is_cpu() && q.scalar_type() == at::kBFloat16 && q.size(1) * k.size(1) <= maxScores;
  if (byProducts) return ProductAttentionFunction::apply(q, k, v, heads, causal);
  const auto split = [heads](const at::Tensor& x) {
    return x.unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(split(q), split(k), split(v), {}, 0.0, causal)
      .transpose(1, 2)
      .flatten(2);
}

}  // namespace likeness::nn::functions
