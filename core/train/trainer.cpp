// The step function of every method.
#include "core/train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/diffusion/losses.h"
#include "core/tensor/out_of_memory.h"

namespace likeness::train {

namespace {

/// Means of values by the quarter of the schedule that their timestep lies in.
class BandMeans {
 public:
  void add(const at::Tensor& timesteps, const at::Tensor& losses, std::int64_t trainTimesteps) {
    for (std::int64_t row = 0; row < losses.size(0); ++row) {
      const auto band =
          static_cast<std::size_t>(4 * timesteps[row].item<std::int64_t>() / trainTimesteps);
      m_sums[band] += losses[row].item<double>();
      ++m_counts[band];
    }
  }
  std::array<std::optional<double>, 4> means() const {
    std::array<std::optional<double>, 4> means;
    for (std::size_t band = 0; band < 4; ++band)
      if (m_counts[band] > 0) means[band] = m_sums[band] / m_counts[band];
    return means;
  }

 private:
  std::array<double, 4> m_sums{};
  std::array<int, 4> m_counts{};
};

}  // namespace

Trainer::Trainer(nn::StableDiffusion& model,
                 const api::TrainRequest& recipe,
                 data::LatentSet subject,
                 data::LatentSet classes,
                 at::ScalarType compute)
    : m_model(model),
      m_recipe(recipe),
      m_compute(compute),
      m_device(model.unet.store->device()),
      m_schedule(model.schedule),
      m_batches(recipe,
                std::move(subject),
                std::move(classes),
                model.schedule.numTrainTimesteps,
                model.files.configs.vae.scalingFactor),
      m_lrSchedule(makeSchedule(recipe.training, recipe.training.steps)),
      m_trainables(markTrainable(model, recipe)),
      m_optimizer(makeOptimizer(std::move(m_trainables.parameters),
                                recipe.optimizer,
                                static_cast<std::uint64_t>(recipe.training.seed))),
      m_microBatch(recipe.training.batchSize) {
  for (const auto& store : {model.unet.store, model.textEncoder.store, model.textEncoder2.store})
    if (store) store->setCheckpointing(recipe.memory.checkpointing);
  if (m_recipe.memory.stepInBackward) m_stepInBackward.emplace(*m_optimizer);
  if (m_trainables.textUntil == 0) encodeFrozenPrompts();
}

/// Sets which parameters want a gradient in a step.
void Trainer::chooseTrained(std::int64_t step) {
  for (const Trainable& p : m_optimizer->parameters()) p.value.requires_grad_(p.isTrained(step));
  if (step >= m_trainables.textUntil && m_frozenText.empty()) encodeFrozenPrompts();
}

// ---- text

/// Rows that stand for "no prompt" become what the model is asked with when nothing guides it.
nn::Conditioning Trainer::zeroedWhereEmpty(nn::Conditioning text,
                                           const std::vector<std::string>& prompts) const {
  if (!m_model.isXl() || !m_model.files.zerosForEmptyPrompt) return text;
  if (std::ranges::none_of(prompts, &std::string::empty)) return text;
  std::vector<float> kept;
  for (const std::string& prompt : prompts) kept.push_back(prompt.empty() ? 0 : 1);
  const at::Tensor factors = at::tensor(kept).to(text.context.device(), text.context.scalar_type());
  text.context = text.context * factors.view({-1, 1, 1});
  text.pooled = text.pooled * factors.view({-1, 1});
  return text;
}

void Trainer::encodeFrozenPrompts() {
  const at::NoGradGuard noGradients;
  for (const std::string& prompt : m_batches.prompts())
    m_frozenText[prompt] =
        zeroedWhereEmpty(nn::encodeText(m_model, {prompt}, {m_compute}), {prompt});
}

nn::Conditioning Trainer::encode(const std::vector<std::string>& prompts) const {
  if (m_frozenText.empty())
    return zeroedWhereEmpty(nn::encodeText(m_model, prompts, {m_compute}), prompts);
  std::vector<nn::Conditioning> rows;
  for (const std::string& prompt : prompts) rows.push_back(m_frozenText.at(prompt));
  return nn::joined(rows);
}

// ---- losses

Trainer::Prediction Trainer::predict(const Batch& batch) const {
  const at::Tensor latents = batch.latents.to(m_device);
  const at::Tensor timesteps = batch.timesteps.to(m_device);
  const at::Tensor noisy =
      m_schedule.addNoise(latents, batch.addedNoise.to(m_device), timesteps).to(m_compute);
  const nn::Conditioning text = encode(batch.prompts).withSizes(batch.sizes);
  return {m_model.unet.model->forward(noisy, timesteps, text),
          m_schedule.target(latents, batch.noise.to(m_device), timesteps)};
}

Losses Trainer::gradients(std::int64_t step) {
  chooseTrained(step);
  for (;;) {
    try {
      return gradientsInParts(step);
    } catch (const std::exception& error) {
      // Nothing is left to divide, or weights have changed already.
      if (!tensor::isOutOfMemory(error) || m_microBatch == 1 || m_stepInBackward) throw;
      m_optimizer->dropGradients();
      m_microBatch /= 2;
    }
  }
}

Losses Trainer::gradientsInParts(std::int64_t step) {
  const std::int64_t size = m_recipe.training.batchSize;
  const std::int64_t all = size * m_recipe.training.gradientAccumulation;
  Losses losses;
  BandMeans bands;
  if (m_batches.hasClasses()) losses.classHalf = 0;
  for (std::int64_t first = 0, count = 0; first < all; first += count) {
    count = std::min(m_microBatch, size - first % size);  // pictures of one shape
    const double share = static_cast<double>(all) / static_cast<double>(count);
    const Batch batch = m_batches.make(step, first, count);
    const Prediction p = predict(batch);
    const diffusion::DreamBoothLoss loss = diffusion::dreamBoothLoss(
        p.predicted,
        p.target,
        batch.subjectRows,
        m_recipe.prior.weight,
        diffusion::lossForm(m_recipe.loss,
                            m_schedule,
                            batch.timesteps.to(m_device),
                            batch.mask.defined() ? batch.mask.to(m_device) : batch.mask));
    losses.subject += loss.subject.item<double>() / share;
    if (losses.classHalf) *losses.classHalf += loss.classes.item<double>() / share;
    if (!std::isfinite(losses.subject) || !std::isfinite(losses.classHalf.value_or(0)))
      return losses;
    bands.add(batch.timesteps, loss.subjectRows.to(at::kCPU), m_batches.plan().trainTimesteps);
    (loss.total / share).backward();
  }
  losses.bands = bands.means();
  return losses;
}

double Trainer::probe(data::Half half) const {
  double sum = 0, rows = 0;
  for (const Batch& batch : m_batches.probe(half)) {
    const Prediction p = predict(batch);
    const auto own = static_cast<double>(batch.latents.size(0));
    sum += own * at::mse_loss(p.predicted.to(at::kFloat), p.target.to(at::kFloat)).item<double>();
    rows += own;
  }
  return sum / rows;
}

Losses Trainer::probe() const {
  const at::NoGradGuard noGradients;
  const ShownWeights shown(*m_optimizer);
  Losses losses{probe(data::Half::Subject), {}};
  if (m_batches.hasClasses()) losses.classHalf = probe(data::Half::Class);
  return losses;
}

api::Result<StepReport> Trainer::step(std::int64_t step) {
  const auto stopped = [&](std::string what) {
    m_optimizer->dropGradients();
    return api::fail(api::ErrorCode::NonFinite,
                     {{"what", std::move(what)}, {"step", std::to_string(step + 1)}});
  };
  StepReport report;
  const double factor = m_lrSchedule.factor(step);
  if (m_stepInBackward) m_stepInBackward->begin(step + 1, factor);
  report.losses = gradients(step);
  if (!std::isfinite(report.losses.subject)) return stopped("The subject loss");
  if (!std::isfinite(report.losses.classHalf.value_or(0))) return stopped("The class loss");
  const Optimizer::GradientNorm norm =
      m_stepInBackward ? m_stepInBackward->end() : m_optimizer->gradientNorm();
  if (!norm.nonFiniteKey.empty()) return stopped("The gradient of " + norm.nonFiniteKey);
  if (!std::isfinite(norm.value)) return stopped("The size of the gradient");
  report.gradientNorm = norm.value;
  const double limit = m_recipe.training.maxGradNorm;
  // As torch's clip_grad_norm_: a millionth keeps the quotient finite.
  const double clip = limit > 0 ? std::min(1.0, limit / (norm.value + 1e-6)) : 1.0;
  if (!m_stepInBackward) m_optimizer->step(step + 1, factor, clip);
  report.learningRate = m_optimizer->learningRate(step, factor);
  return report;
}

}  // namespace likeness::train
