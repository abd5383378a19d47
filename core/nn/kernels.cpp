// Written for the compiler's vectorizer: the inner loops run over channels, which lie side by side.
#include "core/nn/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

// Sanitizers cannot run the loader's choice between versions of a function.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LIKENESS_FOR_EACH_CPU \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LIKENESS_FOR_EACH_CPU
#endif
#define LIKENESS_INLINE [[gnu::always_inline]] inline
// The loop's iterations are independent: no checks for overlap of the many pointers, which would
// defeat vectorizing.
#if defined(__clang__)
#define LIKENESS_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define LIKENESS_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace likeness::nn::kernels {
namespace {

LIKENESS_INLINE float load(float x) { return x; }
LIKENESS_INLINE double load(double x) { return x; }
LIKENESS_INLINE float load(Bf16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}
LIKENESS_INLINE void store(float& to, float x) { to = x; }
LIKENESS_INLINE void store(double& to, double x) { to = x; }
/// Rounds to nearest even; NaN stays NaN.
LIKENESS_INLINE void store(Bf16& to, float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  to.bits = static_cast<std::uint16_t>(x == x ? rounded : 0x7FC0);
}

/// e^x to about 2 ulp: 2^n times a polynomial (Cephes). Vectorizes, which the library's does not.
LIKENESS_INLINE float exponential(float x) {
  x = std::min(std::max(x, -87.0F), 88.0F);
  const float shifted =
      x * 1.44269504F + 12582912.0F;  // 1.5 * 2^23: the sum's low bits are round(x / ln 2)
  const float n = shifted - 12582912.0F;
  const float r = x - n * 0.693359375F - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const std::int32_t exponent = std::bit_cast<std::int32_t>(shifted) - 0x4B400000;
  return p * std::bit_cast<float>((exponent + 127) << 23);
}
LIKENESS_INLINE double exponential(double x) { return std::exp(x); }

/// e^(-g^2 / 2) and Phi(g), the normal distribution: gelu(g) = g Phi(g), gelu'(g) = Phi(g) + g
/// e^(-g^2/2) / sqrt(2 pi). fp32 by Abramowitz and Stegun 7.1.26, whose error of 1.5e-7 is one
/// rounding.
LIKENESS_INLINE float normalDistribution(float g, float& bell) {
  bell = exponential(-0.5F * g * g);
  const float a = std::abs(g) * 0.70710678F;
  const float t = 1.0F / (1.0F + 0.3275911F * a);
  const float p = ((((1.061405429F * t - 1.453152027F) * t + 1.421413741F) * t - 0.284496736F) * t +
                   0.254829592F) *
                  t;
  const float tail = 0.5F * p * bell;
  return g < 0 ? tail : 1.0F - tail;
}
LIKENESS_INLINE double normalDistribution(double g, double& bell) {
  bell = std::exp(-0.5 * g * g);
  return 0.5 * std::erfc(-g * 0.70710678118654752);
}

/// Spreads group values over their channels: out[c] = values[group of c].
template <class Real>
LIKENESS_INLINE void spread(const GroupNormShape& s, const Real* values, Real* out) {
  LIKENESS_INDEPENDENT
  for (std::int64_t c = 0; c < s.count; ++c) out[c] = values[(s.first + c) / s.groupSize];
}

/// Sums channel values over their groups.
template <class Real>
LIKENESS_INLINE void gather(const GroupNormShape& s,
                            const Real* channels,
                            Real factor,
                            Real* groups) {
  for (std::int64_t c = 0; c < s.count; c += s.groupSize) {
    Real sum = 0;
    for (std::int64_t i = 0; i < s.groupSize; ++i) sum += channels[c + i];
    groups[(s.first + c) / s.groupSize] = sum * factor;
  }
}

template <class T, class Real>
LIKENESS_INLINE void groupNormForwardBody(const GroupNormShape& s,
                                          const T* x,
                                          const Real* weight,
                                          const Real* bias,
                                          T* y,
                                          Real* mean,
                                          Real* rstd) {
  const std::int64_t n = s.count, stride = s.channels, first = s.first;
  std::vector<Real> buffer(static_cast<std::size_t>(4 * n));
  Real *sum = buffer.data(), *center = sum + n, *scale = center + n, *shift = scale + n;
  const Real inverse = Real(1) / static_cast<Real>(s.pixels * s.groupSize);
  for (std::int64_t p = 0; p < s.pixels; ++p) {
    const T* row = x + p * stride + first;
    LIKENESS_INDEPENDENT
    for (std::int64_t c = 0; c < n; ++c) sum[c] += load(row[c]);
  }
  gather(s, sum, inverse, mean);
  spread(s, mean, center);
  std::fill(sum, sum + n, Real(0));
  for (std::int64_t p = 0; p < s.pixels; ++p) {
    const T* row = x + p * stride + first;
    LIKENESS_INDEPENDENT
    for (std::int64_t c = 0; c < n; ++c) {
      const Real d = load(row[c]) - center[c];
      sum[c] += d * d;
    }
  }
  gather(s, sum, inverse, rstd);
  for (std::int64_t g = first / s.groupSize; g < (first + n) / s.groupSize; ++g)
    rstd[g] = Real(1) / std::sqrt(rstd[g] + static_cast<Real>(s.eps));
  spread(s, rstd, scale);
  LIKENESS_INDEPENDENT
  for (std::int64_t c = 0; c < n; ++c) {
    scale[c] *= weight[first + c];
    shift[c] = bias[first + c] - center[c] * scale[c];
  }
  for (std::int64_t p = 0; p < s.pixels; ++p) {
    const T* row = x + p * stride + first;
    T* out = y + p * stride + first;
    if (s.silu) {
      LIKENESS_INDEPENDENT
      for (std::int64_t c = 0; c < n; ++c) {
        const Real z = load(row[c]) * scale[c] + shift[c];
        store(out[c], z / (Real(1) + exponential(-z)));
      }
    } else {
      LIKENESS_INDEPENDENT
      for (std::int64_t c = 0; c < n; ++c) store(out[c], load(row[c]) * scale[c] + shift[c]);
    }
  }
}

template <class T, class Real>
LIKENESS_INLINE void groupNormBackwardBody(const GroupNormShape& s,
                                           const T* dy,
                                           const T* x,
                                           const Real* weight,
                                           const Real* bias,
                                           const Real* mean,
                                           const Real* rstd,
                                           T* dx,
                                           Real* dWeight,
                                           Real* dBias) {
  const std::int64_t n = s.count, stride = s.channels, first = s.first;
  const std::int64_t groups = s.channels / s.groupSize;
  std::vector<Real> buffer(static_cast<std::size_t>(6 * n + 2 * groups + s.pixels * n));
  Real *center = buffer.data(), *inverse = center + n, *dz = inverse + n, *dzx = dz + n;
  Real *meanDz = dzx + n, *meanDzx = meanDz + n, *groupDz = meanDzx + n,
       *groupDzx = groupDz + groups;
  Real* kept = groupDzx + groups;  // gradient at the norm's output, [pixels, n]
  const Real *w = weight + first, *b = bias + first;
  spread(s, mean, center);
  spread(s, rstd, inverse);
  for (std::int64_t p = 0; p < s.pixels; ++p) {
    const T *row = x + p * stride + first, *gradient = dy + p * stride + first;
    Real* keep = kept + p * n;
    LIKENESS_INDEPENDENT
    for (std::int64_t c = 0; c < n; ++c) keep[c] = load(gradient[c]);
    if (s.silu) {
      LIKENESS_INDEPENDENT
      for (std::int64_t c = 0; c < n; ++c) {
        const Real z = (load(row[c]) - center[c]) * inverse[c] * w[c] + b[c];
        const Real sigmoid = Real(1) / (Real(1) + exponential(-z));
        keep[c] *= sigmoid * (Real(1) + z * (Real(1) - sigmoid));
      }
    }
    LIKENESS_INDEPENDENT
    for (std::int64_t c = 0; c < n; ++c) {
      const Real normed = (load(row[c]) - center[c]) * inverse[c], d = keep[c];
      dz[c] += d;
      dzx[c] += d * normed;
    }
  }
  LIKENESS_INDEPENDENT
  for (std::int64_t c = 0; c < n; ++c) {
    dBias[first + c] = dz[c];
    dWeight[first + c] = dzx[c];
    dz[c] *= w[c];
    dzx[c] *= w[c];
  }
  const Real share = Real(1) / static_cast<Real>(s.pixels * s.groupSize);
  gather(s, dz, share, groupDz);
  gather(s, dzx, share, groupDzx);
  spread(s, groupDz, meanDz);
  spread(s, groupDzx, meanDzx);
  for (std::int64_t p = 0; p < s.pixels; ++p) {
    const T* row = x + p * stride + first;
    const Real* keep = kept + p * n;
    T* out = dx + p * stride + first;
    LIKENESS_INDEPENDENT
    for (std::int64_t c = 0; c < n; ++c) {
      const Real normed = (load(row[c]) - center[c]) * inverse[c];
      store(out[c], (keep[c] * w[c] - meanDz[c] - normed * meanDzx[c]) * inverse[c]);
    }
  }
}

template <class T>
LIKENESS_INLINE void gegluForwardBody(std::int64_t rows, std::int64_t size, const T* x, T* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T *a = x + 2 * r * size, *gate = a + size;
    T* out = y + r * size;
    LIKENESS_INDEPENDENT
    for (std::int64_t c = 0; c < size; ++c) {
      auto g = load(gate[c]), bell = g;
      store(out[c], load(a[c]) * g * normalDistribution(g, bell));
    }
  }
}

