#include "core/train/gradient_hooks.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>

namespace likeness::train {
namespace {

struct Hook : torch::autograd::PostAccumulateGradHook {
  Hook(std::shared_ptr<const GradientHooks::Ready> ready, std::size_t parameter)
      : m_ready(std::move(ready)), m_parameter(parameter) {}
  void operator()(const torch::autograd::Variable&) override { (*m_ready)(m_parameter); }

  const std::shared_ptr<const GradientHooks::Ready> m_ready;
  const std::size_t m_parameter;
};

}  // namespace

GradientHooks::GradientHooks(const std::vector<Trainable>& parameters, Ready ready) {
  const auto shared = std::make_shared<const Ready>(std::move(ready));
  for (const Trainable& p : parameters) {
    torch::autograd::impl::set_post_acc_grad_hooks(p.value,
                                                   std::make_unique<Hook>(shared, m_values.size()));
    m_values.push_back(p.value);
  }
}

GradientHooks::~GradientHooks() {
  for (const at::Tensor& value : m_values)
    torch::autograd::impl::set_post_acc_grad_hooks(value, nullptr);
}

}  // namespace likeness::train
