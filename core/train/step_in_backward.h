// The optimizer's step inside the backward pass: gradients never lie in memory together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/train/gradient_hooks.h"

namespace likeness::train {

/// Updates each parameter as soon as its gradient is whole and drops the gradient. The weights
/// afterwards are bit for bit those of gradients first and one step then. Needs one backward pass
/// per update and no limit on the norm (validate() sees to both), and an optimizer that can update
/// parameters one by one.
class StepInBackward {
 public:
  /// Refers to `optimizer`.
  explicit StepInBackward(Optimizer& optimizer);

  /// The next backward pass makes update `number`; without a call gradients are left as they are.
  void begin(std::int64_t number, double rateFactor);
  /// After that pass: the norm over all gradients, in the order of the parameters. With the first
  /// gradient that is not finite updates end, and its key is named; those of the parameters before
  /// it in the pass are done then, so the last checkpoint is the last good state.
  Optimizer::GradientNorm end();

 private:
  void take(std::size_t parameter);

  Optimizer& m_optimizer;
  const GradientHooks m_hooks;
  std::int64_t m_number = 0;  ///< 0 = no update is under way
  double m_rateFactor = 0;
  std::vector<double> m_norms;  ///< by parameter; negative = not updated yet
  std::string m_nonFiniteKey;
};

}  // namespace likeness::train
