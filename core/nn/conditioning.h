// What the UNet is told besides the noisy picture and the time.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

namespace likeness::nn {

/// How a picture came about, in pixels, as SDXL is told it: `original` was scaled until `target`
/// fitted in, then cut out at (cropTop, cropLeft). A picture to be made was never larger and never
/// cut.
struct PictureSize {
  std::int64_t originalHeight = 0, originalWidth = 0;
  std::int64_t cropTop = 0, cropLeft = 0;
  std::int64_t targetHeight = 0, targetWidth = 0;
  static PictureSize uncut(std::int64_t height, std::int64_t width) {
    return {height, width, 0, 0, height, width};
  }
  /// The six in the order in which SDXL learned them.
  std::array<std::int64_t, 6> numbers() const {
    return {originalHeight, originalWidth, cropTop, cropLeft, targetHeight, targetWidth};
  }
  bool operator==(const PictureSize&) const = default;
};

/// One row per picture. Made by encodeText (encode_text.h).
struct Conditioning {
  Conditioning() = default;
  Conditioning(at::Tensor states, at::Tensor pooledText = {}, at::Tensor sizes = {})  // implicit
      : context(std::move(states)), pooled(std::move(pooledText)), timeIds(std::move(sizes)) {}

  at::Tensor context;  ///< [N, tokens, D], attended to
  at::Tensor pooled;   ///< [N, P]; undefined for models other than SDXL
  at::Tensor timeIds;  ///< [N, 6] fp32, PictureSize::numbers; as `pooled`

  /// Of a picture each. Only SDXL is told sizes: without `pooled` nothing changes.
  Conditioning withSizes(const std::vector<PictureSize>& sizes) const;
  /// One row, `count` times.
  Conditioning repeated(std::int64_t count) const;
  /// Context and pooled text in `dtype`; sizes stay fp32, as bf16 would round them.
  Conditioning to(at::ScalarType dtype) const;
  /// The same shapes, text all zero: what SDXL base learned as "no prompt".
  Conditioning withoutText() const;
};

/// The rows of all, in order.
Conditioning joined(const std::vector<Conditioning>& parts);

}  // namespace likeness::nn
