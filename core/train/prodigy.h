// Prodigy (Mishchenko & Defazio 2023, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner"),
// as the package prodigyopt with its defaults (d0 = 1e-6, b3 = sqrt(b2), no bias correction, no
// safeguard for a warm-up), for all parameters together, p0 where they began:
//   a = d lr;  n = b3 n + sum of (d / d0) a g (p0 - p);
//   m = b1 m + d (1 - b1) g;  v = b2 v + d^2 (1 - b2) g g;  s = b3 s + (d / d0) a g;
//   e = n / sum of |s|;  d = max(e, d) at first, then the largest e so far;
//   p -= a wd p;  p -= a m / (sqrt(v) + d eps), with the new d in the last term.
// The learning rate is a factor, 1 as a rule. Of parameters with unequal ones the largest counts
// for the estimate, and their steps are in proportion; the reference takes equal ones alone.
#pragma once

#include "core/train/optimizer.h"

namespace likeness::train {

/// Slots exp_avg (m), exp_avg_sq (v), s and p0, fp32. Scalars: d, the largest e, n.
class Prodigy : public Optimizer {
 public:
  Prodigy(std::vector<Trainable> parameters,
          const api::OptimizerOptions& options,
          std::uint64_t seed);

  /// With d in it.
  double learningRate(std::int64_t step, double rateFactor) const override {
    return m_scalars[0] * Optimizer::learningRate(step, rateFactor);
  }

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
  /// What gradients give s: (d / d0) a.
  double weight(const Update& update) const;
  void estimate(double dot, double absolute, const Update& update);

  double m_largestRate = 0;
  double m_rate = 0;  ///< of this update, before the largest learning rate's share; 0 = no gradient
};

}  // namespace likeness::train
