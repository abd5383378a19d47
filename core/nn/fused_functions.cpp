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
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
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

/// What a block of the score matrices holds at most: it stays in the caches, and little of it is
/// alive at a time. Matrices no larger than this are kept for the backward pass, others made anew.
constexpr std::int64_t kBlockScores = 1 << 22, kKeptScores = 256 * 256;

/// Attention by products, which oneDNN computes in bf16, a block of queries of some heads at a
/// time; LibTorch's fused attention takes half as long again on a CPU (core/nn/README.md).
struct ProductAttentionFunction : Function<ProductAttentionFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& query,
                            const at::Tensor& key,
                            const at::Tensor& value,
                            std::int64_t heads,
                            bool causal) {
    const at::Tensor q = splitHeads(query, heads), k = splitHeads(key, heads),
                     v = splitHeads(value, heads);
    context->saved_data["heads"] = heads;
    if (q.size(1) * k.size(1) <= kKeptScores) {
      const at::Tensor p = at::bmm(q, k.transpose(1, 2));
      softmax(p, scale(q), causal ? p.size(1) : 0);
      context->save_for_backward({q, k, v, p});
      return joinHeads(at::bmm(p, v), heads);
    }
    const at::Tensor y = at::empty_like(q);
    forEachBlock(q, k, [&](const Block& block, Scores& scores) {
      at::Tensor p = scores(block);
      at::bmm_out(p, block.rows(q), block.heads(k).transpose(1, 2));
      softmax(p, scale(q), 0);
      block.rows(y).copy_(at::bmm(p, block.heads(v)));
    });
    context->save_for_backward({q, k, v});
    return joinHeads(y, heads);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    const std::int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor dy = splitHeads(gradients[0].contiguous(), heads);
    const auto joined = [heads](const at::Tensor& dq, const at::Tensor& dk, const at::Tensor& dv) {
      return variable_list{joinHeads(dq, heads),
                           joinHeads(dk, heads),
                           joinHeads(dv, heads),
                           at::Tensor(),
                           at::Tensor()};
    };
    if (saved.size() == 4) {
      const at::Tensor& p = saved[3];
      const at::Tensor ds = at::bmm(dy, v.transpose(1, 2));
      softmaxGradient(p, ds, scale(q));
      return joined(at::bmm(ds, k), at::bmm(ds.transpose(1, 2), q), at::bmm(p.transpose(1, 2), dy));
    }
    const at::Tensor dq = at::empty_like(q);
    // The blocks' sums in fp32, and turned: [heads, d, keys] is the faster product.
    const at::Tensor dk =
        at::zeros({k.size(0), k.size(2), k.size(1)}, k.options().dtype(at::kFloat));
    const at::Tensor dv = at::zeros_like(dk);
    Scores gradient;
    forEachBlock(q, k, [&](const Block& block, Scores& scores) {
      at::Tensor p = scores(block), ds = gradient(block);
      at::bmm_out(p, block.rows(q), block.heads(k).transpose(1, 2));
      softmax(p, scale(q), 0);
      at::bmm_out(ds, block.rows(dy), block.heads(v).transpose(1, 2));
      softmaxGradient(p, ds, scale(q));
      block.rows(dq).copy_(at::bmm(ds, block.heads(k)));
      block.heads(dk).add_(at::bmm(block.rows(q).transpose(1, 2), ds));
      block.heads(dv).add_(at::bmm(block.rows(dy).transpose(1, 2), p));
    });
    const auto turned = [&k](const at::Tensor& x) { return x.transpose(1, 2).to(k.scalar_type()); };
    return joined(dq, turned(dk), turned(dv));
  }

 private:
  /// Queries of some heads, and all keys of these.
  struct Block {
    std::int64_t head, headCount, row, rowCount, keys;
    at::Tensor heads(const at::Tensor& x) const { return x.narrow(0, head, headCount); }
    at::Tensor rows(const at::Tensor& x) const { return heads(x).narrow(1, row, rowCount); }
  };
  /// Memory of one block's scores [heads, rows, keys], used for one block after the other.
  struct Scores {
    at::Tensor memory;
    at::Tensor operator()(const Block& block) {
      const std::int64_t size = block.headCount * block.rowCount * block.keys;
      if (!memory.defined() || memory.numel() < size) memory = at::empty({size}, at::kBFloat16);
      return memory.narrow(0, 0, size).view({block.headCount, block.rowCount, block.keys});
    }
  };
  template <class Body>
  static void forEachBlock(const at::Tensor& q, const at::Tensor& k, const Body& body) {
    const std::int64_t all = q.size(0), rows = q.size(1), keys = k.size(1);
    const std::int64_t together =
        std::min(all, std::max<std::int64_t>(at::get_num_threads(), kBlockScores / (rows * keys)));
    const std::int64_t each = std::clamp<std::int64_t>(kBlockScores / (together * keys), 1, rows);
    Scores scores;
    for (std::int64_t head = 0; head < all; head += together)
      for (std::int64_t row = 0; row < rows; row += each)
        body(Block{head, std::min(together, all - head), row, std::min(each, rows - row), keys},
             scores);
  }

  static float scale(const at::Tensor& q) { return 1 / std::sqrt(static_cast<float>(q.size(2))); }
  static void softmax(const at::Tensor& p, float scale, std::int64_t causalRows) {
    const std::int64_t size = p.size(2);
    forEachRow(p, causalRows > 0 ? causalRows : 1, [&](std::int64_t at, std::int64_t rows) {
      kernels::softmaxForward(rows, size, scale, causalRows, out<kernels::Bf16>(p) + at * size);
    });
  }
  static void softmaxGradient(const at::Tensor& p, const at::Tensor& ds, float scale) {
    const std::int64_t size = p.size(2);
    forEachRow(p, 1, [&](std::int64_t at, std::int64_t rows) {
      kernels::softmaxBackward(
          rows, size, scale, in<kernels::Bf16>(p) + at * size, out<kernels::Bf16>(ds) + at * size);
    });
  }
  /// Calls body(first row, rows) for pieces of p [heads, rows, size] of so many rows or multiples.
  template <class Body>
  static void forEachRow(const at::Tensor& p, std::int64_t unit, const Body& body) {
    at::parallel_for(
        0,
        p.size(0) * p.size(1) / unit,
        grain(unit * p.size(2)),
        [&](std::int64_t begin, std::int64_t end) { body(begin * unit, (end - begin) * unit); });
  }
};

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
  const bool byProducts = q.is_cpu() && q.scalar_type() == at::kBFloat16 &&
                          (!causal || q.size(1) * k.size(1) <= kKeptScores);
  if (byProducts) return ProductAttentionFunction::apply(q, k, v, heads, causal);
  const auto split = [heads](const at::Tensor& x) {
    return x.unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(split(q), split(k), split(v), {}, 0.0, causal)
      .transpose(1, 2)
      .flatten(2);
}

}  // namespace likeness::nn::functions
