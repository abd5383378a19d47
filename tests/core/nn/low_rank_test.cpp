// The nearest matrix of a low rank, beside the full decomposition in fp64.
#include "core/nn/low_rank.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/logspace.h>
#include <gtest/gtest.h>

#include "core/tensor/random_tensor.h"

namespace likeness::nn {
namespace {

at::Tensor noise(at::IntArrayRef shape, std::uint64_t sample) {
  return tensor::normal(shape, base::Random(5, base::Purpose::Test, 9, sample));
}

double norm2(const at::Tensor& matrix) {
  return matrix.to(at::kDouble).square().sum().item<double>();
}

/// What the best matrix of this rank has.
double best(const at::Tensor& matrix, std::int64_t rank) {
  const auto values = std::get<1>(at::linalg_svd(matrix.to(at::kDouble), false));
  return values.slice(0, 0, rank).square().sum().item<double>();
}

TEST(LowRank, IsTheMatrixItselfAtFullRank) {
  for (const auto& shape : {std::vector<std::int64_t>{12, 40}, {40, 12}, {8, 8}, {1, 7}}) {
    const at::Tensor matrix = noise(shape, 1);
    const LowRank found = lowRank(matrix, 4096);
    EXPECT_EQ(found.down.size(0), std::min(shape[0], shape[1]));
    EXPECT_LE(norm2(found.up.mm(found.down).sub(matrix)), 1e-12 * norm2(matrix));
    EXPECT_NEAR(found.norm2, norm2(matrix), 1e-6 * found.norm2);
  }
}

TEST(LowRank, IsTheNearestOne) {
  const at::Tensor matrix = noise({30, 50}, 2);
  for (const std::int64_t rank : {1, 4, 20}) {
    const LowRank found = lowRank(matrix, rank);
    EXPECT_EQ(found.up.size(1), rank);
    EXPECT_NEAR(found.norm2, best(matrix, rank), 1e-6 * found.norm2);
    EXPECT_NEAR(norm2(found.up.mm(found.down)), found.norm2, 1e-5 * found.norm2);
    EXPECT_NEAR(norm2(matrix.sub(found.up.mm(found.down))),
                norm2(matrix) - found.norm2,
                1e-5 * norm2(matrix));
  }
}

/// Wide enough for the search, whose worst case is a matrix without any preferred direction.
TEST(LowRank, ASearchMissesAlmostNothing) {
  for (const auto& shape : {std::vector<std::int64_t>{300, 900}, {900, 300}}) {
    const at::Tensor matrix = noise(shape, 3);
    const LowRank found = lowRank(matrix, 16);
    EXPECT_EQ(found.down.size(0), 16);
    EXPECT_LE(found.norm2, best(matrix, 16) * (1 + 1e-6));
    EXPECT_GE(found.norm2, best(matrix, 16) * 0.99);
    EXPECT_TRUE(at::equal(found.down, lowRank(matrix, 16).down));
  }
}

/// Singular values over three decades, all of which the search must find.
TEST(LowRank, AMatrixOfItsRankIsFoundWhole) {
  constexpr std::int64_t rank = 8;
  const at::Tensor matrix =
      noise({400, rank}, 4).mul(at::logspace(0, -3, rank)).mm(noise({rank, 600}, 5));
  const LowRank found = lowRank(matrix, rank);
  EXPECT_EQ(found.down.size(0), rank);
  const at::Tensor left = matrix.sub(found.up.mm(found.down));
  EXPECT_LE(norm2(left), 1e-12 * norm2(matrix));
  // A higher rank finds no more than there is.
  EXPECT_LE(lowRank(matrix.slice(0, 0, 40), 40).down.size(0), 2 * rank);
}

}  // namespace
}  // namespace likeness::nn
