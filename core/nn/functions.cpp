// Products: linear layers, adapters, convolutions.
#include "core/nn/functions.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace likeness::nn::functions {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// [..., n] -> [rows, n].
at::Tensor asRows(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

at::Tensor asMatrix(const at::Tensor& weight) {
  return weight.dim() == 2 ? weight : weight.flatten(1);
}

/// The gradient of `master` from one of its matrix form.
at::Tensor likeMaster(const at::Tensor& gradient, const at::Tensor& master) {
  return gradient.to(master.scalar_type()).view(master.sizes());
}

at::Tensor sumOfRows(const at::Tensor& rows, const at::Tensor& master) {
  return rows.sum(at::IntArrayRef{0}, false, master.scalar_type());
}

std::vector<std::int64_t> withLast(const at::Tensor& x, std::int64_t size) {
  auto sizes = x.sizes().vec();
  sizes.back() = size;
  return sizes;
}

bool wantsGraph(std::initializer_list<const at::Tensor*> inputs) {
  if (!c10::GradMode::is_enabled()) return false;
  for (const at::Tensor* input : inputs)
    if (input->defined() && input->requires_grad()) return true;
  return false;
}

/// Function::apply takes a missing tensor only as an empty optional.
std::optional<at::Tensor> given(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

struct LinearFunction : Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& x,
                            const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias,
                            const at::Tensor& computeWeight,
                            const std::optional<at::Tensor>& computeBias) {
    const at::Tensor rows = asRows(x), matrix = asMatrix(computeWeight);
    // The input is needed for the weight's gradient alone; frozen layers do not keep it alive.
    context->save_for_backward({weight.requires_grad() ? rows : at::Tensor(),
                                matrix,
                                weight,
                                bias.value_or(at::Tensor())});
    const at::Tensor y =
        computeBias ? at::addmm(*computeBias, rows, matrix.t()) : at::mm(rows, matrix.t());
    return y.view(withLast(x, matrix.size(0)));
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &matrix = saved[1], &weight = saved[2], &bias = saved[3];
    const at::Tensor dy = asRows(gradients[0]);
    at::Tensor dx, dWeight, dBias;
    if (context->needs_input_grad(0))
      dx = at::mm(dy, matrix).view(withLast(gradients[0], matrix.size(1)));
    if (context->needs_input_grad(1)) dWeight = likeMaster(at::mm(dy.t(), rows), weight);
    if (bias.defined() && context->needs_input_grad(2)) dBias = sumOfRows(dy, bias);
    return {dx, dWeight, dBias, at::Tensor(), at::Tensor()};
  }
};

