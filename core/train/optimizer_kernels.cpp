#include "core/train/optimizer_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/for_each_cpu.h"

namespace likeness::train::kernels {

// Every step is copied: in registers, since a store to `w` might else have changed it.

AdamWStep adamWStep(double beta1,
                    double beta2,
                    double epsilon,
                    double weightDecay,
                    double rate,
                    std::int64_t number,
                    double gradientFactor) {
  const double t = static_cast<double>(number);
  return {static_cast<float>(beta1),
          static_cast<float>(beta2),
          static_cast<float>(epsilon),
          static_cast<float>(1 - rate * weightDecay),
          static_cast<float>(rate / (1 - std::pow(beta1, t))),
          static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, t))),
          static_cast<float>(gradientFactor)};
}

LIKENESS_FOR_EACH_CPU void adamW(
    const AdamWStep& step, std::int64_t n, const float* g, float* m, float* v, float* w) {
  const AdamWStep s = step;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * s.gradientFactor;
    const float mean = m[i] + (1 - s.beta1) * (gradient - m[i]);
    const float square = s.beta2 * v[i] + (1 - s.beta2) * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    w[i] = w[i] * s.decay - s.rate * mean / (std::sqrt(square) * s.squareFactor + s.epsilon);
  }
}

LIKENESS_FOR_EACH_CPU void lion(
    const LionStep& step, std::int64_t n, const float* g, float* m, float* w) {
  const LionStep s = step;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * s.factor;
    const float mixed = s.beta1 * m[i] + (1 - s.beta1) * gradient;
    const float sign = static_cast<float>(mixed > 0) - static_cast<float>(mixed < 0);
    w[i] = w[i] * s.decay - s.rate * sign;
    m[i] = s.beta2 * m[i] + (1 - s.beta2) * gradient;
  }
}

LIKENESS_FOR_EACH_CPU void scheduleFree(
    const ScheduleFreeStep& step, std::int64_t n, const float* g, float* z, float* v, float* y) {
  const ScheduleFreeStep s = step;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * s.factor;
    const float square = s.beta2 * v[i] + (1 - s.beta2) * gradient * gradient;
    const float change =
        gradient / (std::sqrt(square) * s.squareFactor + s.epsilon) + s.weightDecay * y[i];
    v[i] = square;
    y[i] = (1 - s.c) * y[i] + s.c * z[i] + s.yRate * change;
    z[i] -= s.rate * change;
  }
}

LIKENESS_FOR_EACH_CPU ProdigySums prodigyGather(const ProdigyGathering& step,
                                                std::int64_t n,
                                                const float* g,
                                                const float* w,
                                                const float* begin,
                                                float* m,
                                                float* v,
                                                float* s) {
  const ProdigyGathering p = step;
  double dot = 0, absolute = 0;
#pragma omp simd reduction(+ : dot, absolute)
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * p.factor;
    m[i] = p.beta1 * m[i] + p.meanWeight * gradient;
    v[i] = p.beta2 * v[i] + p.squareWeight * gradient * gradient;
    s[i] = p.beta3 * s[i] + p.sumWeight * gradient;
    dot += static_cast<double>(gradient) * static_cast<double>(begin[i] - w[i]);
    absolute += static_cast<double>(std::fabs(s[i]));
  }
  return {dot, absolute};
}

LIKENESS_FOR_EACH_CPU void prodigyApply(std::int64_t n,
                                        float decay,
                                        float rate,
                                        float epsilon,
                                        const float* m,
                                        const float* v,
                                        float* w) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i)
    w[i] = w[i] * decay - rate * m[i] / (std::sqrt(v[i]) + epsilon);
}

// ---- Adafactor

LIKENESS_FOR_EACH_CPU double addSquares(std::int64_t n,
                                        float factor,
                                        const float* g,
                                        double* columns) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    const double gradient = static_cast<double>(g[i] * factor), square = gradient * gradient;
    columns[i] += square;
    sum += square;
  }
  return sum;
}

LIKENESS_FOR_EACH_CPU double sumOfScaledSquares(std::int64_t n,
                                                float factor,
                                                const float* columns,
                                                const float* g) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    const auto change = static_cast<double>(g[i] * factor * columns[i]);
    sum += change * change;
  }
  return sum;
}

LIKENESS_FOR_EACH_CPU void scaledByColumns(
    std::int64_t n, float decay, float rate, const float* g, const float* columns, float* w) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) w[i] = w[i] * decay - rate * g[i] * columns[i];
}

LIKENESS_FOR_EACH_CPU double squares(
    std::int64_t n, float b, float factor, const float* g, float* v) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * factor, square = gradient * gradient;
    const float mean = b * v[i] + (1 - b) * (square + 1e-30F);
    v[i] = mean;
    sum += static_cast<double>(square / mean);
  }
  return sum;
}

LIKENESS_FOR_EACH_CPU void scaledByRoot(
    std::int64_t n, float decay, float rate, const float* g, const float* v, float* w) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) w[i] = w[i] * decay - rate * g[i] / std::sqrt(v[i]);
}

// ---- 8 bits

