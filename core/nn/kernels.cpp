// Written with the compiler's vector types, whose lanes run over channels or over a row's values,
// which lie side by side. A vector here is 64 bytes: one register with AVX-512, two with AVX2, four
// without either.
#include "core/nn/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/for_each_cpu.h"

// Everything below the exported functions becomes a part of them, compiled anew for each CPU;
// lambdas too.
#define LIKENESS_INLINE [[gnu::always_inline]] inline
#define LIKENESS_INLINE_LAMBDA __attribute__((always_inline))

namespace likeness::nn::kernels {
namespace {

template <class Real>
struct Vector;
template <>
struct Vector<float> {
  typedef float Lanes __attribute__((vector_size(64)));
  typedef std::int32_t Integers __attribute__((vector_size(64)));
};
template <>
struct Vector<double> {
  typedef double Lanes __attribute__((vector_size(64)));
  typedef std::int64_t Integers __attribute__((vector_size(64)));
};
template <class Real>
using Lanes = typename Vector<Real>::Lanes;
template <class Real>
constexpr std::int64_t kLanes = 64 / static_cast<std::int64_t>(sizeof(Real));

typedef std::uint16_t Halves __attribute__((vector_size(32)));
typedef std::uint32_t Words __attribute__((vector_size(64)));

// Vectors go by reference: as values they would have an ABI that depends on the CPU.
template <class To, class From>
LIKENESS_INLINE void bitCast(To& to, const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  std::memcpy(&to, &from, sizeof to);
}

/// How the values after the last whole vector are met: by one vector that is partly empty, or by
/// one that goes over some values a second time. That is faster, where it changes nothing.
enum class Tail { Partial, Overlap };

/// Calls body(first, count) for the vectors of a row.
template <class Real, Tail tail = Tail::Partial, class Body>
LIKENESS_INLINE void forEachVector(std::int64_t size, const Body& body) {
  constexpr std::int64_t lanes = kLanes<Real>;
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) body(i, lanes);
  if (i == size) return;
  if (tail == Tail::Overlap && size >= lanes)
    body(size - lanes, lanes);
  else
    body(i, size - i);
}

/// Copies less than a vector: at most one move of each power of two, where memcpy would be a call.
LIKENESS_INLINE void copyFew(void* to, const void* from, std::int64_t bytes) {
  const auto move =
      [&]<std::int64_t size>(std::integral_constant<std::int64_t, size>) LIKENESS_INLINE_LAMBDA {
        const std::int64_t at = bytes & (64 - 2 * size);  // after the larger ones
        if (bytes & size)
          std::memcpy(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, size);
      };
  move(std::integral_constant<std::int64_t, 32>());
  move(std::integral_constant<std::int64_t, 16>());
  move(std::integral_constant<std::int64_t, 8>());
  move(std::integral_constant<std::int64_t, 4>());
  move(std::integral_constant<std::int64_t, 2>());
}

/// The first `count` lanes from memory, the others 0.
template <class Real>
LIKENESS_INLINE void load(Lanes<Real>& to, const Real* from, std::int64_t count) {
  if (count == kLanes<Real>) {
    std::memcpy(&to, from, sizeof to);
  } else {
    to = Lanes<Real>{};
    copyFew(&to, from, count * static_cast<std::int64_t>(sizeof(Real)));
  }
}
template <class Real>
LIKENESS_INLINE void load(Lanes<Real>& to, const Bf16* from, std::int64_t count) {
  Halves bits{};
  if (count == kLanes<Real>)
    std::memcpy(&bits, from, sizeof bits);
  else
    copyFew(&bits, from, 2 * count);
  bitCast(to, __builtin_convertvector(bits, Words) << 16);
}
template <class Real>
LIKENESS_INLINE void store(Real* to, const Lanes<Real>& from, std::int64_t count) {
  if (count == kLanes<Real>)
    std::memcpy(to, &from, sizeof from);
  else
    copyFew(to, &from, count * static_cast<std::int64_t>(sizeof(Real)));
}
/// Rounds to nearest even; NaN stays NaN.
template <class Real>
LIKENESS_INLINE void store(Bf16* to, const Lanes<Real>& from, std::int64_t count) {
  Words bits;
  bitCast(bits, from);
  const Words rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  const Halves halves = __builtin_convertvector(from == from ? rounded : Words{} + 0x7FC0, Halves);
  if (count == kLanes<Real>)
    std::memcpy(to, &halves, sizeof halves);
  else
    copyFew(to, &halves, 2 * count);
}

LIKENESS_INLINE void toLarger(Lanes<float>& a, const Lanes<float>& b) { a = b > a ? b : a; }
LIKENESS_INLINE void toSum(Lanes<float>& a, const Lanes<float>& b) { a += b; }
/// All lanes into one, in halves: combine(a, b) leaves its result in a.
template <class Combine>
LIKENESS_INLINE float reduce(Lanes<float>& v, const Combine& combine) {
  combine(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  combine(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3));
  combine(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1));
  combine(v, __builtin_shufflevector(v, v, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0));
  return v[0];
}

