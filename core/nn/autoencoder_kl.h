// AutoencoderKL: pictures <-> latents. Always frozen.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/nn/layers.h"

namespace likeness::nn {

/// vae/config.json; defaults are diffusers' constructor defaults.
struct AutoencoderKLConfig {
  std::int64_t inChannels = 3, outChannels = 3, latentChannels = 4, layersPerBlock = 1,
               normNumGroups = 32, sampleSize = 32;
  std::vector<std::int64_t> blockOutChannels = {64};
  double scalingFactor = 0.18215;
  bool useQuantConv = true, usePostQuantConv = true, midBlockAddAttention = true;
  std::int64_t factor() const {  ///< pixels per latent
    return std::int64_t{1} << (blockOutChannels.size() - 1);
  }
};

/// Diagonal Gaussian of an encoded picture, unscaled: latents = (mean + std * noise) *
/// scalingFactor.
struct Posterior {
  at::Tensor mean, std;  ///< [N, latent, H / factor, W / factor]
};

class AutoencoderKL {
 public:
  AutoencoderKL(const Weights& weights, const AutoencoderKLConfig& config);
  ~AutoencoderKL();
  /// pixels [N, 3, H, W] in [-1, 1]; computes in their dtype (layers.h).
  Posterior encode(const at::Tensor& pixels) const;
  /// latents [N, latent, h, w] as the UNet sees them (scaled); divides by scalingFactor -> [N, 3,
  /// H, W] in their dtype.
  at::Tensor decode(const at::Tensor& latents) const;
  const AutoencoderKLConfig& config() const { return m_config; }

 private:
  AutoencoderKLConfig m_config;
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

}  // namespace likeness::nn
