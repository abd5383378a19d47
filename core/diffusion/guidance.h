// Classifier-free guidance (Ho and Salimans 2022): one batched forward over [uncond, cond].
#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/unet_2d_condition_model.h"

namespace likeness::diffusion {

/// Guidance 1 needs no unconditional half.
constexpr bool isGuided(double guidance) { return guidance != 1; }

/// e_u + guidance (e_c - e_u) of a stacked output [2N, C, h, w] = [uncond, cond] -> [N, C, h, w]
/// fp32.
/// `rescale` (phi of "Common Diffusion Noise Schedules and Sample Steps are Flawed", eqs. 14 to 16)
/// moves each picture's standard deviation back towards that of e_c.
at::Tensor combineGuided(const at::Tensor& stacked, double guidance, double rescale = 0);

/// The network's output for x [N, C, h, w] at one timestep, [N, C, h, w] fp32. The network computes
/// in `dtype`. `context` holds [uncond, cond] texts, 2N rows, when guided, else N rows.
at::Tensor predict(const nn::UNet2DConditionModel& unet,
                   const at::Tensor& x,
                   double timestep,
                   const nn::TextContext& context,
                   double guidance,
                   at::ScalarType dtype,
                   double rescale = 0);

}  // namespace likeness::diffusion