/// e^x to about 2 ulp: 2^n times a polynomial (Cephes). NaN stays NaN.
LIKENESS_INLINE void exponential(Lanes<float>& x) {
  x = x < -87.0F ? Lanes<float>{} - 87.0F : x;
  x = x > 88.0F ? Lanes<float>{} + 88.0F : x;
  const Lanes<float> shifted =
      x * 1.44269504F + 12582912.0F;  // 1.5 * 2^23: the sum's low bits are round(x / ln 2)
  const Lanes<float> n = shifted - 12582912.0F;
  const Lanes<float> r = x - n * 0.693359375F - n * -2.12194440e-4F;
  Lanes<float> p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  Vector<float>::Integers exponent;
  bitCast(exponent, shifted);
  exponent = (exponent - 0x4B400000 + 127) << 23;
  bitCast(x, exponent);
  x *= p;
}
LIKENESS_INLINE void exponential(Lanes<double>& x) {
  for (std::int64_t i = 0; i < kLanes<double>; ++i) x[i] = std::exp(x[i]);
}

/// phi = Phi(g), the normal distribution, and bell = e^(-g^2 / 2): gelu(g) = g Phi(g), gelu'(g) =
/// Phi(g) + g e^(-g^2/2) / sqrt(2 pi). fp32 by Abramowitz and Stegun 7.1.26, whose error of 1.5e-7
/// is one rounding.
LIKENESS_INLINE void normalDistribution(const Lanes<float>& g,
                                        Lanes<float>& phi,
                                        Lanes<float>& bell) {
  bell = g * g * -0.5F;
  exponential(bell);
  const Lanes<float> a = (g < 0.0F ? -g : g) * 0.70710678F;
  const Lanes<float> t = 1.0F / (a * 0.3275911F + 1.0F);
  const Lanes<float> p =
      ((((t * 1.061405429F - 1.453152027F) * t + 1.421413741F) * t - 0.284496736F) * t +
       0.254829592F) *
      t;
  const Lanes<float> tail = p * bell * 0.5F;
  phi = g < 0.0F ? tail : 1.0F - tail;
}
LIKENESS_INLINE void normalDistribution(const Lanes<double>& g,
                                        Lanes<double>& phi,
                                        Lanes<double>& bell) {
  for (std::int64_t i = 0; i < kLanes<double>; ++i) {
    bell[i] = std::exp(-0.5 * g[i] * g[i]);
    phi[i] = 0.5 * std::erfc(-g[i] * 0.70710678118654752);
  }
}

// ---- group norm

