// The nearest matrix of a low rank.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace likeness::nn {

struct LowRank {
  at::Tensor up;     ///< [out, r], fp32
  at::Tensor down;   ///< [r, in], fp32; both carry the roots of the singular values
  double norm2 = 0;  ///< of up down: its squared Frobenius norm
};

/// The largest singular values and vectors of a matrix [out, in] of fp32 or fp64 that is finite and
/// not zero, at most `rank` of them; those under a millionth of the largest are left out. Exact up
/// to rounding when the rank is more than a third of the smaller side. Below that a subspace of
/// 2 rank + 16 directions is searched, from the same start every time: exact too for a matrix of no
/// more directions than those, else with less than a hundredth of the norm to be had missing.
LowRank lowRank(const at::Tensor& matrix, std::int64_t rank);

}  // namespace likeness::nn
