// Counter-based randomness: every draw is a pure function of (seed, purpose, step, sample). No
// generator has state, which is what makes resume exact and draws independent of threads, ranks and
// accumulation.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace likeness::base {

/// What a draw is for; part of the key, so streams never overlap. Append only: values are stored in
/// runs.
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
  Alternative = 13,
  Extraction = 14,
  NoiseOffset = 15,
  CoarseNoise = 16,
  CoarseNoiseScale = 17,
  InputPerturbation = 18,
  CaptionDropout = 19,
  StochasticRounding = 20,
};

/// The Philox4x32-10 bijection itself (Salmon et al., "Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011); words in the order of Random123's known-answer vectors.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// Philox4x32-10 keyed by (seed, purpose, step, sample).
/// `sample` is the position in the global batch, so ranks and accumulation do not change the draws.
/// One block of (seed, purpose; step, sample) makes key and upper counter of the stream, so streams
/// of one seed and purpose cannot meet. All calls read the same stream: use one object for one kind
/// of draw. Equal on every machine: no library function whose last bit may differ takes part.
class Random {
 public:
  Random(std::uint64_t seed, Purpose purpose, std::uint64_t step = 0, std::uint64_t sample = 0);

  /// Block `index` of the stream: 4 random words. Pure.
  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
  /// The words of block `first` and those that follow, `out` full of them; a multiple of 4.
  void words(std::uint64_t first, std::span<std::uint32_t> out) const;
  /// Uniform integer in [0, bound) without modulo bias (Lemire), from draw `index`. bound > 0.
  std::uint64_t below(std::uint64_t bound, std::uint64_t index = 0) const;
  /// Uniform in [0, 1) with 53 bits, from draw `index`.
  double uniform(std::uint64_t index = 0) const;
  /// Standard normal values (Box-Muller in double, rounded once), `out[i]` depends on i alone.
  void normal(std::span<float> out) const;

 private:
  std::array<std::uint32_t, 2> m_key;
  std::array<std::uint32_t, 2> m_stream;
};

}  // namespace likeness::base
