#include "core/nn/tiled_autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/minimum.h>

#include <algorithm>

namespace likeness::nn {
namespace tiles {

/// In latents, or times the factor in pixels.
struct Rect {
  std::int64_t top, left, height, width;
  at::Tensor of(const at::Tensor& whole, std::int64_t factor) const {
    return whole.narrow(2, top * factor, height * factor).narrow(3, left * factor, width * factor);
  }
};

/// Where tiles begin that cover `side`, each sharing at least a quarter with the next.
std::vector<std::int64_t> starts(std::int64_t side, std::int64_t tile) {
  const std::int64_t advance = tile - tile / 4;
  const std::int64_t further = (side - tile + advance - 1) / advance;
  std::vector<std::int64_t> result{0};
  for (std::int64_t i = 1; i <= further; ++i) result.push_back(i * (side - tile) / further);
  return result;
}

/// Rises from both ends over a quarter of `length` to 1.
at::Tensor ramp(std::int64_t length, const at::TensorOptions& options) {
  const at::Tensor place = at::arange(length, options) + 0.5;
  return at::minimum(place, static_cast<double>(length) - place)
      .mul(4.0 / static_cast<double>(length))
      .clamp_max(1);
}

/// Fills `out` [N, C, height * scale, width * scale] with what `convert` makes of each tile of
/// height x width latents.
template <class Convert>
at::Tensor join(at::Tensor out,
                std::int64_t height,
                std::int64_t width,
                std::int64_t tile,
                std::int64_t scale,
                Convert convert) {
  Rect rect{0, 0, std::min(tile, height), std::min(tile, width)};
  const at::Tensor weight = ramp(rect.height * scale, out.options()).unsqueeze(1) *
                            ramp(rect.width * scale, out.options());
  at::Tensor weights = out.new_zeros({1, 1, height * scale, width * scale});
  for (const std::int64_t top : starts(height, rect.height))
    for (const std::int64_t left : starts(width, rect.width)) {
      rect.top = top, rect.left = left;
      rect.of(out, scale).add_(convert(rect).to(at::kFloat) * weight);
      rect.of(weights, scale).add_(weight);
    }
  return out.div_(weights);
}

}  // namespace tiles

at::Tensor decodePictures(const AutoencoderKL& vae,
                          const at::Tensor& latents,
                          std::int64_t tiledAbove,
                          std::int64_t tile) {
  const std::int64_t factor = vae.config().factor(), height = latents.size(2),
                     width = latents.size(3);
  if (height * width * factor * factor <= tiledAbove) return vae.decode(latents);
  return tiles::join(
             latents.new_zeros(
                 {latents.size(0), vae.config().outChannels, height * factor, width * factor},
                 at::kFloat),
             height,
             width,
             tile,
             factor,
             [&](const tiles::Rect& rect) { return vae.decode(rect.of(latents, 1)); })
      .to(latents.scalar_type());
}

at::Tensor encodePictures(const AutoencoderKL& vae,
                          const at::Tensor& pixels,
                          std::int64_t tiledAbove,
                          std::int64_t tile) {
  if (pixels.size(2) * pixels.size(3) <= tiledAbove) return vae.encode(pixels).mean;
  const std::int64_t factor = vae.config().factor(), height = pixels.size(2) / factor,
                     width = pixels.size(3) / factor;
  return tiles::join(
             pixels.new_zeros({pixels.size(0), vae.config().latentChannels, height, width},
                              at::kFloat),
             height,
             width,
             tile,
             1,
             [&](const tiles::Rect& rect) { return vae.encode(rect.of(pixels, factor)).mean; })
      .to(pixels.scalar_type());
}

}  // namespace likeness::nn
