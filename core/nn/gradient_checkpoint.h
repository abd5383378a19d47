// Gradient checkpointing (Chen et al. 2016): a block keeps its inputs alone and computes its
// activations again in the backward pass. LibTorch has it in Python only.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "core/nn/weights.h"

namespace likeness::nn {

/// A block that can do so, where ParameterStore::setCheckpointing() asks for it; as a member of the
/// layer it stands for. On or off, outputs and gradients are the same bit for bit: both record the
/// same operations, and the gradient of an input is summed inside the block before it leaves.
class GradientCheckpoint {
 public:
  /// A function of its arguments and of parameters alone, called again in the backward pass: it
  /// holds by value what does not live as long as the network.
  using Block = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& other)>;
  explicit GradientCheckpoint(const Weights& w) : m_isOn(w.checkpointing()) {}
  /// block(x, other). Gradients reach x and `other` (undefined where a block has one input) as well
  /// as whatever the block reads and wants them, whether or not its inputs do.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& other, const Block& block) const;

 private:
  std::shared_ptr<const bool> m_isOn;
};

}  // namespace likeness::nn