/// Spreads group values over their channels: out[c] = values[group of c].
template <class Real>
LIKENESS_INLINE void spread(const GroupNormShape& s, const Real* values, Real* out) {
  for (std::int64_t c = 0; c < s.count; c += s.groupSize)
    std::fill_n(out + c, s.groupSize, values[(s.first + c) / s.groupSize]);
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
  using V = Lanes<Real>;
  const std::int64_t n = s.count, stride = s.channels, first = s.first;
  std::vector<Real> buffer(static_cast<std::size_t>(4 * n));
  Real *sum = buffer.data(), *center = sum + n, *scale = center + n, *shift = scale + n;
  const Real inverse = Real(1) / static_cast<Real>(s.pixels * s.groupSize);
  forEachVector<Real, Tail::Overlap>(
      n, [&](std::int64_t c, std::int64_t count) LIKENESS_INLINE_LAMBDA {
        V total{}, value;
        for (std::int64_t p = 0; p < s.pixels; ++p) {
          load<Real>(value, x + p * stride + first + c, count);
          total += value;
        }
        store<Real>(sum + c, total, count);
      });
  gather(s, sum, inverse, mean);
  spread(s, mean, center);
  forEachVector<Real, Tail::Overlap>(
      n, [&](std::int64_t c, std::int64_t count) LIKENESS_INLINE_LAMBDA {
        V total{}, value, middle;
        load<Real>(middle, center + c, count);
        for (std::int64_t p = 0; p < s.pixels; ++p) {
          load<Real>(value, x + p * stride + first + c, count);
          value -= middle;
          total += value * value;
        }
        store<Real>(sum + c, total, count);
      });
  gather(s, sum, inverse, rstd);
  for (std::int64_t g = first / s.groupSize; g < (first + n) / s.groupSize; ++g)
    rstd[g] = Real(1) / std::sqrt(rstd[g] + static_cast<Real>(s.eps));
  spread(s, rstd, scale);
  for (std::int64_t c = 0; c < n; ++c) {
    scale[c] *= weight[first + c];
    shift[c] = bias[first + c] - center[c] * scale[c];
  }
  for (std::int64_t p = 0; p < s.pixels; ++p)
    forEachVector<Real, Tail::Overlap>(
        n, [&](std::int64_t c, std::int64_t count) LIKENESS_INLINE_LAMBDA {
          const std::int64_t at = p * stride + first + c;
          V z, factor, offset;
          load<Real>(z, x + at, count);
          load<Real>(factor, scale + c, count);
          load<Real>(offset, shift + c, count);
          z = z * factor + offset;
          if (s.silu) {
            V e = -z;
            exponential(e);
            z /= e + Real(1);
          }
          store<Real>(y + at, z, count);
        });
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
  using V = Lanes<Real>;
  const std::int64_t n = s.count, stride = s.channels, first = s.first;
  const std::int64_t groups = s.channels / s.groupSize;
  std::vector<Real> buffer(static_cast<std::size_t>(6 * n + 2 * groups + s.pixels * n));
  Real *center = buffer.data(), *inverse = center + n, *dz = inverse + n, *dzx = dz + n;
  Real *meanDz = dzx + n, *meanDzx = meanDz + n, *groupDz = meanDzx + n,
       *groupDzx = groupDz + groups;
  Real* kept = groupDzx + groups;  // gradient at the norm's output, [pixels, n]
  spread(s, mean, center);
  spread(s, rstd, inverse);
  forEachVector<Real, Tail::Overlap>(
      n, [&](std::int64_t c, std::int64_t count) LIKENESS_INLINE_LAMBDA {
        V middle, factor, w, b, sum{}, sumNormed{};
        load<Real>(middle, center + c, count);
        load<Real>(factor, inverse + c, count);
        load<Real>(w, weight + first + c, count);
        load<Real>(b, bias + first + c, count);
        for (std::int64_t p = 0; p < s.pixels; ++p) {
          V normed, gradient;
          load<Real>(normed, x + p * stride + first + c, count);
          load<Real>(gradient, dy + p * stride + first + c, count);
          normed = (normed - middle) * factor;
          if (s.silu) {
            const V z = normed * w + b;
            V e = -z;
            exponential(e);
            const V sigmoid = Real(1) / (e + Real(1));
            gradient *= sigmoid * (z * (Real(1) - sigmoid) + Real(1));
          }
          store<Real>(kept + p * n + c, gradient, count);
          sum += gradient;
          sumNormed += gradient * normed;
        }
        store<Real>(dBias + first + c, sum, count);
        store<Real>(dWeight + first + c, sumNormed, count);
        store<Real>(dz + c, sum * w, count);
        store<Real>(dzx + c, sumNormed * w, count);
      });
  const Real share = Real(1) / static_cast<Real>(s.pixels * s.groupSize);
  gather(s, dz, share, groupDz);
  gather(s, dzx, share, groupDzx);
  spread(s, groupDz, meanDz);
  spread(s, groupDzx, meanDzx);
  forEachVector<Real, Tail::Overlap>(
      n, [&](std::int64_t c, std::int64_t count) LIKENESS_INLINE_LAMBDA {
        V middle, factor, w, level, slope;
        load<Real>(middle, center + c, count);
        load<Real>(factor, inverse + c, count);
        load<Real>(w, weight + first + c, count);
        load<Real>(level, meanDz + c, count);
        load<Real>(slope, meanDzx + c, count);
        for (std::int64_t p = 0; p < s.pixels; ++p) {
          V normed, gradient;
          load<Real>(normed, x + p * stride + first + c, count);
          load<Real>(gradient, kept + p * n + c, count);
          normed = (normed - middle) * factor;
          store<Real>(
              dx + p * stride + first + c, (gradient * w - level - normed * slope) * factor, count);
        }
      });
}

