// Products: linear layers, adapters, convolutions.
#include "core/nn/functions.h"

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/nn/kernel_dispatch.h"

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

kernels::WindowShape windowShape(at::IntArrayRef input,
                                 std::int64_t kernel,
                                 std::int64_t stride,
                                 std::int64_t padding) {
  const auto outputs = [&](std::int64_t size) {
    return (size + 2 * padding - kernel) / stride + 1;
  };
  return {
      input[2], input[3], input[1], outputs(input[2]), outputs(input[3]), kernel, stride, padding};
}

std::int64_t windowSize(const kernels::WindowShape& s) { return s.kernel * s.kernel * s.channels; }

std::int64_t outputPixels(const at::Tensor& x, const kernels::WindowShape& s) {
  return x.size(0) * s.outHeight * s.outWidth;
}

/// Windows of x as rows: [N H' W', k k C], the layout of a channels-last weight's rows.
at::Tensor windows(const at::Tensor& input, const kernels::WindowShape& s) {
  const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
  const std::int64_t count = outputPixels(x, s), size = windowSize(s);
  const at::Tensor rows = at::empty({count, size}, x.options());
  dispatch(x, [&]<class T, class Real>(T, Real) {
    at::parallel_for(0, count, grain(size), [&](std::int64_t first, std::int64_t last) {
      kernels::windowsForward<T>(s, first, last, in<T>(x), out<T>(rows));
    });
  });
  return rows;
}

/// Gradient of x [sizes], channels-last, from that of its windows.
at::Tensor windowsBackward(const at::Tensor& rows,
                           at::IntArrayRef sizes,
                           const kernels::WindowShape& s) {
  const at::Tensor dx =
      at::empty(sizes, rows.options().memory_format(at::MemoryFormat::ChannelsLast));
  const std::int64_t pixels = sizes[0] * s.height * s.width;
  dispatch(rows, [&]<class T, class Real>(T, Real) {
    at::parallel_for(0, pixels, grain(windowSize(s)), [&](std::int64_t first, std::int64_t last) {
      kernels::windowsBackward<T>(s, first, last, in<T>(rows), out<T>(dx));
    });
  });
  return dx;
}

/// [out, in, k, k] -> [out, k k in], a view of channels-last memory.
at::Tensor windowMatrix(const at::Tensor& weight) {
  return weight.permute({0, 2, 3, 1}).reshape({weight.size(0), -1});
}

/// Few output pixels: oneDNN then spends its time on reordering weights, at every call, and
/// products over windows are faster. Microseconds of one 3x3 layer, 2 threads with AMX, oneDNN
/// against products:
///   pixels, channels     forward bf16, fp32     input bf16, fp32      weight bf16, fp32
///   32, 256 -> 256       193:53    342:134      199:58    351:115     405:71    406:117
///   128, 160 -> 160      112:68    225:175       97:58    236:148     201:75    260:148
///   512, 96 -> 96         80:73    230:278       88:102   228:230     121:96    246:246
///   2048, 96 -> 96       147:298   806:1341     149:423   808:1134    243:462   878:1236
constexpr std::int64_t fewPixels = 256, fewPixelsForWeight = 1024;

/// Forward and gradient of the input by products.
bool byProducts(const at::Tensor& x, const kernels::WindowShape& s) {
  return hasKernels(x) && outputPixels(x, s) <= fewPixels;
}

at::Tensor convolve(const at::Tensor& x,
                    const at::Tensor& weight,
                    const std::optional<at::Tensor>& bias,
                    std::int64_t stride,
                    std::int64_t padding) {
  const auto shape = windowShape(x.sizes(), weight.size(2), stride, padding);
  if (!byProducts(x, shape)) return at::conv2d(x, weight, bias, stride, padding);
  const at::Tensor rows = windows(x, shape), matrix = windowMatrix(weight).t();
  return (bias ? at::addmm(*bias, rows, matrix) : at::mm(rows, matrix))
      .view({x.size(0), shape.outHeight, shape.outWidth, weight.size(0)})
      .permute({0, 3, 1, 2});
}

struct Conv2dFunction : Function<Conv2dFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& x,
                            const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias,
                            const at::Tensor& computeWeight,
                            const std::optional<at::Tensor>& computeBias,
                            std::int64_t stride,
                            std::int64_t padding) {
    // The input is kept rather than its windows, nine times as large and quickly made again; frozen
    // weights do not keep it alive.
    context->save_for_backward({weight.requires_grad() ? x : at::Tensor(),
                                computeWeight,
                                weight,
                                bias.value_or(at::Tensor())});
    context->saved_data["sizes"] = x.sizes();
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return convolve(x, computeWeight, computeBias, stride, padding);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &master = saved[2], &bias = saved[3];
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const std::int64_t stride = context->saved_data["stride"].toInt();
    const std::int64_t padding = context->saved_data["padding"].toInt();
    const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const auto shape = windowShape(sizes, weight.size(2), stride, padding);
    const bool inputByProduct = byProducts(dy, shape);
    const bool weightByProduct = hasKernels(dy) && outputPixels(dy, shape) <= fewPixelsForWeight;
    const bool wantsInput = context->needs_input_grad(0);
    const bool wantsWeight = context->needs_input_grad(1);
    const bool wantsBias = bias.defined() && context->needs_input_grad(2);
    at::Tensor dx, dWeight, dBias;
    if ((wantsInput && !inputByProduct) || ((wantsWeight || wantsBias) && !weightByProduct))
      // Of the input, nothing but its sizes is looked at for its own gradient: memory that no one
      // touches stands for it.
      std::tie(dx, dWeight, dBias) = at::convolution_backward(
          dy,
          x.defined()
              ? x
              : at::empty(sizes, dy.options().memory_format(at::MemoryFormat::ChannelsLast)),
          weight,
          at::OptionalIntArrayRef({weight.size(0)}),
          {stride, stride},
          {padding, padding},
          {1, 1},
          false,
          {0, 0},
          1,
          {wantsInput && !inputByProduct,
           wantsWeight && !weightByProduct,
           wantsBias && !weightByProduct});
    const at::Tensor rows = dy.permute({0, 2, 3, 1}).reshape({-1, dy.size(1)});
    if (wantsInput && inputByProduct)
      dx = windowsBackward(at::mm(rows, windowMatrix(weight)), sizes, shape);
    if (wantsWeight && weightByProduct)
      dWeight = at::mm(rows.t(), windows(x, shape))
                    .view({weight.size(0), shape.kernel, shape.kernel, weight.size(1)})
                    .permute({0, 3, 1, 2});
    if (wantsBias && weightByProduct) dBias = sumOfRows(rows, bias);
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
    return convolve(x, weight.compute, given(bias.compute), stride, padding);
  return Conv2dFunction::apply(
      x, weight.master, given(bias.master), weight.compute, given(bias.compute), stride, padding);
}

}  // namespace likeness::nn::functions
