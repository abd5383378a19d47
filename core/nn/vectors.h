// The compiler's vector types and what kernels.cpp computes with them. A vector here is 64 bytes:
// one register with AVX-512, two with AVX2, four without either. Only kernels.cpp includes this.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/nn/kernels.h"

// What the exported functions call becomes a part of them, compiled anew for each CPU;
// lambdas too.
#define LIKENESS_INLINE [[gnu::always_inline]] inline
#define LIKENESS_INLINE_LAMBDA __attribute__((always_inline))

namespace likeness::nn::kernels {

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

}  // namespace likeness::nn::kernels
