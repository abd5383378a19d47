// Counter-based random tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/base/random.h"

namespace likeness::tensor {

/// Standard normal fp32 CPU tensor; value i is a function of (seed, purpose, step, sample, i).
at::Tensor normal(at::IntArrayRef shape, const base::Random& random);

}  // namespace likeness::tensor
