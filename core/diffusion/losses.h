// The training loss: mean squared error of each half, logged apart.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace likeness::diffusion {

/// Scalars in fp32. `subject` and `classes` are detached from nothing: `total` is their weighted
/// sum, so one backward pass serves; read the halves with item().
struct DreamBoothLoss {
  at::Tensor total;  ///< subject + classWeight * classes
  at::Tensor subject;
  at::Tensor classes;  ///< undefined without class rows
};
/// prediction, target [subjectRows + class rows, C, h, w], subjects first, any floating dtype;
/// differences are taken in fp32. DreamBooth, eq. (2); diffusers' train_dreambooth.
DreamBoothLoss dreamBoothLoss(const at::Tensor& prediction,
                              const at::Tensor& target,
                              std::int64_t subjectRows,
                              double classWeight);

}  // namespace likeness::diffusion
