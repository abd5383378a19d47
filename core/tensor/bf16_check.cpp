// The bf16 self-check.
#include "core/tensor/bf16_check.h"

#include <ATen/core/Tensor.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <torch/headeronly/version.h>

#include "core/base/random.h"
#include "core/base/user_cache.h"
#include "core/tensor/random_tensor.h"

namespace likeness::tensor {
namespace {

at::Tensor sample(at::IntArrayRef shape, std::uint64_t index) {
  return normal(shape, base::Random(1, base::Purpose::Test, index));
}

/// bf16 keeps 8 bits; a kernel that errs by more than 2 % in the norm does not compute what it
/// should.
bool close(const at::Tensor& bf16, const at::Tensor& fp32) {
  const at::Tensor difference = bf16.to(at::kFloat).sub(fp32);
  return difference.norm().item<double>() <= 0.02 * fp32.norm().item<double>();
}

bool convolutionIsRight(std::int64_t channels,
                        std::int64_t size,
                        std::int64_t kernel,
                        std::int64_t stride) {
  const auto x = sample({2, channels, size, size}, 1).contiguous(at::MemoryFormat::ChannelsLast);
  const auto w =
      sample({32, channels, kernel, kernel}, 2).contiguous(at::MemoryFormat::ChannelsLast);
  const auto run = [&](at::ScalarType dtype) {
    return at::conv2d(x.to(dtype), w.to(dtype), {}, stride, kernel / 2);
  };
  return close(run(at::kBFloat16), run(at::kFloat));
}

bool productIsRight(std::int64_t rows, std::int64_t in, std::int64_t out) {
  const auto x = sample({2, rows, in}, 3), w = sample({out, in}, 4), b = sample({out}, 5);
  const auto run = [&](at::ScalarType dtype) {
    return at::linear(x.to(dtype), w.to(dtype), b.to(dtype));
  };
  return close(run(at::kBFloat16), run(at::kFloat));
}

bool everythingIsRight() {
  return convolutionIsRight(4, 16, 3, 1) && convolutionIsRight(96, 16, 3, 1) &&
         convolutionIsRight(96, 16, 3, 2) && convolutionIsRight(160, 7, 1, 1) &&
         convolutionIsRight(1, 2, 2, 1) && productIsRight(77, 192, 96) &&
         productIsRight(256, 96, 768) && productIsRight(1, 384, 160);
}

}  // namespace

bool bf16SelfCheck() {
  static const bool passed = [] {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    const auto cpu = capabilities.find("cpu_name");
    const std::string key = "bf16 self-check 1, LibTorch " TORCH_VERSION ", " +
                            (cpu == capabilities.end() ? "" : cpu->second.toStringRef());
    if (const auto known = base::recall(key)) return *known == "passed";
    const bool right = everythingIsRight();
    base::remember(key, right ? "passed" : "failed");
    return right;
  }();
  return passed;
}

}  // namespace likeness::tensor
