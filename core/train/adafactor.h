// Adafactor (Shazeer & Stern 2018), as transformers' with given rates: scale_parameter,
// relative_step and warmup_init off, no first moment, clip threshold 1, eps 1e-30:
//   b = 1 - t^-0.8;  of a matrix: r = b r + (1 - b) row means of (g g + eps), c likewise of
//   columns; u = g / sqrt(r c / mean(r));  of a vector: v = b v + (1 - b)(g g + eps), u = g /
//   sqrt(v); u /= max(1, rms(u));  p -= lr wd p;  p -= lr u.
// A convolution's kernel is the matrix [out, in k k] here. The reference would factor each k x k
// alone, which saves nothing.
#pragma once

#include "core/train/optimizer.h"

namespace likeness::train {

/// Slots exp_avg_sq_row [rows] and exp_avg_sq_col [columns, in memory order], else exp_avg_sq;
/// fp32.
class Adafactor : public Optimizer {
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
  void prepare(const std::vector<Piece>& pieces, const Update& update) override;
  void gatherMatrix(std::size_t parameter, const Update& update);

  /// What one parameter's pieces need in this update.
  struct Factors {
    std::vector<float> rows, columns;  ///< 1 / sqrt(r / mean(r)), 1 / sqrt(c)
    double clip = 1;                   ///< 1 / max(1, rms(u))
  };
  std::vector<Factors> m_factors;  ///< by parameter
};

}  // namespace likeness::train
