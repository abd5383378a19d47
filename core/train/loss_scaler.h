// Keeps gradients of fp16 above the smallest numbers that it holds.
#pragma once

#include <cstdint>

#include "core/tensor/state_dict.h"

namespace likeness::train {

/// The loss is multiplied by scale() before the backward pass, gradients are divided by it after.
/// An update whose gradients overflowed is left out and the scale halved; after `interval` good
/// ones in a row it is doubled (Micikevicius et al. 2018, 3.2; the numbers of
/// torch.amp.GradScaler).
class LossScaler {
 public:
  /// Without fp16 the scale is 1 for good.
  explicit LossScaler(bool on, std::int64_t interval = 2000)
      : m_on(on), m_interval(interval), m_scale(on ? 65536 : 1) {}
  double scale() const { return m_scale; }
  /// Told of each update whether its gradients were finite; whether to leave it out. An overflow at
  /// scale 1 is none of the scale's making: it is not left out, and an error.
  bool leavesOut(bool finite);

  /// Nothing without fp16, else one tensor, kLossScale.
  void save(tensor::StateDict& state) const;
  /// Takes that tensor out of a checkpoint's; false when it is missing or damaged.
  bool load(tensor::StateDict& state);

 private:
  bool m_on;
  std::int64_t m_interval, m_good = 0;  ///< updates since the scale changed
  double m_scale;
};

}  // namespace likeness::train