// ---- GEGLU

template <class T>
using RealOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T, class Real = RealOf<T>>
LIKENESS_INLINE void gegluForwardBody(std::int64_t rows, std::int64_t size, const T* x, T* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T *a = x + 2 * r * size, *gate = a + size;
    forEachVector<Real, Tail::Overlap>(
        size, [&](std::int64_t c, std::int64_t count) LIKENESS_INLINE_LAMBDA {
          Lanes<Real> value, g, phi, bell;
          load<Real>(value, a + c, count);
          load<Real>(g, gate + c, count);
          normalDistribution(g, phi, bell);
          store<Real>(y + r * size + c, value * g * phi, count);
        });
  }
}

template <class T, class Real = RealOf<T>>
LIKENESS_INLINE void gegluBackwardBody(
    std::int64_t rows, std::int64_t size, const T* dy, const T* x, T* dx) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T *a = x + 2 * r * size, *gate = a + size;
    T *da = dx + 2 * r * size, *dg = da + size;
    forEachVector<Real, Tail::Overlap>(
        size, [&](std::int64_t c, std::int64_t count) LIKENESS_INLINE_LAMBDA {
          Lanes<Real> value, g, d, phi, bell;
          load<Real>(value, a + c, count);
          load<Real>(g, gate + c, count);
          load<Real>(d, dy + r * size + c, count);
          normalDistribution(g, phi, bell);
          store<Real>(da + c, d * g * phi, count);
          store<Real>(dg + c, d * value * (phi + g * bell * Real(0.3989422804014327)), count);
        });
  }
}

// ---- softmax

LIKENESS_INLINE void softmaxForwardBody(
    std::int64_t rows, std::int64_t size, float scale, std::int64_t causalRows, Bf16* x) {
  using V = Lanes<float>;
  constexpr std::int64_t lanes = kLanes<float>;
  std::vector<float> buffer(
      static_cast<std::size_t>(size + lanes));  // whole vectors, also the last
  float* e = buffer.data();
  for (std::int64_t r = 0; r < rows; ++r) {
    Bf16* row = x + r * size;
    const std::int64_t n = causalRows > 0 ? std::min(size, r % causalRows + 1) : size;
    V top = V{} - INFINITY, total{}, value;
    forEachVector<float>(n, [&](std::int64_t i, std::int64_t count) LIKENESS_INLINE_LAMBDA {
      load<float>(value, row + i, count);
      value *= scale;
      for (std::int64_t l = count; l < lanes; ++l) value[l] = -INFINITY;
      store<float>(e + i, value, lanes);
      toLarger(top, value);
    });
    const float highest = reduce(top, toLarger);
    forEachVector<float>(n, [&](std::int64_t i, std::int64_t count) LIKENESS_INLINE_LAMBDA {
      load<float>(value, e + i, lanes);
      value -= highest;
      exponential(value);
      // The smallest exponential, which stands beyond the row's end, is not nothing.
      for (std::int64_t l = count; l < lanes; ++l) value[l] = 0;
      store<float>(e + i, value, lanes);
      total += value;
    });
    const float factor = 1 / reduce(total, toSum);
    forEachVector<float>(n, [&](std::int64_t i, std::int64_t count) LIKENESS_INLINE_LAMBDA {
      load<float>(value, e + i, lanes);
      store<float>(row + i, value * factor, count);
    });
    std::fill(row + n, row + size, Bf16{0});
  }
}

