// The passes of AdamW over memory, without torch. They are bound by memory, so each value is read
// and written once.
#pragma once

#include <cstdint>

namespace likeness::train::kernels {

/// What one update has in common for many values.
struct AdamWStep {
  float beta1, beta2, epsilon;
  float decay;           ///< 1 - learning rate x weight decay
  float rate;            ///< learning rate / (1 - beta1^t)
  float squareFactor;    ///< 1 / sqrt(1 - beta2^t)
  float gradientFactor;  ///< gradients are multiplied by it (clipping)
};

/// m += (1 - b1) (g - m), v = b2 v + (1 - b2) g^2, w = decay w - rate m / (sqrt(v) squareFactor +
/// epsilon); n values each.
void adamW(const AdamWStep& step,
           std::int64_t n,
           const float* gradient,
           float* mean,
           float* square,
           float* value);

/// Sum of squares of n values, in the same order whatever the thread; not finite when a value is
/// not.
double sumOfSquares(std::int64_t n, const float* values);

}  // namespace likeness::train::kernels