struct AddLowRankFunction : Function<AddLowRankFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& y,
                            const at::Tensor& x,
                            const at::Tensor& down,
                            const at::Tensor& up,
                            const at::Tensor& computeDown,
                            const at::Tensor& computeUp,
                            double factor) {
    const at::Tensor rows = asRows(x), a = asMatrix(computeDown), b = asMatrix(computeUp);
    const at::Tensor inner = at::mm(rows, a.t());
    context->save_for_backward({rows, inner, a, b, down, up});
    context->saved_data["factor"] = factor;
    return at::addmm(asRows(y), inner, b.t(), 1, factor).view(y.sizes());
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &inner = saved[1], &a = saved[2], &b = saved[3];
    const double factor = context->saved_data["factor"].toDouble();
    const at::Tensor dy = asRows(gradients[0]);
    const at::Tensor dInner = at::mm(dy, b).mul_(factor);
    at::Tensor dx, dDown, dUp;
    if (context->needs_input_grad(1))
      dx = at::mm(dInner, a).view(withLast(gradients[0], a.size(1)));
    if (context->needs_input_grad(2)) dDown = likeMaster(at::mm(dInner.t(), rows), saved[4]);
    if (context->needs_input_grad(3))
      dUp = likeMaster(at::mm(dy.t(), inner).mul_(factor), saved[5]);
    return {gradients[0], dx, dDown, dUp, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

/// Windows of channels-last x as rows: [N H' W', k k C], the layout of a channels-last weight's
/// rows.
at::Tensor windows(const at::Tensor& x,
                   std::int64_t kernel,
                   std::int64_t stride,
                   std::int64_t padding) {
  const at::Tensor padded =
      at::constant_pad_nd(x.permute({0, 2, 3, 1}), {0, 0, padding, padding, padding, padding});
  const std::int64_t height = (padded.size(1) - kernel) / stride + 1;
  const std::int64_t width = (padded.size(2) - kernel) / stride + 1;
  const auto s = padded.strides();
  return padded
      .as_strided({x.size(0), height, width, kernel, kernel, x.size(1)},
                  {s[0], stride * s[1], stride * s[2], s[1], s[2], s[3]})
      .reshape({-1, kernel * kernel * x.size(1)});
}

/// Few output pixels: oneDNN's weight gradient then spends its time on reordering weights, and one
/// product is faster (measured: 8.7 against 19.6 ms over the starter UNet's 3x3 layers in
/// bf16, 18.4 against 30.7 in fp32).
constexpr std::int64_t fewPixels = 1024;

struct Conv2dFunction : Function<Conv2dFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& x,
                            const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias,
                            const at::Tensor& computeWeight,
                            const std::optional<at::Tensor>& computeBias,
                            std::int64_t stride,
                            std::int64_t padding) {
    context->save_for_backward({x, computeWeight, weight, bias.value_or(at::Tensor())});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return at::conv2d(x, computeWeight, computeBias, stride, padding);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &master = saved[2], &bias = saved[3];
    const std::int64_t stride = context->saved_data["stride"].toInt();
    const std::int64_t padding = context->saved_data["padding"].toInt();
    const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const bool byProduct = dy.size(0) * dy.size(2) * dy.size(3) <= fewPixels;
    const bool wantsWeight = context->needs_input_grad(1);
    const bool wantsBias = bias.defined() && context->needs_input_grad(2);
    at::Tensor dx, dWeight, dBias;
    std::tie(dx, dWeight, dBias) = at::convolution_backward(
        dy,
        x,
        weight,
        at::OptionalIntArrayRef({weight.size(0)}),
        {stride, stride},
        {padding, padding},
        {1, 1},
        false,
        {0, 0},
        1,
        {context->needs_input_grad(0), wantsWeight && !byProduct, wantsBias && !byProduct});
    if (byProduct && (wantsWeight || wantsBias)) {
      const at::Tensor rows = dy.permute({0, 2, 3, 1}).reshape({-1, dy.size(1)});
      const std::int64_t kernel = weight.size(2);
      if (wantsWeight)
        dWeight = at::mm(rows.t(), windows(x, kernel, stride, padding))
                      .view({weight.size(0), kernel, kernel, weight.size(1)})
                      .permute({0, 3, 1, 2});
      if (wantsBias) dBias = sumOfRows(rows, bias);
    }
    if (dWeight.defined()) dWeight = dWeight.to(master.scalar_type());
    if (dBias.defined()) dBias = dBias.to(bias.scalar_type());
    return {dx, dWeight, dBias, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const Weight& weight, const Weight& bias) {
  if (!wantsGraph({&x, &weight.master, &bias.master}))
    return at::linear(x, asMatrix(weight.compute), bias.compute);
  return LinearFunction::apply(
      x, weight.master, given(bias.master), weight.compute, given(bias.compute));
}

at::Tensor addLowRank(
    const at::Tensor& y, const at::Tensor& x, const Weight& down, const Weight& up, double factor) {
  return AddLowRankFunction::apply(y, x, down.master, up.master, down.compute, up.compute, factor);
}

at::Tensor conv2d(const at::Tensor& x,
                  const Weight& weight,
                  const Weight& bias,
                  std::int64_t stride,
                  std::int64_t padding) {
  if (!wantsGraph({&x, &weight.master, &bias.master}))
    return at::conv2d(x, weight.compute, bias.compute, stride, padding);
  return Conv2dFunction::apply(
      x, weight.master, given(bias.master), weight.compute, given(bias.compute), stride, padding);
}

}  // namespace likeness::nn::functions