template <class T>
LIKENESS_INLINE void gegluBackwardBody(
    std::int64_t rows, std::int64_t size, const T* dy, const T* x, T* dx) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T *a = x + 2 * r * size, *gate = a + size, *gradient = dy + r * size;
    T *da = dx + 2 * r * size, *dg = da + size;
    LIKENESS_INDEPENDENT
    for (std::int64_t c = 0; c < size; ++c) {
      const auto g = load(gate[c]), d = load(gradient[c]);
      auto bell = g;
      const auto phi = normalDistribution(g, bell);
      store(da[c], d * g * phi);
      store(dg[c], d * load(a[c]) * (phi + g * bell * decltype(bell)(0.3989422804014327)));
    }
  }
}

}  // namespace

LIKENESS_FOR_EACH_CPU void softmaxForward(
    std::int64_t rows, std::int64_t size, float scale, std::int64_t causalRows, Bf16* x) {
  std::vector<float> buffer(static_cast<std::size_t>(size));
  float* e = buffer.data();
  for (std::int64_t r = 0; r < rows; ++r) {
    Bf16* row = x + r * size;
    const std::int64_t n = causalRows > 0 ? std::min(size, r % causalRows + 1) : size;
    float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
    for (std::int64_t i = 0; i < n; ++i) top = std::max(top, e[i] = load(row[i]) * scale);
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) sum += e[i] = exponential(e[i] - top);
    const float factor = 1 / sum;
    for (std::int64_t i = 0; i < n; ++i) store(row[i], e[i] * factor);
    std::fill(row + n, row + size, Bf16{0});
  }
}

