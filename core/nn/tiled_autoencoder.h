// The autoencoder on pictures of any size in bounded memory.
#pragma once

#include "core/nn/autoencoder_kl.h"

namespace likeness::nn {

/// Pictures with more pixels pass the autoencoder in tiles.
inline constexpr std::int64_t kTiledAbove = 1024 * 1024;
/// Latents of a tile, a side; neighbours share a quarter of it, in which one fades into the other.
inline constexpr std::int64_t kTile = 96;

/// As AutoencoderKL::decode, in tiles where the picture is large. A tile's group norms see that
/// tile alone, so tones differ a little from those of the whole; the fading hides it.
at::Tensor decodePictures(const AutoencoderKL& vae,
                          const at::Tensor& latents,
                          std::int64_t tiledAbove = kTiledAbove,
                          std::int64_t tile = kTile);
/// The mean of AutoencoderKL::encode, in tiles where the picture is large.
at::Tensor encodePictures(const AutoencoderKL& vae,
                          const at::Tensor& pixels,
                          std::int64_t tiledAbove = kTiledAbove,
                          std::int64_t tile = kTile);

}  // namespace likeness::nn