namespace {

/// bitsandbytes.functional.create_dynamic_map(isSigned), with its steps in fp32.
DynamicMap makeMap(bool isSigned) {
  std::vector<float> values{0, 1};
  for (int exponent = 0; exponent < 7; ++exponent) {
    const int items = 1 << (isSigned ? exponent : exponent + 1);
    const auto scale = static_cast<float>(std::pow(10.0, exponent - 6));
    const auto border = [&](int i) {
      // As torch.linspace, which counts from either end.
      const float step = (1.0F - 0.1F) / static_cast<float>(items);
      return i < (items + 1) / 2 ? std::fma(step, static_cast<float>(i), 0.1F)
                                 : std::fma(-step, static_cast<float>(items - i), 1.0F);
    };
    for (int i = 0; i < items; ++i) {
      const float middle = (border(i) + border(i + 1)) / 2;
      values.push_back(scale * middle);
      if (isSigned) values.push_back(-values.back());
    }
  }
  std::ranges::sort(values);
  DynamicMap map;
  std::ranges::copy(values, map.values.begin());
  for (std::size_t i = 0; i < map.bounds.size(); ++i)
    map.bounds[i] = (map.values[i] + map.values[i + 1]) / 2;
  return map;
}

/// The code of a value at once: numbers that share sign, exponent and 7 bits of the fraction have
/// at most one bound between them. Smaller ones than 2^-24 are as good as 0.
struct Coder {
  static constexpr std::uint32_t kLowest = 0x3380, kHighest = 0x3F80;  // upper halves: 2^-24, 1
  static constexpr std::uint32_t kCount = kHighest - kLowest + 1;
  std::array<float, 256> values;
  std::array<float, 256> bounds;               // the last is never reached
  std::array<std::int32_t, 2 * kCount> first;  // bounds below all numbers of a class

  explicit Coder(const DynamicMap& map) : values(map.values) {
    std::ranges::copy(map.bounds, bounds.begin());
    bounds[255] = std::numeric_limits<float>::infinity();
    for (std::uint32_t i = 0; i < kCount; ++i) {
      const float low = i == 0 ? 0 : std::bit_cast<float>((kLowest + i) << 16);
      const float high = std::bit_cast<float>((kLowest + i) << 16 | 0xffff);
      const auto below = [&](float x) {
        return static_cast<std::int32_t>(std::ranges::lower_bound(map.bounds, x) -
                                         map.bounds.begin());
      };
      first[i] = below(low);
      first[kCount + i] = below(-high);
    }
  }
};

inline std::uint8_t codeOf(const Coder& coder, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = std::max(bits >> 16 & 0x7fff, Coder::kLowest) - Coder::kLowest;
  const std::int32_t first = coder.first[magnitude + (bits >> 31) * Coder::kCount];
  return static_cast<std::uint8_t>(
      first + static_cast<std::int32_t>(value > coder.bounds[static_cast<std::uint32_t>(first)]));
}

}  // namespace

const DynamicMap& signedMap() {
  static const DynamicMap map = makeMap(true);
  return map;
}
const DynamicMap& unsignedMap() {
  static const DynamicMap map = makeMap(false);
  return map;
}

namespace {

const Coder& signedCoder() {
  static const Coder coder(signedMap());
  return coder;
}
const Coder& unsignedCoder() {
  static const Coder coder(unsignedMap());
  return coder;
}

}  // namespace

LIKENESS_FOR_EACH_CPU void adamW8bit(
    const AdamWStep& step, std::int64_t n, const float* g, Quantized m, Quantized v, float* w) {
  const AdamWStep s = step;
  const Coder &means = signedCoder(), &squares = unsignedCoder();
  for (std::int64_t begin = 0, block = 0; begin < n; begin += kQuantizedBlock, ++block) {
    const std::int64_t size = std::min(kQuantizedBlock, n - begin);
    std::uint8_t *const mCodes = m.codes + begin, *const vCodes = v.codes + begin;
    const float mScale = m.largest[block], vScale = v.largest[block];
    float mean[kQuantizedBlock], square[kQuantizedBlock];
    float mLargest = kSmallestLargest, vLargest = kSmallestLargest;
#pragma omp simd reduction(max : mLargest, vLargest)
    for (std::int64_t i = 0; i < size; ++i) {
      const float gradient = g[begin + i] * s.gradientFactor;
      const float before = means.values[mCodes[i]] * mScale;
      mean[i] = before + (1 - s.beta1) * (gradient - before);
      square[i] =
          s.beta2 * (squares.values[vCodes[i]] * vScale) + (1 - s.beta2) * gradient * gradient;
      w[begin + i] = w[begin + i] * s.decay -
                     s.rate * mean[i] / (std::sqrt(square[i]) * s.squareFactor + s.epsilon);
      mLargest = std::max(mLargest, std::fabs(mean[i]));
      vLargest = std::max(vLargest, square[i]);
    }
    m.largest[block] = mLargest;
    v.largest[block] = vLargest;
    const float mInverse = 1 / mLargest, vInverse = 1 / vLargest;
#pragma omp simd
    for (std::int64_t i = 0; i < size; ++i) {
      mCodes[i] = codeOf(means, mean[i] * mInverse);
      vCodes[i] = codeOf(squares, square[i] * vInverse);
    }
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

LIKENESS_FOR_EACH_CPU void average(std::int64_t n,
                                   float weight,
                                   const float* value,
                                   float* average) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) average[i] += weight * (value[i] - average[i]);
}

LIKENESS_FOR_EACH_CPU void toFloat(std::int64_t n, const std::uint16_t* bf16, float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i)
    out[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bf16[i]) << 16);
}

LIKENESS_FOR_EACH_CPU void roundAtRandom(std::int64_t n,
                                         const float* values,
                                         const std::uint32_t* random,
                                         std::uint16_t* bf16) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t drawn = random[i / 2] >> (i % 2 * 16) & 0xffff;
    bf16[i] = static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(values[i]) + drawn) >> 16);
  }
}

}  // namespace likeness::train::kernels
