// How the operations reach the loops of kernels.h from tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "core/nn/kernels.h"

namespace likeness::nn::functions {

/// Where kernels.h can work.
inline bool hasKernels(const at::Tensor& x) {
  const auto dtype = x.scalar_type();
  return x.is_cpu() && (dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16);
}

/// Calls body(T{}, Real{}) for the dtype of x.
template <class Body>
void dispatch(const at::Tensor& x, const Body& body) {
  if (x.scalar_type() == at::kDouble) return body(double{}, double{});
  if (x.scalar_type() == at::kFloat) return body(float{}, float{});
  body(kernels::Bf16{}, float{});
}

template <class T>
const T* in(const at::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <class T>
T* out(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

/// How many things of `size` values a thread must get for sharing to be worth it.
inline std::int64_t grain(std::int64_t size) { return std::max<std::int64_t>(1, 8192 / size); }

}  // namespace likeness::nn::functions
