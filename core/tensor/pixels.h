// Pictures <-> tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/api/image.h"

namespace likeness::tensor {

/// Rgb8 -> [1, 3, H, W] fp32 in [-1, 1].
at::Tensor toTensor(const api::Image& image);
/// [3, H, W] or [1, 3, H, W] in [-1, 1], any float dtype -> Rgb8: clamp, (x + 1) / 2 * 255, round
/// half to even as diffusers does.
api::Image toImage(const at::Tensor& pixels);

}  // namespace likeness::tensor
