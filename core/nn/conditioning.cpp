#include "core/nn/conditioning.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

namespace likeness::nn {

Conditioning Conditioning::withSizes(const std::vector<PictureSize>& sizes) const {
  if (!pooled.defined()) return *this;
  std::vector<double> ids;
  for (const PictureSize& size : sizes)
    for (const std::int64_t id : size.numbers()) ids.push_back(static_cast<double>(id));
  const auto rows = static_cast<std::int64_t>(sizes.size());
  return {context, pooled, at::tensor(ids, at::kFloat).view({rows, -1}).to(context.device())};
}

Conditioning Conditioning::repeated(std::int64_t count) const {
  const auto rows = [&](const at::Tensor& row) {
    if (!row.defined()) return row;
    std::vector<std::int64_t> shape(static_cast<std::size_t>(row.dim()), -1);
    shape.front() = count;
    return row.expand(shape);
  };
  return {rows(context), rows(pooled), rows(timeIds)};
}

Conditioning Conditioning::to(at::ScalarType dtype) const {
  return {context.to(dtype), pooled.defined() ? pooled.to(dtype) : pooled, timeIds};
}

Conditioning Conditioning::withoutText() const {
  return {at::zeros_like(context), pooled.defined() ? at::zeros_like(pooled) : pooled, timeIds};
}

Conditioning joined(const std::vector<Conditioning>& parts) {
  const auto rows = [&](at::Tensor Conditioning::*member) {
    std::vector<at::Tensor> tensors;
    for (const Conditioning& part : parts)
      if ((part.*member).defined()) tensors.push_back(part.*member);
    return tensors.empty() ? at::Tensor() : at::cat(tensors);
  };
  return {rows(&Conditioning::context), rows(&Conditioning::pooled), rows(&Conditioning::timeIds)};
}

}  // namespace likeness::nn
