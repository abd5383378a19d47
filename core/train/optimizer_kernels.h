// The passes of the optimizers over memory, without torch. They are bound by memory, so each value
// is read and written once. Formulas stand in the optimizers' headers; n values each, `g`
// gradients, `w` weights, `factor` what gradients are multiplied by (clipping).
#pragma once

#include <array>
#include <cstdint>

namespace likeness::train::kernels {

/// What one update of AdamW has in common for many values.
struct AdamWStep {
  float beta1, beta2, epsilon;
  float decay;           ///< 1 - learning rate x weight decay
  float rate;            ///< learning rate / (1 - beta1^t)
  float squareFactor;    ///< 1 / sqrt(1 - beta2^t)
  float gradientFactor;  ///< gradients are multiplied by it (clipping)
};
AdamWStep adamWStep(double beta1,
                    double beta2,
                    double epsilon,
                    double weightDecay,
                    double rate,
                    std::int64_t number,
                    double gradientFactor);

/// m += (1 - b1) (g - m), v = b2 v + (1 - b2) g^2, w = decay w - rate m / (sqrt(v) squareFactor +
/// epsilon).
void adamW(const AdamWStep& step, std::int64_t n, const float* g, float* m, float* v, float* w);

/// Lion: w = decay w - rate sign(b1 m + (1 - b1) g), m = b2 m + (1 - b2) g.
struct LionStep {
  float beta1, beta2, decay, rate, factor;
};
void lion(const LionStep& step, std::int64_t n, const float* g, float* m, float* w);

/// Schedule-free AdamW; `squareFactor` as AdamW's, `c` and the `rate` of z as in schedule_free.h,
/// `yRate` = rate (b1 (1 - c) - 1).
struct ScheduleFreeStep {
  float beta2, epsilon, weightDecay, squareFactor, c, yRate, rate, factor;
};
void scheduleFree(
    const ScheduleFreeStep& step, std::int64_t n, const float* g, float* z, float* v, float* y);

/// Prodigy's moments and sums: m = b1 m + meanWeight g, v = b2 v + squareWeight g^2,
/// s = b3 s + sumWeight g.
struct ProdigyGathering {
  float beta1, beta2, beta3, meanWeight, squareWeight, sumWeight, factor;
};
struct ProdigySums {
  double dot = 0;       ///< of g (begin - w)
  double absolute = 0;  ///< of |s|
};
ProdigySums prodigyGather(const ProdigyGathering& step,
                          std::int64_t n,
                          const float* g,
                          const float* w,
                          const float* begin,
                          float* m,
                          float* v,
                          float* s);
/// w = decay w - rate m / (sqrt(v) + epsilon)
void prodigyApply(std::int64_t n,
                  float decay,
                  float rate,
                  float epsilon,
                  const float* m,
                  const float* v,
                  float* w);

/// Adafactor: adds (factor g)^2 to sums of columns and returns their sum.
double addSquares(std::int64_t n, float factor, const float* g, double* columns);
/// Sum of (factor g columns)^2.
double sumOfScaledSquares(std::int64_t n, float factor, const float* columns, const float* g);
/// w = decay w - rate g columns
void scaledByColumns(
    std::int64_t n, float decay, float rate, const float* g, const float* columns, float* w);
/// v = b v + (1 - b)((factor g)^2 + 1e-30); returns the sum of (factor g)^2 / v.
double squares(std::int64_t n, float b, float factor, const float* g, float* v);
/// w = decay w - rate g / sqrt(v)
void scaledByRoot(
    std::int64_t n, float decay, float rate, const float* g, const float* v, float* w);

/// The dynamic map of 8 bits of bitsandbytes (create_dynamic_map): 256 numbers of [-1, 1] or [0,
/// 1], ascending, fine near the ends of each power of ten; and the bounds between neighbours.
struct DynamicMap {
  std::array<float, 256> values;
  std::array<float, 255> bounds;
};
const DynamicMap& signedMap();
const DynamicMap& unsignedMap();

inline constexpr std::int64_t kQuantizedBlock = 256;
/// A block's largest magnitude is at least this.
inline constexpr float kSmallestLargest = 1e-38F;
/// Values in 8 bits, and the largest magnitude of each block.
struct Quantized {
  std::uint8_t* codes;
  float* largest;
};
/// AdamW with m by the signed map and v by the unsigned one; `n` ends with a block or the tensor.
void adamW8bit(
    const AdamWStep& step, std::int64_t n, const float* g, Quantized m, Quantized v, float* w);

/// Sum of squares, in the same order whatever the thread; not finite when a value is not.
double sumOfSquares(std::int64_t n, const float* values);

/// average += weight (value - average)
void average(std::int64_t n, float weight, const float* value, float* average);

void toFloat(std::int64_t n, const std::uint16_t* bf16, float* out);
/// fp32 to bf16: up with the probability of what is cut off, so that the mean is the value; 16 bits
/// of `random` for each, low half first.
void roundAtRandom(std::int64_t n,
                   const float* values,
                   const std::uint32_t* random,
                   std::uint16_t* bf16);

}  // namespace likeness::train::kernels
