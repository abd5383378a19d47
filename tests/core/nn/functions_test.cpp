// The loops of kernels.h in bf16 against the same formulas in fp64 on the same inputs. Each bound
// is the rounding that the operation does, element by element, to first order.
#include "core/nn/functions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/machine.h"
#include "core/nn/kernels.h"
#include "core/tensor/random_tensor.h"

namespace likeness::nn::test {
namespace {

constexpr double u = 1.0 / 256;        // rounding to bf16 changes a value by at most this part
constexpr double secondOrder = 1.05;   // what the first order leaves out
constexpr double fp32Rounding = 1e-5;  // of sums in fp32, relative to the largest value

at::Tensor draw(at::IntArrayRef shape, std::uint64_t sample) {
  return tensor::normal(shape, base::Random(11, base::Purpose::Test, 2, sample));
}
at::Tensor drawBf16(at::IntArrayRef shape, std::uint64_t sample) {
  return draw(shape, sample).to(at::kBFloat16);
}
at::Tensor leaf(const at::Tensor& x) { return x.detach().clone().requires_grad_(true); }
at::Tensor leaf64(const at::Tensor& x) { return leaf(x.to(at::kDouble)); }

/// |x - wanted| <= bound everywhere.
void expectWithin(const char* what,
                  const at::Tensor& x,
                  const at::Tensor& wanted,
                  const at::Tensor& bound) {
  ASSERT_EQ(x.sizes(), wanted.sizes()) << what;
  const at::Tensor reference = wanted.detach();
  const double largest = reference.abs().max().item<double>();
  const at::Tensor allowed = bound.detach() * secondOrder + fp32Rounding * largest;
  const at::Tensor error = (x.detach().to(at::kDouble) - reference).abs();
  EXPECT_LE((error - allowed).max().item<double>(), 0) << what;
}

/// The last rounding alone.
at::Tensor rounded(const at::Tensor& wanted) { return u * wanted.abs(); }

TEST(Bf16, GroupNormRoundsOnceForwardAndBack) {
  struct Case {
    std::vector<std::int64_t> shape;
    std::int64_t groups;
  };
  const Case cases[] = {
      {{2, 8, 5, 3}, 2}, {{1, 96, 16, 16}, 32}, {{3, 6, 1, 2}, 6}, {{2, 160, 7, 9}, 32}};
  for (const auto& [shape, groups] : cases)
    for (const bool silu : {false, true}) {
      SCOPED_TRACE(c10::str(shape, " ", groups, silu ? " silu" : ""));
      const std::int64_t channels = shape[1];
      // Off zero, as activations are: the mean must be taken away before squaring.
      const at::Tensor x = (drawBf16(shape, 1) + 3).contiguous(at::MemoryFormat::ChannelsLast);
      const at::Tensor dy = drawBf16(shape, 2);
      const at::Tensor w = draw({channels}, 3) + 1, b = draw({channels}, 4);
      const at::Tensor x1 = leaf(x), w1 = leaf(w), b1 = leaf(b);
      const at::Tensor y1 = functions::groupNorm(x1, w1, b1, groups, 1e-5, silu);
      y1.backward(dy);
      const at::Tensor x2 = leaf64(x), w2 = leaf64(w), b2 = leaf64(b);
      at::Tensor y2 = at::group_norm(x2, groups, w2, b2, 1e-5);
      if (silu) y2 = at::silu(y2);
      y2.backward(dy.to(at::kDouble));
      EXPECT_EQ(y1.scalar_type(), at::kBFloat16);
      expectWithin("y", y1, y2, rounded(y2));
      expectWithin("dx", x1.grad(), x2.grad(), rounded(x2.grad()));
      // Gradients of the parameters never leave fp32.
      const auto close = [](const at::Tensor& a, const at::Tensor& wanted) {
        return ((a.to(at::kDouble) - wanted).norm() / wanted.norm()).item<double>();
      };
      EXPECT_LE(close(w1.grad(), w2.grad()), fp32Rounding);
      EXPECT_LE(close(b1.grad(), b2.grad()), fp32Rounding);
    }
}

TEST(Bf16, GegluRoundsOnceForwardAndBack) {
  for (const auto& shape : {std::vector<std::int64_t>{3, 5, 14}, {1, 64, 768}, {7, 2}}) {
    SCOPED_TRACE(c10::str(shape));
    const at::Tensor x = drawBf16(shape, 5) * 3;  // also where the gate is nearly shut or open
    const at::Tensor x1 = leaf(x), x2 = leaf64(x);
    const at::Tensor y1 = functions::geglu(x1);
    const at::Tensor dy = drawBf16(y1.sizes(), 6);
    y1.backward(dy);
    const auto parts = x2.chunk(2, -1);
    const at::Tensor y2 = parts[0] * at::gelu(parts[1]);
    y2.backward(dy.to(at::kDouble));
    EXPECT_EQ(y1.scalar_type(), at::kBFloat16);
    expectWithin("y", y1, y2, rounded(y2));
    expectWithin("dx", x1.grad(), x2.grad(), rounded(x2.grad()));
  }
}

kernels::Bf16* bits(const at::Tensor& x) {
  return static_cast<kernels::Bf16*>(x.mutable_data_ptr());
}
/// 1 where row r of [rows, columns] sees a column: its first r + 1 when causal, else all.
at::Tensor seenBy(std::int64_t rows, std::int64_t columns, bool causal) {
  const at::Tensor all = at::ones({rows, columns}, at::kDouble);
  return causal ? all.tril() : all;
}

TEST(Bf16, SoftmaxRoundsOnceForwardAndBack) {
  struct Case {
    std::int64_t heads, rows, columns;
    float scale;
    bool causal;
  };
  const Case cases[] = {{2, 5, 7, 1, false},
                        {3, 64, 77, 0.18F, false},
                        {1, 4, 1, 2, false},
                        {1, 3, 300, 30, false},  // scores of some hundreds: one takes it all
                        {2, 13, 13, 0.5F, true},
                        {3, 77, 77, 1, true}};
  for (const auto& [heads, rows, columns, scale, causal] : cases) {
    SCOPED_TRACE(c10::str(heads, " ", rows, " ", columns, causal ? " causal" : ""));
    const at::Tensor scores = drawBf16({heads, rows, columns}, 12) * 3, p = scores.clone();
    kernels::softmaxForward(heads * rows, columns, scale, causal ? rows : 0, bits(p));
    const at::Tensor hidden = seenBy(rows, columns, causal) == 0;
    const at::Tensor wanted =
        at::softmax((scores.to(at::kDouble) * scale).masked_fill(hidden, -INFINITY), -1);
    expectWithin("p", p, wanted, rounded(wanted));
    EXPECT_EQ(p.masked_select(hidden).count_nonzero().item<std::int64_t>(), 0);

    const at::Tensor dp = drawBf16(p.sizes(), 13), ds = dp.clone();
    kernels::softmaxBackward(heads * rows, columns, scale, bits(p), bits(ds));
    const at::Tensor p64 = p.to(at::kDouble), dp64 = dp.to(at::kDouble);
    const at::Tensor wantedDs = scale * p64 * (dp64 - (p64 * dp64).sum(-1, true));
    // Where one value takes it all, dp - sum cancels, and its rounding in fp32 is what is left.
    expectWithin("ds", ds, wantedDs, rounded(wantedDs) + fp32Rounding * scale * p64 * dp64.abs());
  }
}

/// [N, L, heads d] -> [N, heads, L, d] in fp64.
at::Tensor heads64(const at::Tensor& x, std::int64_t heads) {
  return x.to(at::kDouble).unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
}
at::Tensor joined(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

/// What a bf16 program rounds: scores s = q k, probabilities p, dp = dy v, ds, and every result.
/// A score that is off by u |s| changes its probability by the part scale u |s|, and the sum below
/// it by as much again at most, so p is off by eta = u (2 scale max|s| + 1) of itself; the rest
/// follows by the product rule. Roundings that all point one way would use these bounds up; the
/// real ones use a tenth to a half.
void checkAttention(const std::vector<std::int64_t>& sizes, bool causal) {
  const std::int64_t n = sizes[0], rows = sizes[1], columns = sizes[2], heads = sizes[3],
                     d = sizes[4];
  SCOPED_TRACE(c10::str(sizes, causal ? " causal" : ""));
  const at::Tensor q = drawBf16({n, rows, heads * d}, 7), k = drawBf16({n, columns, heads * d}, 8),
                   v = drawBf16({n, columns, heads * d}, 9), dy = drawBf16(q.sizes(), 10);
  const at::Tensor q1 = leaf(q), k1 = leaf(k), v1 = leaf(v);
  const at::Tensor y1 = functions::attention(q1, k1, v1, heads, causal);
  y1.backward(dy);
  EXPECT_EQ(y1.scalar_type(), at::kBFloat16);

  const double scale = 1 / std::sqrt(static_cast<double>(d));
  const at::Tensor Q = heads64(q, heads), K = heads64(k, heads), V = heads64(v, heads),
                   dY = heads64(dy, heads);
  const at::Tensor s = at::matmul(Q, K.transpose(-1, -2));
  const at::Tensor seen = seenBy(rows, columns, causal);
  const at::Tensor p = at::softmax((s * scale).masked_fill(seen == 0, -INFINITY), -1);
  const at::Tensor dp = at::matmul(dY, V.transpose(-1, -2));
  const at::Tensor dot = (p * dp).sum(-1, true);
  const at::Tensor ds = scale * p * (dp - dot);
  const at::Tensor y = at::matmul(p, V), dq = at::matmul(ds, K),
                   dk = at::matmul(ds.transpose(-1, -2), Q),
                   dv = at::matmul(p.transpose(-1, -2), dY);

  const at::Tensor eta = u * (2 * scale * (s * seen).abs().amax(-1, true) + 1);
  const at::Tensor deltaDot = ((eta + u) * p * dp.abs()).sum(-1, true);
  const at::Tensor deltaDs =
      scale * p * (eta * (dp - dot).abs() + u * dp.abs() + deltaDot) + u * ds.abs();
  const auto product = [](const at::Tensor& a, const at::Tensor& b) {
    return at::matmul(a, b.abs());
  };
  expectWithin("y", y1, joined(y), joined(product(eta * p, V) + u * y.abs()));
  expectWithin("dq", q1.grad(), joined(dq), joined(product(deltaDs, K) + u * dq.abs()));
  expectWithin(
      "dk", k1.grad(), joined(dk), joined(product(deltaDs.transpose(-1, -2), Q) + u * dk.abs()));
  expectWithin(
      "dv", v1.grad(), joined(dv), joined(product((eta * p).transpose(-1, -2), dY) + u * dv.abs()));
}

TEST(Bf16, AttentionStaysWithinItsRoundings) {
  const std::vector<std::int64_t> cases[] = {{2, 7, 5, 3, 4},
                                             {1, 64, 64, 3, 32},
                                             {2, 64, 77, 5, 32},
                                             {1, 3, 1, 2, 3},
                                             {1, 256, 256, 1, 8}};
  for (const auto& sizes : cases) checkAttention(sizes, false);
  checkAttention({2, 13, 13, 2, 5}, true);
  checkAttention({1, 77, 77, 6, 32}, true);
}

struct Convolution {
  std::vector<std::int64_t> input;
  std::int64_t out, kernel, stride, padding;
};
/// On both sides of every limit of output pixels, with odd sizes and windows wider than the
/// picture.
const Convolution convolutions[] = {{{2, 3, 5, 7}, 4, 3, 1, 1},
                                    {{1, 37, 9, 4}, 5, 3, 2, 1},
                                    {{3, 20, 8, 5}, 6, 3, 2, 0},
                                    {{2, 16, 1, 1}, 3, 3, 1, 1},
                                    {{1, 8, 2, 6}, 3, 5, 1, 2},
                                    {{2, 5, 3, 4}, 7, 1, 1, 0},
                                    {{1, 6, 17, 23}, 4, 3, 1, 1},
                                    {{1, 6, 35, 37}, 4, 3, 1, 1}};

TEST(Convolution, EveryGradientEqualsLibTorchsOwn) {
  for (const auto& [input, out, kernel, stride, padding] : convolutions)
    for (const auto dtype : {at::kDouble, at::kFloat}) {
      SCOPED_TRACE(c10::str(input, " ", kernel, " ", stride, " ", padding, " ", dtype));
      const auto layout = at::MemoryFormat::ChannelsLast;
      const at::Tensor x = draw(input, 20).to(dtype).contiguous(layout);
      const at::Tensor w = draw({out, input[1], kernel, kernel}, 21).to(dtype).contiguous(layout);
      const at::Tensor b = draw({out}, 22).to(dtype);
      const at::Tensor x1 = leaf(x), w1 = leaf(w), b1 = leaf(b);
      const at::Tensor y1 = functions::conv2d(x1, {w1, w1}, {b1, b1}, stride, padding);
      const at::Tensor x2 = leaf64(x), w2 = leaf64(w), b2 = leaf64(b);
      const at::Tensor y2 = at::conv2d(x2, w2, b2, stride, padding);
      const at::Tensor dy = draw(y2.sizes(), 23).to(dtype);
      y1.backward(dy);
      y2.backward(dy.to(at::kDouble));
      // The same sums in another order.
      const double bound = dtype == at::kDouble ? 1e-14 : 1e-6;
      const auto expectClose = [&](const at::Tensor& a, const at::Tensor& wanted) {
        EXPECT_EQ(a.sizes(), wanted.sizes());
        EXPECT_LE(((a.to(at::kDouble) - wanted).norm() / wanted.norm()).item<double>(), bound);
      };
      expectClose(y1, y2);
      expectClose(x1.grad(), x2.grad());
      expectClose(w1.grad(), w2.grad());
      expectClose(b1.grad(), b2.grad());
      // A frozen weight keeps no input and passes the same gradient on.
      const at::Tensor x3 = leaf(x);
      functions::conv2d(x3, {w, w}, {b, b}, stride, padding).backward(dy);
      EXPECT_TRUE(at::equal(x3.grad(), x1.grad()));
    }
}

TEST(Convolution, StaysWithinItsRoundingsInBf16) {
  for (const auto& [input, out, kernel, stride, padding] : convolutions) {
    SCOPED_TRACE(c10::str(input, " ", kernel, " ", stride, " ", padding));
    const auto layout = at::MemoryFormat::ChannelsLast;
    const at::Tensor x = drawBf16(input, 24).contiguous(layout);
    const at::Tensor w = drawBf16({out, input[1], kernel, kernel}, 25).contiguous(layout);
    const at::Tensor x1 = leaf(x), w1 = leaf(w), x2 = leaf64(x), w2 = leaf64(w);
    const at::Tensor y1 = functions::conv2d(x1, {w1, w1}, {}, stride, padding);
    const at::Tensor y2 = at::conv2d(x2, w2, {}, stride, padding);
    const at::Tensor dy = drawBf16(y2.sizes(), 26);
    y1.backward(dy);
    y2.backward(dy.to(at::kDouble));
    expectWithin("y", y1, y2, rounded(y2));
    expectWithin("dW", w1.grad(), w2.grad(), rounded(w2.grad()));
    // Each place of a pixel in the windows is rounded, and their sum; no place exceeds the same
    // sum of absolute values. Where oneDNN has no convolution in bf16, LibTorch's own rounds the
    // sum after every place.
    const double sums = base::cpuHasFastBf16() ? 1 : static_cast<double>(kernel * kernel);
    const at::Tensor x3 = leaf64(x);
    at::conv2d(x3, w.to(at::kDouble).abs(), {}, stride, padding).backward(dy.to(at::kDouble).abs());
    expectWithin("dx", x1.grad(), x2.grad(), u * sums * x3.grad() + rounded(x2.grad()));
  }
}

/// Threads get pieces of rows and of pixels: how those are cut must not show in any bit.
TEST(Convolution, PiecesAddUpToTheWhole) {
  for (const auto& [input, out, kernel, stride, padding] : convolutions) {
    SCOPED_TRACE(c10::str(input, " ", kernel, " ", stride, " ", padding));
    const std::int64_t n = input[0], channels = input[1], height = input[2], width = input[3];
    const kernels::WindowShape shape{height,
                                     width,
                                     channels,
                                     (height + 2 * padding - kernel) / stride + 1,
                                     (width + 2 * padding - kernel) / stride + 1,
                                     kernel,
                                     stride,
                                     padding};
    const std::int64_t count = n * shape.outHeight * shape.outWidth, pixels = n * height * width;
    const at::Tensor x = drawBf16({pixels, channels}, 27);
    const auto rowsIn = [&](std::int64_t pieces) {
      const at::Tensor rows = at::empty({count, kernel * kernel * channels}, x.options());
      for (std::int64_t i = 0; i < pieces; ++i)
        kernels::windowsForward<kernels::Bf16>(
            shape, i * count / pieces, (i + 1) * count / pieces, bits(x), bits(rows));
      return rows;
    };
    const at::Tensor rows = rowsIn(1);
    const auto gradientIn = [&](std::int64_t pieces) {
      const at::Tensor dx = at::empty_like(x);
      for (std::int64_t i = 0; i < pieces; ++i)
        kernels::windowsBackward<kernels::Bf16>(
            shape, i * pixels / pieces, (i + 1) * pixels / pieces, bits(rows), bits(dx));
      return dx;
    };
    for (const std::int64_t pieces : {2, 7}) {
      EXPECT_TRUE(at::equal(rowsIn(pieces), rows));
      EXPECT_TRUE(at::equal(gradientIn(pieces), gradientIn(1)));
    }
  }
}

TEST(Bf16, LargeAttentionStaysWithinItsRoundings) {
  checkAttention({1, 257, 256, 1, 16}, false);   // scores are made anew from here on
  checkAttention({2, 1500, 700, 3, 8}, false);   // some heads at a time
  checkAttention({1, 3000, 1500, 2, 8}, false);  // and some queries
}

}  // namespace
}  // namespace likeness::nn::test
