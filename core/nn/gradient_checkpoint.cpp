// A node of the autograd graph that holds a whole block.
#include "core/nn/gradient_checkpoint.h"

#include <ATen/ops/alias.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <array>

namespace likeness::nn {
namespace {

using torch::autograd::variable_list;

/// A node, not a torch::autograd::Function: that one records nothing when no argument wants a
/// gradient, and the parameters inside a first block of frozen input would never learn.
class CheckpointNode : public torch::autograd::Node {
 public:
  CheckpointNode(const at::Tensor& x, const at::Tensor& other, GradientCheckpoint::Block block)
      : Node(torch::autograd::collect_next_edges(x, other)),
        m_inputs{x, other},
        m_block(std::move(block)) {}

  variable_list apply(variable_list&& gradients) override {
    TORCH_CHECK(m_block, "a checkpointed block is differentiated twice");
    const c10::AutoGradMode recording(true);
    std::array<at::Tensor, 2> leaves;
    for (std::size_t i = 0; i < 2; ++i)
      if (m_inputs[i].defined())
        leaves[i] = m_inputs[i].detach().requires_grad_(task_should_compute_output(i));
    // Parameters receive theirs in here, one after the other, as in the graph of a whole network.
    m_block(leaves[0], leaves[1]).backward(gradients[0]);
    variable_list results(2);
    for (std::size_t i = 0; i < 2; ++i)
      if (leaves[i].defined()) results[i] = leaves[i].grad();
    return results;
  }
  void release_variables() override {
    m_inputs = {};
    m_block = {};
  }
  std::string name() const override { return "GradientCheckpoint"; }

 private:
  std::array<at::Tensor, 2> m_inputs;
  GradientCheckpoint::Block m_block;
};

at::Tensor mapIfDefined(const at::Tensor& tensor, at::Tensor (*map)(const at::Tensor&)) {
  return tensor.defined() && tensor.requires_grad() ? map(tensor) : tensor;
}

}  // namespace

at::Tensor GradientCheckpoint::operator()(const at::Tensor& x,
                                          const at::Tensor& other,
                                          const Block& block) const {
  if (!c10::GradMode::is_enabled()) return block(x, other);
  if (!*m_isOn) {
    // The node of an alias is where a gradient is summed.
    const auto alias = [](const at::Tensor& input) { return at::alias(input); };
    return block(mapIfDefined(x, alias), mapIfDefined(other, alias));
  }
  const auto leaf = [](const at::Tensor& input) { return input.detach().requires_grad_(true); };
  // Recorded although the record is dropped: whether anything in here is trained is known then, and
  // layers take the ways of a training pass, which round otherwise than those of inference.
  const at::Tensor y = block(mapIfDefined(x, leaf), mapIfDefined(other, leaf));
  if (!y.requires_grad()) return y;
  at::Tensor output = y.detach();
  const std::shared_ptr<CheckpointNode> node(new CheckpointNode(x, other, block),
                                             torch::autograd::deleteNode);
  torch::autograd::create_gradient_edge(output, node);
  return output;
}

}  // namespace likeness::nn
