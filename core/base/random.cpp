// Philox4x32-10 streams, and normal values by Box-Muller with own polynomials (same bits
// everywhere).
#include "core/base/random.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "core/base/for_each_cpu.h"

namespace likeness::base {
namespace {

using Words = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

constexpr std::uint32_t low(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
constexpr std::uint32_t high(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }
constexpr std::uint64_t join(std::uint32_t lo, std::uint32_t hi) {
  return static_cast<std::uint64_t>(hi) << 32 | lo;
}

/// Ten rounds, the key raised by the Weyl constants in between.
inline Words philox(Words c, Key k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {high(p1) ^ c[1] ^ k[0], low(p1), high(p0) ^ c[3] ^ k[1], low(p0)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

/// Natural logarithm of a normal double > 0: x = 2^e m with m in [sqrt(1/2), sqrt(2)), log m = 2
/// atanh(s), s = (m - 1) / (m + 1), |s| < 0.172, by its Taylor series: relative error below 1e-13,
/// far under half a unit of the float that it ends in.
inline double logarithm(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t shifted = bits - 0x3FE6A09E667F3BCDull;
  const auto exponent = static_cast<std::int32_t>(static_cast<std::int64_t>(shifted) >> 52);
  const double m = std::bit_cast<double>(bits - (shifted & 0xFFF0000000000000ull));
  const double s = (m - 1) / (m + 1), z = s * s;
  double p = 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  p = p * z + 1.0;
  return 2 * s * p + exponent * std::numbers::ln2;
}

struct SinCos {
  double sine, cosine;
};
/// Sine and cosine of an eighth of a turn around 0 by their Taylor series: |a| <= pi / 4, error
/// below 1e-14.
inline SinCos sinCosSmall(double a) {
  const double z = a * a;
  double s = 1.0 / 6227020800;
  s = s * z - 1.0 / 39916800;
  s = s * z + 1.0 / 362880;
  s = s * z - 1.0 / 5040;
  s = s * z + 1.0 / 120;
  s = s * z - 1.0 / 6;
  s = s * z + 1.0;
  double c = -1.0 / 87178291200;
  c = c * z + 1.0 / 479001600;
  c = c * z - 1.0 / 3628800;
  c = c * z + 1.0 / 40320;
  c = c * z - 1.0 / 720;
  c = c * z + 1.0 / 24;
  c = c * z - 0.5;
  c = c * z + 1.0;
  return {a * s, c};
}

/// Two normal values of one block. The top two bits of the angle choose the quarter turn, so the
/// remaining angle stays within the range of the series.
inline void boxMuller(const Words& words, double& first, double& second) {
  constexpr double kUnit = 0x1p-53;
  // (0, 1]: the logarithm never sees 0.
  const double u =
      static_cast<double>(static_cast<std::int64_t>(join(words[0], words[1]) >> 11) + 1) * kUnit;
  const std::uint64_t angleBits = join(words[2], words[3]) >> 11;
  const auto quarter = static_cast<std::uint32_t>(angleBits >> 51);
  const double inQuarter =
      static_cast<double>(static_cast<std::int64_t>(angleBits & ((1ull << 51) - 1))) * 0x1p-51;
  const SinCos t = sinCosSmall((inQuarter - 0.5) * (std::numbers::pi / 2));
  const double radius = std::sqrt(-2 * logarithm(u));
  const bool swap = quarter & 1;
  const double x = swap ? -t.sine : t.cosine;
  const double y = swap ? t.cosine : t.sine;
  const double signedRadius = quarter & 2 ? -radius : radius;
  first = signedRadius * x;
  second = signedRadius * y;
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  return philox(counter, key);
}

Random::Random(std::uint64_t seed, Purpose purpose, std::uint64_t step, std::uint64_t sample) {
  // An odd 64-bit constant spreads the purposes, so that neighbouring seeds never alias another
  // purpose.
  const std::uint64_t key = seed ^ (static_cast<std::uint64_t>(purpose) * 0x9E3779B97F4A7C15ull);
  const Words words =
      philox({low(step), high(step), low(sample), high(sample)}, {low(key), high(key)});
  m_key = {words[0], words[1]};
  m_stream = {words[2], words[3]};
}

std::array<std::uint32_t, 4> Random::block(std::uint64_t index) const {
  return philox({low(index), high(index), m_stream[0], m_stream[1]}, m_key);
}

namespace {

LIKENESS_FOR_EACH_CPU void philoxBlocks(
    std::uint64_t first, Words stream, Key key, std::size_t blocks, std::uint32_t* out) {
  for (std::size_t i = 0; i < blocks; ++i) {
    const Words words = philox({low(first + i), high(first + i), stream[0], stream[1]}, key);
    for (std::size_t k = 0; k < 4; ++k) out[4 * i + k] = words[k];
  }
}

}  // namespace

void Random::words(std::uint64_t first, std::span<std::uint32_t> out) const {
  philoxBlocks(first, {m_stream[0], m_stream[1], 0, 0}, m_key, out.size() / 4, out.data());
}

std::uint64_t Random::below(std::uint64_t bound, std::uint64_t index) const {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t threshold = (0 - bound) % bound;
  // A rejected draw is repeated far away in the same stream; the chance is bound / 2^64.
  for (std::uint64_t attempt = 0;; ++attempt) {
    const Words words = block(index + (attempt << 48));
    const Wide product = static_cast<Wide>(join(words[0], words[1])) * bound;
    if (static_cast<std::uint64_t>(product) >= threshold)
      return static_cast<std::uint64_t>(product >> 64);
  }
}

double Random::uniform(std::uint64_t index) const {
  const Words words = block(index);
  return static_cast<double>(join(words[0], words[1]) >> 11) * 0x1p-53;
}

void Random::normal(std::span<float> out) const {
  double first, second;
  std::uint64_t index = 0;
  std::size_t i = 0;
  for (; i + 1 < out.size(); i += 2) {
    boxMuller(block(index++), first, second);
    out[i] = static_cast<float>(first);
    out[i + 1] = static_cast<float>(second);
  }
  if (i < out.size()) {
    boxMuller(block(index), first, second);
    out[i] = static_cast<float>(first);
  }
}

}  // namespace likeness::base
