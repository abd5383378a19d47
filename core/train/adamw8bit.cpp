#include "core/train/adamw8bit.h"

#include <ATen/ops/bucketize.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/train/adamw.h"
#include "core/train/optimizer_kernels.h"

namespace likeness::train {
namespace {

constexpr std::int64_t kBlock = kernels::kQuantizedBlock, kSmall = 4096;
enum { kMean, kSquare, kMeanLargest, kSquareLargest };

}  // namespace

std::vector<Optimizer::Slot> AdamW8bit::makeSlots(const at::Tensor& value) const {
  const std::int64_t n = value.numel();
  const at::ScalarType type = n < kSmall ? at::kFloat : at::kByte;
  std::vector<Slot> slots{{"exp_avg", at::zeros_like(value, type)},
                          {"exp_avg_sq", at::zeros_like(value, type)}};
  if (n < kSmall) return slots;
  for (const auto* name : {"exp_avg_absmax", "exp_avg_sq_absmax"})
    slots.push_back(
        {name, at::zeros({(n + kBlock - 1) / kBlock}, value.options().dtype(at::kFloat))});
  return slots;
}

void AdamW8bit::updatePiece(const Piece& p, const Update& update, const float* g, float* value) {
  const kernels::AdamWStep step = kernels::adamWStep(options().beta1,
                                                     options().beta2,
                                                     options().epsilon,
                                                     options().weightDecay,
                                                     rateOf(p.parameter, update),
                                                     update.number,
                                                     update.gradientFactor);
  if (slot(p.parameter, kMean).scalar_type() == at::kFloat) {
    kernels::adamW(step, p.size, g, slot(p, kMean), slot(p, kSquare), value);
    return;
  }
  const auto moment = [&](std::size_t codes, std::size_t largest) -> kernels::Quantized {
    return {slot(p.parameter, codes).mutable_data_ptr<std::uint8_t>() + p.begin,
            slot(p.parameter, largest).mutable_data_ptr<float>() + p.begin / kBlock};
  };
  kernels::adamW8bit(
      step, p.size, g, moment(kMean, kMeanLargest), moment(kSquare, kSquareLargest), value);
}

namespace {

at::Tensor onDevice(std::span<const float> values, const at::Tensor& like) {
  return at::from_blob(const_cast<float*>(values.data()),
                       {static_cast<std::int64_t>(values.size())},
                       at::kFloat)
      .to(like.device());
}

/// Values in memory order as rows of a block each, zeros behind the last.
at::Tensor blocksOf(const at::Tensor& values) {
  const std::int64_t n = values.numel();
  return at::constant_pad_nd(values.as_strided({n}, {1}), {0, (kBlock - n % kBlock) % kBlock})
      .view({-1, kBlock});
}

at::Tensor dequantized(const at::Tensor& codes,
                       const at::Tensor& largest,
                       const kernels::DynamicMap& map) {
  const at::Tensor blocks = blocksOf(codes);
  const at::Tensor values =
      onDevice(map.values, codes).index_select(0, blocks.flatten().to(at::kInt));
  const at::Tensor out = at::zeros_like(codes, at::kFloat);
  out.as_strided({out.numel()}, {1})
      .copy_(values.view_as(blocks).mul(largest.unsqueeze(1)).flatten().slice(0, 0, out.numel()));
  return out;
}

void quantize(const at::Tensor& values,
              const kernels::DynamicMap& map,
              const at::Tensor& codes,
              const at::Tensor& largest) {
  const at::Tensor blocks = blocksOf(values);
  largest.copy_(blocks.abs().amax(1).clamp_min_(kernels::kSmallestLargest));
  codes.as_strided({codes.numel()}, {1})
      .copy_(at::bucketize(blocks.div(largest.unsqueeze(1)), onDevice(map.bounds, values))
                 .flatten()
                 .slice(0, 0, codes.numel()));
}

}  // namespace

void AdamW8bit::updateTensor(std::size_t parameter,
                             const Update& update,
                             const at::Tensor& gradient,
                             const at::Tensor& value) {
  const double rate = rateOf(parameter, update);
  at::Tensor mean = slot(parameter, kMean), square = slot(parameter, kSquare);
  if (mean.scalar_type() == at::kFloat) {
    adamW(gradient, mean, square, value, rate, update.number, options());
    return;
  }
  const at::Tensor &meanLargest = slot(parameter, kMeanLargest),
                   &squareLargest = slot(parameter, kSquareLargest);
  mean = dequantized(mean, meanLargest, kernels::signedMap());
  square = dequantized(square, squareLargest, kernels::unsignedMap());
  adamW(gradient, mean, square, value, rate, update.number, options());
  quantize(mean, kernels::signedMap(), slot(parameter, kMean), meanLargest);
  quantize(square, kernels::unsignedMap(), slot(parameter, kSquare), squareLargest);
}

}  // namespace likeness::train
