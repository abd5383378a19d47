// Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms"), as lion-pytorch:
//   p -= lr wd p;  p -= lr sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g.
// Its rates are a tenth of AdamW's, its weight decay ten times as large.
#pragma once

#include "core/train/optimizer.h"

namespace likeness::train {

/// Slot exp_avg (m), fp32.
class Lion : public Optimizer {
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