LIKENESS_FOR_EACH_CPU void softmaxBackward(
    std::int64_t rows, std::int64_t size, float scale, const Bf16* p, Bf16* dp) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const Bf16* probability = p + r * size;
    Bf16* gradient = dp + r * size;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < size; ++i) dot += load(probability[i]) * load(gradient[i]);
    LIKENESS_INDEPENDENT
    for (std::int64_t i = 0; i < size; ++i)
      store(gradient[i], load(probability[i]) * (load(gradient[i]) - dot) * scale);
  }
}

#define LIKENESS_KERNELS(T, Real)                                                  \
  template <>                                                                      \
  LIKENESS_FOR_EACH_CPU void groupNormForward<T, Real>(const GroupNormShape& s,    \
                                                       const T* x,                 \
                                                       const Real* weight,         \
                                                       const Real* bias,           \
                                                       T* y,                       \
                                                       Real* mean,                 \
                                                       Real* rstd) {               \
    groupNormForwardBody(s, x, weight, bias, y, mean, rstd);                       \
  }                                                                                \
  template <>                                                                      \
  LIKENESS_FOR_EACH_CPU void groupNormBackward<T, Real>(const GroupNormShape& s,   \
                                                        const T* dy,               \
                                                        const T* x,                \
                                                        const Real* weight,        \
                                                        const Real* bias,          \
                                                        const Real* mean,          \
                                                        const Real* rstd,          \
                                                        T* dx,                     \
                                                        Real* dWeight,             \
                                                        Real* dBias) {             \
    groupNormBackwardBody(s, dy, x, weight, bias, mean, rstd, dx, dWeight, dBias); \
  }                                                                                \
  template <>                                                                      \
  LIKENESS_FOR_EACH_CPU void gegluForward<T>(                                      \
      std::int64_t rows, std::int64_t size, const T* x, T* y) {                    \
    gegluForwardBody(rows, size, x, y);                                            \
  }                                                                                \
  template <>                                                                      \
  LIKENESS_FOR_EACH_CPU void gegluBackward<T>(                                     \
      std::int64_t rows, std::int64_t size, const T* dy, const T* x, T* dx) {      \
    gegluBackwardBody(rows, size, dy, x, dx);                                      \
  }

LIKENESS_KERNELS(float, float)
LIKENESS_KERNELS(double, double)
LIKENESS_KERNELS(Bf16, float)

}  // namespace likeness::nn::kernels
