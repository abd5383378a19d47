#include "core/train/adamw_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/base/for_each_cpu.h"

namespace likeness::train::kernels {

LIKENESS_FOR_EACH_CPU void adamW(const AdamWStep& step,
                                 std::int64_t n,
                                 const float* gradient,
                                 float* mean,
                                 float* square,
                                 float* value) {
  const AdamWStep s = step;  // in registers: a store to `value` might else have changed it
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * s.gradientFactor;
    const float m = mean[i] + (1 - s.beta1) * (g - mean[i]);
    const float v = s.beta2 * square[i] + (1 - s.beta2) * g * g;
    mean[i] = m;
    square[i] = v;
    value[i] = value[i] * s.decay - s.rate * m / (std::sqrt(v) * s.squareFactor + s.epsilon);
  }
}

LIKENESS_FOR_EACH_CPU double sumOfSquares(std::int64_t n, const float* values) {
  // fp32 over pieces whose rounding stays small, fp64 over the pieces.
  constexpr std::int64_t piece = 1024;
  double sum = 0;
  for (std::int64_t begin = 0; begin < n; begin += piece) {
    const std::int64_t end = std::min(n, begin + piece);
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (std::int64_t i = begin; i < end; ++i) part += values[i] * values[i];
    sum += static_cast<double>(part);
  }
  return sum;
}

}  // namespace likeness::train::kernels
