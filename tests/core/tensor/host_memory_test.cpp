#include "core/tensor/host_memory.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace likeness::tensor::test {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

at::Tensor filled(std::int64_t bytes) { return at::full({bytes}, 1, at::kByte); }

std::int64_t residentBytes() {
  std::int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

struct HostMemoryTest : testing::Test {
  HostMemoryTest() {
    keepHostMemory();
    releaseHostMemory();
  }
};

TEST_F(HostMemoryTest, ATensorGetsTheMemoryOfOneOfAboutItsSize) {
  const void* first = filled(8 * kMiB).data_ptr();
  EXPECT_EQ(filled(8 * kMiB).data_ptr(), first);
  EXPECT_EQ(filled(8 * kMiB - kMiB / 2).data_ptr(), first);
  const at::Tensor small = filled(4 * kMiB), large = filled(9 * kMiB), same = filled(8 * kMiB);
  EXPECT_NE(small.data_ptr(), first);
  EXPECT_NE(large.data_ptr(), first);
  const at::Tensor again = filled(8 * kMiB);
  EXPECT_NE(again.data_ptr(), same.data_ptr()) << "two living tensors";
}

TEST_F(HostMemoryTest, NoMoreIsHeldThanTensorsTookAtTheirFullest) {
  const std::int64_t before = residentBytes();
  filled(64 * kMiB);
  EXPECT_GE(residentBytes(), before + 60 * kMiB) << "kept";
  const at::Tensor other = filled(48 * kMiB);
  EXPECT_LE(residentBytes(), before + 72 * kMiB);
  EXPECT_TRUE(at::equal(other, filled(48 * kMiB)));
}

TEST_F(HostMemoryTest, WhatIsKeptCanGoBack) {
  const std::int64_t before = residentBytes();
  const at::Tensor living = filled(16 * kMiB);
  filled(64 * kMiB);
  releaseHostMemory();
  EXPECT_LE(residentBytes(), before + 24 * kMiB);
  EXPECT_TRUE(at::equal(living, filled(16 * kMiB)));
}

}  // namespace
}  // namespace likeness::tensor::test
