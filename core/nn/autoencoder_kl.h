// AutoencoderKL: pictures <-> latents. Always frozen.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "core/nn/layers.h"
#include "core/weights/model_configs.h"

namespace likeness::nn {

using weights::AutoencoderKLConfig;

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
