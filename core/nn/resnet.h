// Residual blocks and resampling, shared by the UNet and the autoencoder.
#pragma once

#include <optional>

#include "core/nn/gradient_checkpoint.h"
#include "core/nn/layers.h"

namespace likeness::nn {

/// diffusers' ResnetBlock2D: x + conv2(silu(norm2(conv1(silu(norm1(x))) + time))), with a 1x1
/// shortcut where channels change.
class ResnetBlock2D {
 public:
  /// `timeChannels` 0 = no time embedding (autoencoder).
  ResnetBlock2D(const Weights& w,
                std::int64_t in,
                std::int64_t out,
                std::int64_t timeChannels,
                std::int64_t groups,
                double eps);
  /// x [N, in, H, W], time [N, timeChannels] after its SiLU (it is the same for every block) -> [N,
  /// out, H, W].
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& activatedTime = {}) const;

 private:
  GradientCheckpoint m_checkpoint;
  GroupNorm m_norm1;
  Conv2d m_conv1;
  std::optional<Linear> m_timeEmbProj;
  GroupNorm m_norm2;
  Conv2d m_conv2;
  std::optional<Conv2d> m_convShortcut;
};

/// Halves the size by a strided convolution.
class Downsample2D {
 public:
  /// `symmetric` pads by one on every side (UNet), else by one on the right and at the bottom
  /// (autoencoder).
  Downsample2D(const Weights& w, std::int64_t channels, bool symmetric);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  bool m_symmetric;
  Conv2d m_conv;
};

/// Nearest neighbour, then a convolution.
class Upsample2D {
 public:
  Upsample2D(const Weights& w, std::int64_t channels);
  /// To exactly [height, width]: a UNet's skip may be odd.
  at::Tensor operator()(const at::Tensor& x, std::int64_t height, std::int64_t width) const;

 private:
  Conv2d m_conv;
};

}  // namespace likeness::nn
