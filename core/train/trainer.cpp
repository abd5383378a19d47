// The step function of every method.
#include "core/train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/diffusion/losses.h"
#include "core/tensor/random_tensor.h"

namespace likeness::train {

using base::Purpose;
using data::Half;

namespace {

/// Pictures x timesteps of one half's probe.
constexpr std::int64_t kProbeSamples = 8;

std::vector<data::PlanPicture> planned(const data::LatentSet& set,
                                       const std::vector<image::Shape>& shapes) {
  std::vector<data::PlanPicture> pictures;
  for (std::size_t i = 0; i < set.pictures.size(); ++i)
    pictures.push_back({set.pictures[i].repeats,
                        static_cast<std::int64_t>(set.pictures[i].prompts.size()),
                        std::ranges::find(shapes, data::shapeOf(set, i)) - shapes.begin()});
  return pictures;
}

data::DataPlan makePlan(const api::TrainRequest& recipe,
                        const data::LatentSet& subject,
                        const data::LatentSet& classes,
                        std::int64_t trainTimesteps) {
  const api::TrainingOptions& t = recipe.training;
  return {static_cast<std::uint64_t>(t.seed),
          planned(subject, data::shapesOf(subject)),
          planned(classes, {}),
          t.batchSize,
          t.batchSize * t.gradientAccumulation,
          trainTimesteps,
          t.flip,
          subject.versions};
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
                 at::ScalarType compute)
    : m_model(model),
      m_recipe(recipe),
      m_subject(std::move(subject)),
      m_classes(std::move(classes)),
      m_compute(compute),
      m_device(model.unet.store->device()),
      m_schedule(model.schedule),
      m_plan(makePlan(recipe, m_subject, m_classes, model.schedule.numTrainTimesteps)),
      m_lrSchedule(makeSchedule(recipe.training, recipe.training.steps)),
      m_trainables(markTrainable(model, recipe)),
      m_optimizer(makeOptimizer(std::move(m_trainables.parameters),
                                recipe.optimizer,
                                static_cast<std::uint64_t>(recipe.training.seed))) {
  if (m_recipe.memory.stepInBackward) m_stepInBackward.emplace(*m_optimizer);
  if (m_trainables.textUntil == 0) encodeFrozenPrompts();
}

/// Sets which parameters want a gradient in a step.
void Trainer::chooseTrained(std::int64_t step) {
  for (const Trainable& p : m_optimizer->parameters()) p.value.requires_grad_(p.isTrained(step));
  if (step >= m_trainables.textUntil && m_frozenText.empty()) encodeFrozenPrompts();
}

// ---- batches

void Trainer::encodeFrozenPrompts() {
  const at::NoGradGuard noGradients;
  for (const data::LatentSet* set : {&m_subject, &m_classes})
    for (const data::TrainingPicture& picture : set->pictures)
      for (const std::string& prompt : picture.prompts)
        if (!m_frozenText.contains(prompt))
          m_frozenText[prompt] = nn::encodeText(m_model, {prompt}, {m_compute});
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
  const data::Latents& latents = set.latents(draw);
  const auto shape = latents.mean.sizes();
  batch.latents.push_back((latents.mean + latents.std * tensor::normal(shape, posterior)) *
                          m_model.vae.model->config().scalingFactor);
  batch.noise.push_back(tensor::normal(shape, noise));
  batch.timesteps.push_back(draw.timestep);
  batch.prompts.push_back(set.prompt(draw));
  batch.sizes.push_back(latents.size);
}

Trainer::Batch Trainer::makeBatch(std::int64_t step, std::int64_t microBatch) const {
  Batch batch;
  const std::int64_t size = m_recipe.training.batchSize;
  for (const Half half : {Half::Subject, Half::Class}) {
    const data::LatentSet& set = half == Half::Subject ? m_subject : m_classes;
    if (set.pictures.empty()) continue;
    for (std::int64_t position = microBatch * size; position < (microBatch + 1) * size; ++position)
      addToBatch(batch,
                 set,
                 m_plan.draw(step, position, half),
                 m_plan.random(Purpose::Posterior, step, position, half),
                 m_plan.random(Purpose::Noise, step, position, half));
  }
  return batch;
}

std::vector<Trainer::Batch> Trainer::makeProbe(Half half) const {
  std::vector<Batch> batches;
  const data::LatentSet& set = half == Half::Subject ? m_subject : m_classes;
  const auto pictures = static_cast<std::int64_t>(set.pictures.size());
  for (std::int64_t i = 0; pictures && i < kProbeSamples; ++i) {
    // One timestep from each equal part of the schedule, dealt to the pictures in turn.
    const base::Random draws = m_plan.random(Purpose::Probe, 0, i, half);
    const double share = (static_cast<double>(i) + draws.uniform()) / kProbeSamples;
    const auto timestep =
        static_cast<std::int64_t>(share * static_cast<double>(m_plan.trainTimesteps));
    const data::Draw draw{i % pictures, timestep};
    const auto shape = set.latents(draw).mean.sizes();
    auto batch = std::ranges::find_if(
        batches, [&](const Batch& b) { return b.latents.front().sizes() == shape; });
    if (batch == batches.end()) batch = batches.insert(batches.end(), Batch());
    addToBatch(*batch,
               set,
               draw,
               m_plan.random(Purpose::Probe, 1, i, half),
               m_plan.random(Purpose::Probe, 2, i, half));
  }
  return batches;
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
  const auto parts = static_cast<double>(m_recipe.training.gradientAccumulation);
  Losses losses;
  if (!m_classes.pictures.empty()) losses.classHalf = 0;
  chooseTrained(step);
  for (std::int64_t part = 0; part < m_recipe.training.gradientAccumulation; ++part) {
    const Prediction p = predict(makeBatch(step, part));
    const diffusion::DreamBoothLoss loss = diffusion::dreamBoothLoss(
        p.predicted, p.target, m_recipe.training.batchSize, m_recipe.prior.weight);
    losses.subject += loss.subject.item<double>() / parts;
    if (losses.classHalf) *losses.classHalf += loss.classes.item<double>() / parts;
    if (!std::isfinite(losses.subject) || !std::isfinite(losses.classHalf.value_or(0)))
      return losses;
    (loss.total / parts).backward();
  }
  return losses;
}

double Trainer::probe(Half half) const {
  double sum = 0;
  for (const Batch& batch : makeProbe(half)) {
    const Prediction p = predict(batch);
    const auto rows = static_cast<std::int64_t>(batch.latents.size());
    sum += static_cast<double>(rows) *
           diffusion::dreamBoothLoss(p.predicted, p.target, rows, 0).subject.item<double>();
  }
  return sum / kProbeSamples;
}

Losses Trainer::probe() const {
  const at::NoGradGuard noGradients;
  const ShownWeights shown(*m_optimizer);
  Losses losses{probe(Half::Subject), {}};
  if (!m_classes.pictures.empty()) losses.classHalf = probe(Half::Class);
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
