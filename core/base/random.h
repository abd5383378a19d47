// Counter-based randomness: every draw is a pure function of (seed, purpose, step, sample). No generator has state,
// which is what makes resume exact and draws independent of threads, ranks and accumulation.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace likeness::base {

/// What a draw is for; part of the key, so streams never overlap. Append only: values are stored in runs.
enum class Purpose : std::uint32_t {
  Order = 1,
  Timestep = 2,
  Noise = 3,
  Crop = 4,
  Flip = 5,
  Caption = 6,
  Posterior = 7,
  InitialLatents = 8,
  SamplerNoise = 9,
  AdapterInit = 10,
  Probe = 11,
  Test = 12,
};

/// Philox4x32-10 (Salmon et al., SC 2011) keyed by (seed, purpose, step, sample).
/// `sample` is the position in the global batch, so ranks and accumulation do not change the draws.
class Random {
 public:
  Random(std::uint64_t seed, Purpose purpose, std::uint64_t step = 0, std::uint64_t sample = 0);

  /// Block `index` of the stream: 4 random words. Pure.
  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
  /// Uniform integer in [0, bound) without modulo bias (Lemire), from draw `index`. bound > 0.
  std::uint64_t below(std::uint64_t bound, std::uint64_t index = 0) const;
  /// Uniform in [0, 1) with 53 bits, from draw `index`.
  double uniform(std::uint64_t index = 0) const;
  /// Standard normal values (Box-Muller in double, rounded once), `out[i]` depends on i alone.
  void normal(std::span<float> out) const;

 private:
  std::array<std::uint32_t, 2> m_key;
  std::uint64_t m_step, m_sample;
};

}  // namespace likeness::base
