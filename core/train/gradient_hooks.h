// Tells when gradients are whole, while the backward pass goes on.
#pragma once

#include <functional>

#include "core/train/optimizer.h"

namespace likeness::train {

/// On to the parameters for as long as it lives; they can have one alone.
class GradientHooks {
 public:
  /// Called by the thread of a backward pass with the index of a parameter to whose gradient that
  /// pass has added its part: once, wherever the graph uses the parameter. (A block that is
  /// computed again, core/nn/gradient_checkpoint.h, must not share it with others.)
  using Ready = std::function<void(std::size_t parameter)>;
  GradientHooks(const std::vector<Trainable>& parameters, Ready ready);
  ~GradientHooks();
  GradientHooks(const GradientHooks&) = delete;
  GradientHooks& operator=(const GradientHooks&) = delete;

 private:
  std::vector<at::Tensor> m_values;
};

}  // namespace likeness::train
