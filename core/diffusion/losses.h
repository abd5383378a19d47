// The training loss: of each half apart, plain or with what the options ask for.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "core/api/train_options.h"
#include "core/diffusion/noise_schedule.h"

namespace likeness::diffusion {

/// How an element's error becomes loss. The default is the mean squared error that models were made
/// with, which probes always use.
struct LossForm {
  /// c of the pseudo-Huber loss 2c (sqrt(d^2 + c^2) - c): d^2 far below c, 2c |d| far above
  /// (kohya's and diffusers' "huber"). Absent = d^2.
  std::optional<double> huberDelta;
  at::Tensor rowWeights;      ///< [N] fp32; undefined = 1
  at::Tensor elementWeights;  ///< [N, 1, h, w] fp32; undefined = 1. Means are not renormalized
};
/// The form that `options` ask for in rows of these timesteps [N] int64. `mask` [N, 1, h, w] within
/// 0..1 counts as mask + (1 - mask) x unmaskedWeight; undefined = everything counts.
LossForm lossForm(const api::LossOptions& options,
                  const NoiseSchedule& schedule,
                  const at::Tensor& timesteps,
                  const at::Tensor& mask);

/// Scalars in fp32, in fp64 for predictions in fp64. `subject` and `classes` are detached from
/// nothing: `total` is their weighted sum, so one backward pass serves; read the halves with
/// item().
struct DreamBoothLoss {
  at::Tensor total;  ///< subject + classWeight * classes
  at::Tensor subject;
  at::Tensor classes;      ///< undefined without class rows
  at::Tensor subjectRows;  ///< [subject rows], detached: what `subject` is the mean of
};
/// prediction, target [subjectRows + class rows, C, h, w], subjects first, any floating dtype;
/// differences are taken in fp32 at least. Per element: error, element weight; mean over the row,
/// row weight; mean over the half. DreamBooth, eq. (2); diffusers' train_dreambooth.
DreamBoothLoss dreamBoothLoss(const at::Tensor& prediction,
                              const at::Tensor& target,
                              std::int64_t subjectRows,
                              double classWeight,
                              const LossForm& form = {});

}  // namespace likeness::diffusion
