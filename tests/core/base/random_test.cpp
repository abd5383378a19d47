// Known answers of Philox, statistics of what is made from it, and independence of the draws.
#include "core/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

namespace likeness::base {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Random123, tests/kat_vectors: counter, key, answer.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, EveryPartOfTheKeyMatters) {
  std::set<Words> blocks;
  const std::uint64_t big = std::uint64_t{1} << 40;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, big})
    for (const Purpose purpose : {Purpose::Order, Purpose::Noise, Purpose::Test})
      for (const std::uint64_t step : {std::uint64_t{0}, std::uint64_t{1}, big})
        for (const std::uint64_t sample : {std::uint64_t{0}, std::uint64_t{1}, big})
          for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, big})
            blocks.insert(Random(seed, purpose, step, sample).block(index));
  EXPECT_EQ(blocks.size(), 243u);
}

TEST(Random, StaysTheSameForGood) {
  // Runs store seeds, not draws: these values must never change.
  EXPECT_EQ(Random(1, Purpose::Noise, 2, 3).block(4),
            (Words{0xe428c755, 0x3688a6b6, 0x8a893877, 0x81a61009}));
  std::array<float, 3> values{};
  Random(1, Purpose::Noise, 2, 3).normal(values);
  EXPECT_FLOAT_EQ(values[0], 1.44767559f);
  EXPECT_FLOAT_EQ(values[1], 0.568416238f);
  EXPECT_FLOAT_EQ(values[2], 0.368548572f);
}

TEST(Random, WordsAreTheBlocksInTurn) {
  const Random random(3, Purpose::Test, 4, 5);
  const std::uint64_t first = 0xfffffffe;  // the carry into the upper word of the counter
  std::vector<std::uint32_t> words(4 * 21);
  random.words(first, words);
  for (std::size_t i = 0; i < words.size(); ++i)
    EXPECT_EQ(words[i], random.block(first + i / 4)[i % 4]) << i;
}

TEST(Random, NormalMatchesBoxMullerByTheLibrary) {
  const Random random(7, Purpose::Test);
  std::vector<float> values(20000);
  random.normal(values);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const Words w = random.block(i / 2);
    const double u =
        (static_cast<double>(((std::uint64_t{w[1]} << 32) | w[0]) >> 11) + 1) * 0x1p-53;
    const std::uint64_t angle = ((std::uint64_t{w[3]} << 32) | w[2]) >> 11;
    const double turn = (static_cast<double>(angle) * 0x1p-53 - 0.125) * 2 * M_PI;
    const double radius = std::sqrt(-2 * std::log(u));
    ASSERT_NEAR(values[i], radius * std::cos(turn), 1e-6 * (1 + radius)) << i;
    ASSERT_NEAR(values[i + 1], radius * std::sin(turn), 1e-6 * (1 + radius)) << i;
  }
}

TEST(Random, NormalHasTheRightMoments) {
  std::vector<float> values(400001);
  Random(3, Purpose::InitialLatents).normal(values);
  const double n = static_cast<double>(values.size());
  double sum = 0, squares = 0, cubes = 0, fourth = 0, beyond = 0;
  for (const double v : values) {
    ASSERT_TRUE(std::isfinite(v));
    sum += v, squares += v * v, cubes += v * v * v, fourth += v * v * v * v;
    beyond += std::abs(v) > 1.959964 ? 1 : 0;
  }
  // Bounds of about five standard errors; the stream is fixed, so this never flickers.
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(cubes / n, 0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(beyond / n, 0.05, 5 * std::sqrt(0.05 * 0.95 / n));
}

TEST(Random, NormalDependsOnTheIndexAlone) {
  const Random random(5, Purpose::Noise, 6, 7);
  std::vector<float> longer(101), shorter(50);
  random.normal(longer);
  random.normal(shorter);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
}

TEST(Random, BelowIsUniformAndInBounds) {
  const Random random(9, Purpose::Order);
  std::array<int, 7> counts{};
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t value = random.below(7, static_cast<std::uint64_t>(i));
    ASSERT_LT(value, 7u);
    ++counts[value];
  }
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 7, 5 * 100);
  EXPECT_EQ(random.below(1, 3), 0u);
  // A bound that rejects nearly half of all draws still answers within it.
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
  for (std::uint64_t i = 0; i < 200; ++i) EXPECT_LT(random.below(large, i), large);
}

TEST(Random, UniformLiesInTheHalfOpenInterval) {
  const Random random(11, Purpose::Flip);
  double sum = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const double value = random.uniform(i);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
  }
  EXPECT_NEAR(sum / 20000, 0.5, 0.01);
}

}  // namespace
}  // namespace likeness::base
