// DreamBooth's loss over the two halves of a batch, and the weights of noise levels.
#include "core/diffusion/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mse_loss.h>

namespace likeness::diffusion {
namespace {

/// [N] fp64. min-SNR (Hang et al. 2023) and debiased estimation (Yu et al. 2023) say how much an
/// error of the clean picture counts, min(snr, gamma) and sqrt(snr); a unit of error in noise or
/// velocity is 1 / snr or 1 / (snr + 1) of one there, a model that predicts the picture is there.
/// (For velocity kohya and OneTrainer have other debiased weights, which are other objectives.) P2
/// (Choi et al. 2022, k = 1) is a factor of the objective that the model has.
at::Tensor timestepWeights(const api::LossOptions& options,
                           const NoiseSchedule& schedule,
                           const at::Tensor& timesteps) {
  // With zero terminal SNR the last alpha is 0; samplers put the same floor under it.
  constexpr double kFloor = 0x1p-24;
  const at::Tensor a = schedule.alphasCumprod()
                           .index_select(0, timesteps.to(at::kCPU))
                           .to(at::kDouble)
                           .clamp(kFloor, 1 - kFloor);
  const at::Tensor snr = a / (1 - a);
  if (options.weighting == api::LossWeighting::P2) return (snr + 1).pow(-options.p2Gamma);
  const at::Tensor ofPicture = options.weighting == api::LossWeighting::MinSnr
                                   ? snr.clamp_max(options.minSnrGamma)
                                   : snr.sqrt();
  const auto prediction = schedule.config().predictionType;
  if (prediction == nn::PredictionType::Sample) return ofPicture;
  if (prediction == nn::PredictionType::Epsilon) return ofPicture / snr;
  return ofPicture / (snr + 1);
}

/// [rows] of [rows, C, h, w].
at::Tensor rowLosses(const at::Tensor& prediction, const at::Tensor& target, const LossForm& form) {
  at::Tensor errors = (prediction - target).square();
  if (form.huberDelta) {
    // 2c (sqrt(d^2 + c^2) - c) without the difference of two near numbers.
    const double c = *form.huberDelta;
    errors = 2 * c * errors / ((errors + c * c).sqrt() + c);
  }
  if (form.elementWeights.defined()) errors = errors * form.elementWeights;
  const at::Tensor rows = errors.mean({1, 2, 3});
  return form.rowWeights.defined() ? rows * form.rowWeights : rows;
}

}  // namespace

LossForm lossForm(const api::LossOptions& options,
                  const NoiseSchedule& schedule,
                  const at::Tensor& timesteps,
                  const at::Tensor& mask) {
  LossForm form;
  if (options.kind == api::LossKind::Huber) form.huberDelta = options.huberDelta;
  if (options.weighting != api::LossWeighting::Constant)
    form.rowWeights =
        timestepWeights(options, schedule, timesteps).to(timesteps.device(), at::kFloat);
  if (mask.defined())
    form.elementWeights = mask * (1 - options.unmaskedWeight) + options.unmaskedWeight;
  return form;
}

DreamBoothLoss dreamBoothLoss(const at::Tensor& prediction,
                              const at::Tensor& target,
                              std::int64_t subjectRows,
                              double classWeight,
                              const LossForm& form) {
  const auto dtype = prediction.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor p = prediction.to(dtype), t = target.to(dtype);
  const bool plain =
      !form.huberDelta && !form.rowWeights.defined() && !form.elementWeights.defined();
  // The plain loss is torch's own operation: half the memory, and the very bits of its gradient.
  const at::Tensor rows = plain ? rowLosses(p.detach(), t, form) : rowLosses(p, t, form);
  const auto half = [&](std::int64_t from, std::int64_t count) {
    return plain ? at::mse_loss(p.narrow(0, from, count), t.narrow(0, from, count))
                 : rows.narrow(0, from, count).mean();
  };
  DreamBoothLoss loss;
  loss.subject = half(0, subjectRows);
  loss.subjectRows = rows.narrow(0, 0, subjectRows).detach();
  loss.total = loss.subject;
  if (const std::int64_t classRows = p.size(0) - subjectRows; classRows > 0) {
    loss.classes = half(subjectRows, classRows);
    loss.total = loss.subject + classWeight * loss.classes;
  }
  return loss;
}

}  // namespace likeness::diffusion
