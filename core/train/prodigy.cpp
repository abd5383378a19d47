#include "core/train/prodigy.h"

#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "core/train/optimizer_kernels.h"

namespace likeness::train {
namespace {

constexpr double kFirstEstimate = 1e-6;  // d0
enum { kEstimate, kLargest, kNumerator };
enum { kMean, kSquare, kSum, kBegin };

}  // namespace

Prodigy::Prodigy(std::vector<Trainable> parameters,
                 const api::OptimizerOptions& options,
                 std::uint64_t seed)
    : Optimizer(std::move(parameters), options, seed) {
  m_scalars = {kFirstEstimate, kFirstEstimate, 0};
  for (const Trainable& p : this->parameters())
    m_largestRate = std::max(m_largestRate, p.learningRate);
}

std::vector<Optimizer::Slot> Prodigy::makeSlots(const at::Tensor& value) const {
  return {{"exp_avg", at::zeros_like(value)},
          {"exp_avg_sq", at::zeros_like(value)},
          {"s", at::zeros_like(value)},
          {"p0", value.clone()}};
}

double Prodigy::weight(const Update& update) const {
  const double d = m_scalars[kEstimate];
  return d / kFirstEstimate * d * m_largestRate * update.rateFactor;
}

/// From the sums over all parameters: of g (p0 - p), and of |s|.
void Prodigy::estimate(double dot, double absolute, const Update& update) {
  double &d = m_scalars[kEstimate], &largest = m_scalars[kLargest],
         &numerator = m_scalars[kNumerator];
  m_rate = absolute > 0 ? d * update.rateFactor : 0;
  if (absolute == 0) return;
  numerator = std::sqrt(options().beta2) * numerator + weight(update) * dot;
  const double estimated = numerator / absolute;
  if (d == kFirstEstimate) d = std::max(d, estimated);
  largest = std::max(largest, estimated);
  d = largest;
}

void Prodigy::prepare(const std::vector<Piece>& pieces, const Update& update) {
  const double d = m_scalars[kEstimate];
  const kernels::ProdigyGathering step{static_cast<float>(options().beta1),
                                       static_cast<float>(options().beta2),
                                       static_cast<float>(std::sqrt(options().beta2)),
                                       static_cast<float>(d * (1 - options().beta1)),
                                       static_cast<float>(d * d * (1 - options().beta2)),
                                       static_cast<float>(weight(update)),
                                       static_cast<float>(update.gradientFactor)};
  std::vector<kernels::ProdigySums> sums(pieces.size());
  forEach(pieces.size(), [&](std::size_t i, Scratch& scratch) {
    const Piece& p = pieces[i];
    sums[i] =
        kernels::prodigyGather(step,
                               p.size,
                               gradient(p, scratch),
                               parameters()[p.parameter].value.const_data_ptr<float>() + p.begin,
                               slot(p, kBegin),
                               slot(p, kMean),
                               slot(p, kSquare),
                               slot(p, kSum));
  });
  kernels::ProdigySums all;
  for (const auto& [dot, absolute] : sums) {
    all.dot += dot;
    all.absolute += absolute;
  }
  estimate(all.dot, all.absolute, update);
}

void Prodigy::updatePiece(const Piece& p, const Update&, const float*, float* value) {
  const double rate = m_rate * parameters()[p.parameter].learningRate;
  kernels::prodigyApply(p.size,
                        static_cast<float>(1 - rate * options().weightDecay),
                        static_cast<float>(rate),
                        static_cast<float>(m_scalars[kEstimate] * options().epsilon),
                        slot(p, kMean),
                        slot(p, kSquare),
                        value);
}

void Prodigy::updateElsewhere(const std::vector<std::size_t>& which, const Update& update) {
  const double d = m_scalars[kEstimate];
  double dot = 0, absolute = 0;
  for (const std::size_t i : which) {
    const at::Tensor g = parameters()[i].value.grad().mul(update.gradientFactor);
    const at::Tensor away = slot(i, kBegin).sub(parameters()[i].value.detach());
    dot += g.mul(away).sum(at::kDouble).item<double>();
    slot(i, kMean).mul_(options().beta1).add_(g, d * (1 - options().beta1));
    slot(i, kSquare).mul_(options().beta2).addcmul_(g, g, d * d * (1 - options().beta2));
    slot(i, kSum).mul_(std::sqrt(options().beta2)).add_(g, weight(update));
    absolute += slot(i, kSum).abs().sum(at::kDouble).item<double>();
  }
  estimate(dot, absolute, update);
  Optimizer::updateElsewhere(which, update);
}

void Prodigy::updateTensor(std::size_t parameter,
                           const Update&,
                           const at::Tensor&,
                           const at::Tensor& value) {
  const double rate = m_rate * parameters()[parameter].learningRate;
  value.mul_(1 - rate * options().weightDecay)
      .addcdiv_(slot(parameter, kMean),
                slot(parameter, kSquare).sqrt().add_(m_scalars[kEstimate] * options().epsilon),
                -rate);
}

}  // namespace likeness::train
