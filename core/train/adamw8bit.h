// AdamW (adamw.h) whose moments are kept in 8 bits (Dettmers et al. 2022, "8-bit Optimizers via
// Block-wise Quantization"), as bitsandbytes: blocks of 256 values with their largest magnitude,
// each value by the nearest of the 256 numbers of the dynamic map; updates use the moments before
// they are rounded. Tensors of less than 4096 values keep theirs in fp32.
#pragma once

#include "core/train/optimizer.h"

namespace likeness::train {

/// Slots exp_avg and exp_avg_sq (uint8, in memory order as the parameter) with exp_avg_absmax and
/// exp_avg_sq_absmax [blocks] fp32; of small tensors as AdamW's.
class AdamW8bit : public Optimizer {
 public:
  using Optimizer::Optimizer;

 private:
  std::vector<Slot> makeSlots(const at::Tensor& value) const override;
  void updatePiece(const Piece& piece,
                   const Update& update,
                   const float* gradient,
                   float* value) override;
  void updateTensor(std::size_t parameter,
                    const Update& update,
                    const at::Tensor& gradient,
                    const at::Tensor& value) override;
};

}  // namespace likeness::train
