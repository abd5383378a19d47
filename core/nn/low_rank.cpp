// A randomized range finder with power iterations (Halko, Martinsson, Tropp, "Finding structure
// with randomness", SIAM Review 2011), then the exact decomposition of what it found.
#include "core/nn/low_rank.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/tensor/random_tensor.h"

namespace likeness::nn {
namespace {

at::Tensor orthonormal(const at::Tensor& columns) { return std::get<0>(at::linalg_qr(columns)); }

struct Range {
  at::Tensor columns;  ///< orthonormal
  at::Tensor inner;    ///< the matrix as they see it
};

/// Columns whose span holds most of what the matrix can give: until that does not grow any more.
Range rangeOf(const at::Tensor& matrix, std::int64_t count) {
  constexpr int most = 8;
  constexpr double settled = 1e-4;
  at::Tensor columns = orthonormal(
      tensor::normal({matrix.size(0), count}, base::Random(1, base::Purpose::Extraction)));
  double before = 0;
  for (int i = 0;; ++i) {
    at::Tensor across = matrix.t().mm(columns);
    const double norm = at::linalg_vector_norm(across, 2, {}, false, at::kDouble).item<double>();
    if (i == most || (i > 1 && norm - before <= settled * norm))
      return {std::move(columns), across.t()};
    before = norm;
    columns = orthonormal(matrix.mm(orthonormal(across)));
  }
}

}  // namespace

LowRank lowRank(const at::Tensor& matrix, std::int64_t rank) {
  const c10::NoGradGuard noGrad;
  const bool tall = matrix.size(0) > matrix.size(1);
  const at::Tensor wide = (tall ? matrix.t() : matrix).to(at::kFloat).contiguous();
  const std::int64_t side = wide.size(0), columns = 2 * rank + 16;
  constexpr double negligible = 1e-6;
  const bool sketched = columns * 3 < side * 2;
  const Range range = sketched ? rangeOf(wide, columns) : Range{{}, wide};
  const at::Tensor inner = range.inner.to(at::kDouble);
  // Of the short side's Gram matrix: its eigenvalues are the squares of the singular values, and
  // in fp64 no worse than the fp32 that they come from.
  const auto [squares, vectors] = at::linalg_eigh(inner.mm(inner.t()));
  const double* values = squares.const_data_ptr<double>();
  const std::int64_t count = squares.size(0);
  std::int64_t kept = 1;
  while (kept < std::min(rank, count) &&
         values[count - 1 - kept] > negligible * negligible * values[count - 1])
    ++kept;
  const at::Tensor largest = squares.slice(0, count - kept).flip(0),
                   left = vectors.slice(1, count - kept).flip(1), roots = largest.pow(0.25);
  const at::Tensor right = left.t().mm(inner).div(roots.unsqueeze(1)).to(at::kFloat);
  at::Tensor sided = left.mul(roots).to(at::kFloat);
  if (sketched) sided = range.columns.mm(sided);
  LowRank result{tall ? right.t().contiguous() : sided, tall ? sided.t().contiguous() : right};
  result.norm2 = largest.sum().item<double>();
  return result;
}

}  // namespace likeness::nn
