#include "core/train/step_in_backward.h"

#include <cmath>

namespace likeness::train {

StepInBackward::StepInBackward(Optimizer& optimizer)
    : m_optimizer(optimizer),
      m_hooks(optimizer.parameters(), [this](std::size_t parameter) { take(parameter); }) {}

void StepInBackward::begin(std::int64_t number, double rateFactor) {
  m_number = number;
  m_rateFactor = rateFactor;
  m_norms.assign(m_optimizer.parameters().size(), -1);
  m_nonFiniteKey.clear();
}

void StepInBackward::take(std::size_t parameter) {
  if (m_number == 0) return;
  TORCH_CHECK(m_norms[parameter] < 0,
              "the gradient of ",
              m_optimizer.parameters()[parameter].key,
              " came in two parts");
  const Optimizer::GradientNorm norm = m_optimizer.gradientNorm(parameter);
  m_norms[parameter] = norm.value;
  if (m_nonFiniteKey.empty()) m_nonFiniteKey = norm.nonFiniteKey;
  if (m_nonFiniteKey.empty())
    m_optimizer.stepOne(parameter, m_number, m_rateFactor);
  else
    m_optimizer.parameters()[parameter].value.mutable_grad().reset();
}

Optimizer::GradientNorm StepInBackward::end() {
  m_number = 0;
  double sum = 0;
  for (const double norm : m_norms)
    if (norm > 0) sum += norm * norm;
  return {std::sqrt(sum), m_nonFiniteKey};
}

}  // namespace likeness::train
