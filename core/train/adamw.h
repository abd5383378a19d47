// AdamW: decoupled weight decay (Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization")
// with bias correction, as torch.optim.AdamW:
//   p -= lr wd p;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g g;
//   p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
#pragma once

#include "core/train/optimizer.h"

namespace likeness::train {

/// Slots exp_avg (m) and exp_avg_sq (v), fp32.
class AdamW : public Optimizer {
 public:
  using Optimizer::Optimizer;

 private:
  std::vector<Slot> makeSlots(const at::Tensor& value) const override;
  void updatePiece(const Piece& piece,
                   const Update& update,
                   const float* gradient,
                   float* value) override;
  /// fp32 by LibTorch's fused kernel, all tensors of one rate at once.
  void updateElsewhere(const std::vector<std::size_t>& which, const Update& update) override;
  void updateTensor(std::size_t parameter,
                    const Update& update,
                    const at::Tensor& gradient,
                    const at::Tensor& value) override;
};

/// One update by LibTorch's operators; fp32, all but the gradient changed in place.
void adamW(const at::Tensor& gradient,
           const at::Tensor& mean,
           const at::Tensor& square,
           const at::Tensor& value,
           double rate,
           std::int64_t number,
           const api::OptimizerOptions& options);

}  // namespace likeness::train
