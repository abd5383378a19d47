// The step function of every method.
#include "core/train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "core/diffusion/losses.h"
#include "core/nn/adapters.h"
#include "core/tensor/random_tensor.h"

namespace likeness::train {

using base::Purpose;
using data::Half;

namespace {

/// Pictures x timesteps of one half's probe.
constexpr std::int64_t kProbeSamples = 8;

data::DataPlan makePlan(const api::TrainRequest& recipe,
                        const data::LatentSet& subject,
                        const data::LatentSet& classes,
                        std::int64_t trainTimesteps) {
  const api::TrainingOptions& t = recipe.training;
  return {static_cast<std::uint64_t>(t.seed),
          static_cast<std::int64_t>(subject.pictures.size()),
          static_cast<std::int64_t>(classes.pictures.size()),
          t.batchSize * t.gradientAccumulation,
          trainTimesteps,
          t.flip};
}

}  // namespace

/// Rows [subject..., class...] of one forward.
struct Trainer::Batch {
  std::vector<at::Tensor> latents, noise;  ///< [4, h, w] fp32 each
  std::vector<std::int64_t> timesteps;
  std::vector<std::string> prompts;
  std::vector<nn::PictureSize> sizes;
};

Trainer::Trainer(nn::StableDiffusion& model,
                 const api::TrainRequest& recipe,
                 data::LatentSet subject,
                 data::LatentSet classes,
                 at::ScalarType compute,
                 Ranks& ranks)
    : m_model(model),
      m_recipe(recipe),
      m_subject(std::move(subject)),
      m_classes(std::move(classes)),
      m_compute(compute),
      m_device(model.unet.store->parameters().begin()->second.device()),
      m_schedule(model.schedule),
      m_plan(makePlan(recipe, m_subject, m_classes, model.schedule.numTrainTimesteps)),
      m_lrSchedule(makeSchedule(recipe.training, recipe.training.steps)),
      m_optimizer(markTrainable(), recipe.optimizer),
      m_ranks(ranks) {
  encodeFrozenPrompts();
}

std::vector<Trainable> Trainer::markTrainable() {
  std::vector<Trainable> trainables;
  const auto add = [&](const std::string& part,
                       const tensor::StateDict& tensors,
                       double rate,
                       const std::function<bool(const std::string&)>& isUsed = {}) {
    for (const auto& [key, tensor] : tensors)
      if (!isUsed || isUsed(key))
        trainables.push_back({part + "." + key, tensor.requires_grad_(true), rate});
    m_weights[part] = tensors;
  };
  if (m_recipe.training.method == api::Method::Lora) {
    add("adapter",
        nn::attachLora(
            *m_model.unet.store, m_recipe.lora, static_cast<std::uint64_t>(m_recipe.training.seed)),
        m_recipe.lora.learningRate);
    return trainables;
  }
  add("unet", m_model.unet.store->parameters(), m_recipe.training.learningRate);
  if (!m_recipe.training.trainTextEncoder) return trainables;
  for (const auto& [part, encoder] : {std::pair("text_encoder", &m_model.textEncoder),
                                      std::pair("text_encoder_2", &m_model.textEncoder2)}) {
    if (!encoder->model) continue;
    add(part,
        encoder->store->parameters(),
        m_recipe.training.textEncoderLearningRate,
        [&, &clip = *encoder->model](const std::string& key) {
          return !m_model.isXl() || clip.isReadByXl(key);
        });
  }
  return trainables;
}

// ---- batches

void Trainer::encodeFrozenPrompts() {
  if (m_weights.contains("text_encoder")) return;
  const at::NoGradGuard noGradients;
  for (const data::LatentSet* set : {&m_subject, &m_classes})
    for (const data::TrainingPicture& picture : set->pictures)
      if (!m_frozenText.contains(picture.prompt))
        m_frozenText[picture.prompt] = nn::encodeText(m_model, {picture.prompt}, {m_compute});
}

nn::Conditioning Trainer::encode(const std::vector<std::string>& prompts) const {
  if (m_frozenText.empty()) return nn::encodeText(m_model, prompts, {m_compute});
  std::vector<nn::Conditioning> rows;
  for (const std::string& prompt : prompts) rows.push_back(m_frozenText.at(prompt));
  return nn::joined(rows);
}

void Trainer::addToBatch(Batch& batch,
                         const data::LatentSet& set,
                         const data::Draw& draw,
                         const base::Random& posterior,
                         const base::Random& noise) const {
  const auto picture = static_cast<std::size_t>(draw.picture);
  const data::Latents& latents = draw.flip ? set.mirrored[picture] : set.plain[picture];
  const auto shape = latents.mean.sizes();
  batch.latents.push_back((latents.mean + latents.std * tensor::normal(shape, posterior)) *
                          m_model.vae.model->config().scalingFactor);
  batch.noise.push_back(tensor::normal(shape, noise));
  batch.timesteps.push_back(draw.timestep);
  batch.prompts.push_back(set.pictures[picture].prompt);
  batch.sizes.push_back(latents.size);
}

Trainer::Batch Trainer::makeBatch(std::int64_t step, std::int64_t first, std::int64_t count) const {
  Batch batch;
  for (const Half half : {Half::Subject, Half::Class}) {
    const data::LatentSet& set = half == Half::Subject ? m_subject : m_classes;
    if (set.pictures.empty()) continue;
    for (std::int64_t position = first; position < first + count; ++position)
      addToBatch(batch,
                 set,
                 m_plan.draw(step, position, half),
                 m_plan.random(Purpose::Posterior, step, position, half),
                 m_plan.random(Purpose::Noise, step, position, half));
  }
  return batch;
}

Trainer::Batch Trainer::makeProbe(Half half) const {
  Batch batch;
  const data::LatentSet& set = half == Half::Subject ? m_subject : m_classes;
  const auto pictures = static_cast<std::int64_t>(set.pictures.size());
  for (std::int64_t i = 0; pictures && i < kProbeSamples; ++i) {
    // One timestep from each equal part of the schedule, dealt to the pictures in turn.
    const base::Random draws = m_plan.random(Purpose::Probe, 0, i, half);
    const double share = (static_cast<double>(i) + draws.uniform()) / kProbeSamples;
    const auto timestep =
        static_cast<std::int64_t>(share * static_cast<double>(m_plan.trainTimesteps));
    addToBatch(batch,
               set,
               {i % pictures, timestep, false},
               m_plan.random(Purpose::Probe, 1, i, half),
               m_plan.random(Purpose::Probe, 2, i, half));
  }
  return batch;
}

// ---- losses

Trainer::Prediction Trainer::predict(const Batch& batch) const {
  const at::Tensor latents = at::stack(batch.latents).to(m_device);
  const at::Tensor noise = at::stack(batch.noise).to(m_device);
  const at::Tensor timesteps = at::tensor(batch.timesteps, at::kLong).to(m_device);
  const at::Tensor noisy = m_schedule.addNoise(latents, noise, timesteps).to(m_compute);
  const nn::Conditioning text = encode(batch.prompts).withSizes(batch.sizes);
  return {m_model.unet.model->forward(noisy, timesteps, text),
          m_schedule.target(latents, noise, timesteps)};
}

Losses Trainer::gradients(std::int64_t step) {
  const std::int64_t batch = m_recipe.training.batchSize;
  const std::int64_t all = batch * m_recipe.training.gradientAccumulation;
  const auto [begin, end] = m_ranks.share(all);
  Losses losses;
  if (!m_classes.pictures.empty()) losses.classHalf = 0;
  for (std::int64_t first = begin, count = 0; first < end; first += count) {
    count = std::min(batch - first % batch, end - first);
    const double parts = static_cast<double>(all) / static_cast<double>(count);
    const Prediction p = predict(makeBatch(step, first, count));
    const diffusion::DreamBoothLoss loss =
        diffusion::dreamBoothLoss(p.predicted, p.target, count, m_recipe.prior.weight);
    losses.subject += loss.subject.item<double>() / parts;
    if (losses.classHalf) *losses.classHalf += loss.classes.item<double>() / parts;
    (loss.total / parts).backward();
  }
  return losses;
}

/// Over all ranks. Each has divided by the whole batch, so that sums are means.
api::Result<void> Trainer::addUp(Losses& losses) {
  if (m_ranks.size() == 1) return {};
  std::array values{losses.subject, losses.classHalf.value_or(0)};
  if (auto summed = m_ranks.sum(values); !summed) return summed;
  losses.subject = values[0];
  if (losses.classHalf) losses.classHalf = values[1];
  std::vector<at::Tensor> gradients;
  for (const Trainable& parameter : m_optimizer.parameters())
    if (parameter.value.grad().defined()) gradients.push_back(parameter.value.grad());
  return m_ranks.sum(gradients);
}

double Trainer::probe(Half half) const {
  const Batch batch = makeProbe(half);
  const Prediction p = predict(batch);
  const auto rows = static_cast<std::int64_t>(batch.latents.size());
  return diffusion::dreamBoothLoss(p.predicted, p.target, rows, 0).subject.item<double>();
}

Losses Trainer::probe() const {
  const at::NoGradGuard noGradients;
  Losses losses{probe(Half::Subject), {}};
  if (!m_classes.pictures.empty()) losses.classHalf = probe(Half::Class);
  return losses;
}

api::Result<StepReport> Trainer::step(std::int64_t step) {
  const auto stopped = [&](std::string what) {
    m_optimizer.dropGradients();
    return api::fail(api::ErrorCode::NonFinite,
                     {{"what", std::move(what)}, {"step", std::to_string(step + 1)}});
  };
  StepReport report;
  report.losses = gradients(step);
  if (auto summed = addUp(report.losses); !summed) {
    m_optimizer.dropGradients();
    return api::fail(summed.error());
  }
  if (!std::isfinite(report.losses.subject)) return stopped("The subject loss");
  if (!std::isfinite(report.losses.classHalf.value_or(0))) return stopped("The class loss");
  const AdamW::GradientNorm norm = m_optimizer.gradientNorm();
  if (!norm.nonFiniteKey.empty()) return stopped("The gradient of " + norm.nonFiniteKey);
  if (!std::isfinite(norm.value)) return stopped("The size of the gradient");
  report.gradientNorm = norm.value;
  const double limit = m_recipe.training.maxGradNorm;
  // As torch's clip_grad_norm_: a millionth keeps the quotient finite.
  const double clip = limit > 0 ? std::min(1.0, limit / (norm.value + 1e-6)) : 1.0;
  const double factor = m_lrSchedule.factor(step);
  m_optimizer.step(step + 1, factor, clip);
  report.learningRate = factor * m_optimizer.parameters().front().learningRate;
  return report;
}

}  // namespace likeness::train
