// Counter-based random tensors.
#include "core/tensor/random_tensor.h"

#include <ATen/ops/empty.h>

namespace likeness::tensor {

at::Tensor normal(at::IntArrayRef shape, const base::Random& random) {
  at::Tensor values = at::empty(shape, at::kFloat);
  random.normal({values.mutable_data_ptr<float>(), static_cast<std::size_t>(values.numel())});
  return values;
}

}  // namespace likeness::tensor