LIKENESS_INLINE void softmaxBackwardBody(
    std::int64_t rows, std::int64_t size, float scale, const Bf16* p, Bf16* dp) {
  using V = Lanes<float>;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Bf16* probability = p + r * size;
    Bf16* gradient = dp + r * size;
    V dots{};
    forEachVector<float>(size, [&](std::int64_t i, std::int64_t count) LIKENESS_INLINE_LAMBDA {
      V a, b;
      load<float>(a, probability + i, count);
      load<float>(b, gradient + i, count);
      dots += a * b;
    });
    const float dot = reduce(dots, toSum);
    forEachVector<float>(size, [&](std::int64_t i, std::int64_t count) LIKENESS_INLINE_LAMBDA {
      V a, b;
      load<float>(a, probability + i, count);
      load<float>(b, gradient + i, count);
      store<float>(gradient + i, a * (b - dot) * scale, count);
    });
  }
}

// ---- windows

template <class T>
LIKENESS_INLINE void windowsForwardBody(
    const WindowShape& s, std::int64_t first, std::int64_t last, const T* x, T* rows) {
  const auto bytes = [](std::int64_t values) {
    return static_cast<std::size_t>(values) * sizeof(T);
  };
  for (std::int64_t row = first; row < last; ++row) {
    const std::int64_t outY = row / s.outWidth;  // counted through all pictures
    const T* picture = x + outY / s.outHeight * s.height * s.width * s.channels;
    const std::int64_t top = outY % s.outHeight * s.stride - s.padding;
    const std::int64_t left = row % s.outWidth * s.stride - s.padding;
    // One line of a window lies side by side in the picture; only its ends may be outside.
    const std::int64_t before = std::clamp<std::int64_t>(-left, 0, s.kernel);
    const std::int64_t after =
        std::clamp<std::int64_t>(left + s.kernel - s.width, 0, s.kernel - before);
    const std::int64_t inside = s.kernel - before - after;
    T* to = rows + row * s.kernel * s.kernel * s.channels;
    for (std::int64_t y = top; y < top + s.kernel; ++y, to += s.kernel * s.channels) {
      if (y < 0 || y >= s.height || inside == 0) {
        std::memset(to, 0, bytes(s.kernel * s.channels));
        continue;
      }
      std::memset(to, 0, bytes(before * s.channels));
      std::memcpy(to + before * s.channels,
                  picture + (y * s.width + left + before) * s.channels,
                  bytes(inside * s.channels));
      std::memset(to + (before + inside) * s.channels, 0, bytes(after * s.channels));
    }
  }
}

