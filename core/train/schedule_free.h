// Schedule-free AdamW (Defazio et al. 2024, "The Road Less Scheduled"), as the package schedulefree
// (AdamWScheduleFree with r = 0 and weights by the square of the rate). The parameters hold y,
// where gradients are taken; z is where AdamW without a mean would be; what is shown is their
// average x:
//   v = b2 v + (1 - b2) g g;  u = g / (sqrt(v / (1 - b2^t)) + eps) + wd y;
//   c = L^2 / sum of L^2 so far, L the largest rate so far;
//   y = (1 - c) y + c z + lr (b1 (1 - c) - 1) u;  z -= lr u;
//   x = y + (1 - 1 / b1) (z - y).
#pragma once

#include "core/train/optimizer.h"

namespace likeness::train {

/// Slots z and exp_avg_sq (v), fp32. Scalars: largest rate factor, sum of its squares, number of
/// the update they are of.
class ScheduleFree : public Optimizer {
 public:
  ScheduleFree(std::vector<Trainable> parameters,
               const api::OptimizerOptions& options,
               std::uint64_t seed);

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
  void updateElsewhere(const std::vector<std::size_t>& which, const Update& update) override;
  bool showsOthers() const override { return true; }
  at::Tensor shownOf(std::size_t parameter) const override;
  void count(const Update& update);
  double averaging() const;
};

}  // namespace likeness::train
