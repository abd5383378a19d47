// The step function of every method.
#include "core/train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/diffusion/losses.h"
#include "core/tensor/out_of_memory.h"

namespace likeness::train {

void LossBands::add(const at::Tensor& timesteps,
                    const at::Tensor& losses,
                    std::int64_t trainTimesteps) {
  const at::Tensor values = losses.to(at::kCPU);
  for (std::int64_t row = 0; row < values.size(0); ++row) {
    const auto band =
        static_cast<std::size_t>(4 * timesteps[row].item<std::int64_t>() / trainTimesteps);
    sums[band] += values[row].item<double>();
    ++rows[band];
  }
}

Trainer::Trainer(nn::StableDiffusion& model,
                 const api::TrainRequest& recipe,
                 data::LatentSet subject,
                 data::LatentSet classes,
                 at::ScalarType compute,
                 Ranks& ranks)
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
      m_lossScaler(compute == at::kHalf),
      m_microBatch(recipe.training.batchSize),
      m_ranks(ranks) {
  for (const auto& store : {model.unet.store, model.textEncoder.store, model.textEncoder2.store})
    if (store) store->setCheckpointing(recipe.memory.checkpointing);
  if (m_recipe.memory.stepInBackward) m_stepInBackward.emplace(*m_optimizer);
  if (ranks.size() > 1) m_exchange.emplace(*m_optimizer, ranks);
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
  if (m_exchange) m_exchange->begin(step);
  for (;;) {
    try {
      return gradientsInParts(step);
    } catch (const std::exception& error) {
      // Nothing is left to divide, or weights have changed already.
      if (!tensor::isOutOfMemory(error) || m_microBatch == 1 || m_stepInBackward) throw;
      if (m_exchange) m_exchange->keepWhatWasSent();
      m_optimizer->dropGradients();
      m_microBatch /= 2;
    }
  }
}

Losses Trainer::gradientsInParts(std::int64_t step) {
  const std::int64_t size = m_recipe.training.batchSize;
  const std::int64_t all = size * m_recipe.training.gradientAccumulation;
  Losses losses;
  const auto [begin, end] = m_ranks.share(all);
  if (m_batches.hasClasses()) losses.classHalf = 0;
  for (std::int64_t first = begin, count = 0; first < end; first += count) {
    count = std::min({m_microBatch, size - first % size, end - first});  // pictures of one shape
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
    losses.bands.add(batch.timesteps, loss.subjectRows, m_batches.plan().trainTimesteps);
    backward(loss.total * m_lossScaler.scale() / share, first + count == end);
  }
  return losses;
}

void Trainer::backward(const at::Tensor& loss, bool isLast) {
  if (m_exchange) m_exchange->beginPass(isLast);
  loss.backward();
}

/// Over all ranks. Each has divided by the whole batch, so that sums are means. A rank whose loss
/// is not finite made no gradients, which the others do not know yet.
api::Result<void> Trainer::addUp(Losses& losses) {
  if (!m_exchange) return {};
  if (auto exchanged = m_exchange->end(); !exchanged) return exchanged;
  std::array<double, 10> values{losses.subject, losses.classHalf.value_or(0)};
  std::ranges::copy(losses.bands.sums, values.begin() + 2);
  std::ranges::copy(losses.bands.rows, values.begin() + 6);
  if (auto summed = m_ranks.sum(values); !summed) return summed;
  losses.subject = values[0];
  if (losses.classHalf) losses.classHalf = values[1];
  std::copy_n(values.begin() + 2, 4, losses.bands.sums.begin());
  std::copy_n(values.begin() + 6, 4, losses.bands.rows.begin());
  return {};
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
  Losses losses{probe(data::Half::Subject), {}, {}};
  if (m_batches.hasClasses()) losses.classHalf = probe(data::Half::Class);
  return losses;
}

tensor::StateDict Trainer::state() const {
  tensor::StateDict state = m_optimizer->state();
  m_lossScaler.save(state);
  return state;
}

bool Trainer::load(tensor::StateDict state, std::int64_t steps) {
  return m_lossScaler.load(state) && m_optimizer->load(std::move(state), steps);
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
  if (auto summed = addUp(report.losses); !summed) {
    m_optimizer->dropGradients();
    return api::fail(summed.error());
  }
  if (!std::isfinite(report.losses.subject)) return stopped("The subject loss");
  if (!std::isfinite(report.losses.classHalf.value_or(0))) return stopped("The class loss");
  const Optimizer::GradientNorm norm =
      m_stepInBackward ? m_stepInBackward->end() : m_optimizer->gradientNorm();
  const double scale = m_lossScaler.scale();
  report.leftOut = m_lossScaler.leavesOut(norm.nonFiniteKey.empty() && std::isfinite(norm.value));
  if (report.leftOut) {
    m_optimizer->dropGradients();
    return report;
  }
  if (!norm.nonFiniteKey.empty()) return stopped("The gradient of " + norm.nonFiniteKey);
  if (!std::isfinite(norm.value)) return stopped("The size of the gradient");
  report.gradientNorm = norm.value / scale;
  const double limit = m_recipe.training.maxGradNorm;
  // As torch's clip_grad_norm_: a millionth keeps the quotient finite.
  const double clip = limit > 0 ? std::min(1.0, limit / (report.gradientNorm + 1e-6)) : 1.0;
  if (!m_stepInBackward) m_optimizer->step(step + 1, factor, clip / scale);
  m_optimizer->retire(step + 1);
  report.learningRate = m_optimizer->learningRate(step, factor);
  return report;
}

}  // namespace likeness::train
