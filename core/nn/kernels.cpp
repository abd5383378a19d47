// Written with the compiler's vector types (vectors.h), whose lanes run over channels or over a
// row's values, which lie side by side.
#include "core/nn/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/for_each_cpu.h"
#include "core/nn/vectors.h"

namespace likeness::nn::kernels {
namespace {

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
