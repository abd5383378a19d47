// Noise that pictures are trained with, beyond the white one.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/base/random.h"

namespace likeness::diffusion {

/// Multi-resolution noise (Whitaker 2023; kohya's pyramid_noise_like): to `noise` [C, h, w] fp32 on
/// the CPU come white noise of its own size and ever coarser ones, enlarged bilinearly, level i
/// times `discount`^i, until a side is one value; level i is r^i times smaller than the one before,
/// r in [2, 4) from draw i of `scales`. `values` are the levels' values, level after level. The sum
/// is divided by its standard deviation; upstream's is that of the whole batch, this one the
/// picture's own, so that a row does not depend on its neighbours.
at::Tensor withCoarseNoise(const at::Tensor& noise,
                           double discount,
                           const base::Random& scales,
                           const base::Random& values);

}  // namespace likeness::diffusion