template <class T, class Real = RealOf<T>>
LIKENESS_INLINE void windowsBackwardBody(
    const WindowShape& s, std::int64_t first, std::int64_t last, const T* rows, T* dx) {
  const std::int64_t window = s.kernel * s.kernel * s.channels;
  std::vector<const T*> places(static_cast<std::size_t>(s.kernel * s.kernel));
  for (std::int64_t pixel = first; pixel < last; ++pixel) {
    const std::int64_t x = pixel % s.width, y = pixel / s.width % s.height;
    const T* picture = rows + pixel / (s.width * s.height) * s.outHeight * s.outWidth * window;
    std::size_t count = 0;
    for (std::int64_t ky = 0; ky < s.kernel; ++ky) {
      const std::int64_t top = y + s.padding - ky, outY = top / s.stride;
      if (top < 0 || top % s.stride || outY >= s.outHeight) continue;
      for (std::int64_t kx = 0; kx < s.kernel; ++kx) {
        const std::int64_t left = x + s.padding - kx, outX = left / s.stride;
        if (left < 0 || left % s.stride || outX >= s.outWidth) continue;
        places[count++] =
            picture + (outY * s.outWidth + outX) * window + (ky * s.kernel + kx) * s.channels;
      }
    }
    forEachVector<Real, Tail::Overlap>(
        s.channels, [&](std::int64_t c, std::int64_t lanes) LIKENESS_INLINE_LAMBDA {
          Lanes<Real> sum{}, value;
          for (std::size_t i = 0; i < count; ++i) {
            load<Real>(value, places[i] + c, lanes);
            sum += value;
          }
          store<Real>(dx + pixel * s.channels + c, sum, lanes);
        });
  }
}

}  // namespace

LIKENESS_FOR_EACH_CPU void softmaxForward(
    std::int64_t rows, std::int64_t size, float scale, std::int64_t causalRows, Bf16* x) {
  softmaxForwardBody(rows, size, scale, causalRows, x);
}

LIKENESS_FOR_EACH_CPU void softmaxBackward(
    std::int64_t rows, std::int64_t size, float scale, const Bf16* p, Bf16* dp) {
  softmaxBackwardBody(rows, size, scale, p, dp);
}

#define LIKENESS_KERNELS(T, Real)                                                          \
  template <>                                                                              \
  LIKENESS_FOR_EACH_CPU void groupNormForward<T, Real>(const GroupNormShape& s,            \
                                                       const T* x,                         \
                                                       const Real* weight,                 \
                                                       const Real* bias,                   \
                                                       T* y,                               \
                                                       Real* mean,                         \
                                                       Real* rstd) {                       \
    groupNormForwardBody(s, x, weight, bias, y, mean, rstd);                               \
  }                                                                                        \
  template <>                                                                              \
  LIKENESS_FOR_EACH_CPU void groupNormBackward<T, Real>(const GroupNormShape& s,           \
                                                        const T* dy,                       \
                                                        const T* x,                        \
                                                        const Real* weight,                \
                                                        const Real* bias,                  \
                                                        const Real* mean,                  \
                                                        const Real* rstd,                  \
                                                        T* dx,                             \
                                                        Real* dWeight,                     \
                                                        Real* dBias) {                     \
    groupNormBackwardBody(s, dy, x, weight, bias, mean, rstd, dx, dWeight, dBias);         \
  }                                                                                        \
  template <>                                                                              \
  LIKENESS_FOR_EACH_CPU void gegluForward<T>(                                              \
      std::int64_t rows, std::int64_t size, const T* x, T* y) {                            \
    gegluForwardBody<T>(rows, size, x, y);                                                 \
  }                                                                                        \
  template <>                                                                              \
  LIKENESS_FOR_EACH_CPU void gegluBackward<T>(                                             \
      std::int64_t rows, std::int64_t size, const T* dy, const T* x, T* dx) {              \
    gegluBackwardBody<T>(rows, size, dy, x, dx);                                           \
  }                                                                                        \
  template <>                                                                              \
  LIKENESS_FOR_EACH_CPU void windowsForward<T>(                                            \
      const WindowShape& s, std::int64_t first, std::int64_t last, const T* x, T* rows) {  \
    windowsForwardBody<T>(s, first, last, x, rows);                                        \
  }                                                                                        \
  template <>                                                                              \
  LIKENESS_FOR_EACH_CPU void windowsBackward<T>(                                           \
      const WindowShape& s, std::int64_t first, std::int64_t last, const T* rows, T* dx) { \
    windowsBackwardBody<T>(s, first, last, rows, dx);                                      \
  }

LIKENESS_KERNELS(float, float)
LIKENESS_KERNELS(double, double)
LIKENESS_KERNELS(Bf16, float)

}  // namespace likeness::nn::kernels
