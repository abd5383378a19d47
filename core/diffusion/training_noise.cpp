// Coarse noise: all levels are cut from one stream of values.
#include "core/diffusion/training_noise.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/tensor/random_tensor.h"

namespace likeness::diffusion {

at::Tensor withCoarseNoise(const at::Tensor& noise,
                           double discount,
                           const base::Random& scales,
                           const base::Random& values) {
  const std::int64_t channels = noise.size(0);
  struct Level {
    std::int64_t height, width;
  };
  std::vector<Level> levels{{noise.size(1), noise.size(2)}};
  std::int64_t total = channels * levels[0].height * levels[0].width;
  while (levels.back().height > 1 && levels.back().width > 1) {
    const auto i = levels.size();
    const double r = std::pow(2 + 2 * scales.uniform(i), static_cast<double>(i));
    const auto coarser = [&](std::int64_t side) {
      return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(side) / r));
    };
    levels.push_back({coarser(levels.back().height), coarser(levels.back().width)});
    total += channels * levels.back().height * levels.back().width;
  }

  const at::Tensor all = tensor::normal({total}, values);
  at::Tensor sum = noise;
  std::int64_t from = 0;
  double weight = 1;
  for (const auto& [height, width] : levels) {
    const std::int64_t count = channels * height * width;
    const at::Tensor level = all.narrow(0, from, count).view({1, channels, height, width});
    sum = sum + weight * at::upsample_bilinear2d(level, noise.sizes().slice(1), false)[0];
    from += count;
    weight *= discount;
  }
  return sum / sum.std();
}

}  // namespace likeness::diffusion
