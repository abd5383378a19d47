// Rows drawn by the plan and stacked.
#include "core/train/batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>

#include "core/api/subjects.h"
#include "core/diffusion/training_noise.h"
#include "core/tensor/random_tensor.h"

namespace likeness::train {

using base::Purpose;
using data::Half;

namespace {

/// Pictures x timesteps of one half's probe; more where there are more subjects.
constexpr std::size_t kProbeSamples = 8;

std::vector<data::PlanPicture> planned(const data::LatentSet& set,
                                       const std::vector<image::Shape>& shapes,
                                       const std::vector<std::size_t>& classes) {
  std::vector<data::PlanPicture> pictures;
  for (std::size_t i = 0; i < set.pictures.size(); ++i)
    pictures.push_back({set.pictures[i].repeats,
                        static_cast<std::int64_t>(set.pictures[i].prompts.size()),
                        std::ranges::find(shapes, data::shapeOf(set, i)) - shapes.begin(),
                        static_cast<std::int64_t>(classes[set.pictures[i].subject])});
  return pictures;
}

data::DataPlan makePlan(const api::TrainRequest& recipe,
                        const data::LatentSet& subject,
                        const data::LatentSet& classes,
                        std::int64_t trainTimesteps) {
  const api::TrainingOptions& t = recipe.training;
  const std::vector<std::size_t> kinds = api::classesOf(recipe);
  return {static_cast<std::uint64_t>(t.seed),
          planned(subject, data::shapesOf(subject), kinds),
          planned(classes, {}, kinds),
          t.batchSize,
          t.batchSize * t.gradientAccumulation,
          trainTimesteps,
          t.flip,
          subject.versions,
          recipe.loss};
}

/// The pictures of each subject or class, apart.
std::vector<std::vector<std::int64_t>> bySubject(const data::LatentSet& set) {
  std::map<std::size_t, std::vector<std::int64_t>> groups;
  for (std::size_t i = 0; i < set.pictures.size(); ++i)
    groups[set.pictures[i].subject].push_back(static_cast<std::int64_t>(i));
  std::vector<std::vector<std::int64_t>> out;
  for (auto& [subject, pictures] : groups) out.push_back(std::move(pictures));
  return out;
}

/// A batch that is being gathered, a tensor [C, h, w] per row.
struct Rows {
  std::vector<at::Tensor> latents, noise, addedNoise, masks;
  std::vector<std::int64_t> timesteps;
  Batch batch;

  void add(const data::Latents& picture,
           double scale,
           const base::Random& posterior,
           std::int64_t timestep,
           std::string prompt) {
    latents.push_back(
        (picture.mean + picture.std * tensor::normal(picture.mean.sizes(), posterior)) * scale);
    timesteps.push_back(timestep);
    batch.prompts.push_back(std::move(prompt));
    batch.sizes.push_back(picture.size);
  }
  Batch stacked() && {
    if (latents.empty()) return {};
    batch.latents = at::stack(latents);
    batch.noise = at::stack(noise);
    batch.addedNoise = addedNoise.empty() ? batch.noise : at::stack(addedNoise);
    batch.timesteps = at::tensor(timesteps, at::kLong);
    if (std::ranges::any_of(masks, &at::Tensor::defined)) {
      for (std::size_t i = 0; i < masks.size(); ++i)
        if (!masks[i].defined()) masks[i] = at::ones({1, latents[i].size(1), latents[i].size(2)});
      batch.mask = at::stack(masks);
    }
    return std::move(batch);
  }
};

}  // namespace

BatchMaker::BatchMaker(const api::TrainRequest& recipe,
                       data::LatentSet subject,
                       data::LatentSet classes,
                       std::int64_t trainTimesteps,
                       double latentScale)
    : m_loss(recipe.loss),
      m_subject(std::move(subject)),
      m_classes(std::move(classes)),
      m_plan(makePlan(recipe, m_subject, m_classes, trainTimesteps)),
      m_latentScale(latentScale) {}

Batch BatchMaker::make(std::int64_t step, std::int64_t first, std::int64_t count) const {
  Rows rows;
  for (const Half half : {Half::Subject, Half::Class}) {
    if (set(half).pictures.empty()) continue;
    for (std::int64_t position = first; position < first + count; ++position) {
      const data::Draw draw = m_plan.draw(step, position, half);
      const auto stream = [&](Purpose purpose) {
        return m_plan.random(purpose, step, position, half);
      };
      const data::Latents& picture = set(half).latents(draw);
      rows.add(picture,
               m_latentScale,
               stream(Purpose::Posterior),
               draw.timestep,
               draw.withoutCaption ? std::string() : set(half).prompt(draw));
      rows.masks.push_back(picture.mask);

      at::Tensor noise = tensor::normal(picture.mean.sizes(), stream(Purpose::Noise));
      if (m_loss.noiseOffset > 0)
        noise = noise + m_loss.noiseOffset *
                            tensor::normal({noise.size(0), 1, 1}, stream(Purpose::NoiseOffset));
      if (m_loss.multiresNoise > 0)
        noise = diffusion::withCoarseNoise(noise,
                                           m_loss.multiresNoise,
                                           stream(Purpose::CoarseNoiseScale),
                                           stream(Purpose::CoarseNoise));
      rows.noise.push_back(noise);
      if (m_loss.inputPerturbation > 0)
        rows.addedNoise.push_back(
            noise + m_loss.inputPerturbation *
                        tensor::normal(noise.sizes(), stream(Purpose::InputPerturbation)));
    }
    if (half == Half::Subject) rows.batch.subjectRows = count;
  }
  return std::move(rows).stacked();
}

std::vector<Batch> BatchMaker::probe(Half half) const {
  std::vector<Rows> byShape;
  const auto subjects = bySubject(set(half));
  const std::size_t samples = subjects.empty() ? 0 : std::max(kProbeSamples, subjects.size());
  for (std::size_t n = 0; n < samples; ++n) {
    // One timestep from each equal part of the schedule, dealt in turn to the subjects, and by each
    // to its pictures.
    const auto i = static_cast<std::int64_t>(n);
    const auto& own = subjects[n % subjects.size()];
    const base::Random draws = m_plan.random(Purpose::Probe, 0, i, half);
    const double share = (static_cast<double>(i) + draws.uniform()) / static_cast<double>(samples);
    const data::Draw draw{
        own[n / subjects.size() % own.size()],
        static_cast<std::int64_t>(share * static_cast<double>(m_plan.trainTimesteps))};
    const data::Latents& picture = set(half).latents(draw);
    auto rows = std::ranges::find_if(
        byShape, [&](const Rows& r) { return r.latents.front().sizes() == picture.mean.sizes(); });
    if (rows == byShape.end()) rows = byShape.insert(rows, Rows());
    rows->add(picture,
              m_latentScale,
              m_plan.random(Purpose::Probe, 1, i, half),
              draw.timestep,
              set(half).prompt(draw));
    rows->noise.push_back(
        tensor::normal(picture.mean.sizes(), m_plan.random(Purpose::Probe, 2, i, half)));
  }
  std::vector<Batch> batches;
  for (Rows& rows : byShape) {
    if (half == Half::Subject)
      rows.batch.subjectRows = static_cast<std::int64_t>(rows.latents.size());
    batches.push_back(std::move(rows).stacked());
  }
  return batches;
}

std::set<std::string> BatchMaker::prompts() const {
  std::set<std::string> all;
  for (const data::LatentSet* half : {&m_subject, &m_classes})
    for (const data::TrainingPicture& picture : half->pictures)
      all.insert(picture.prompts.begin(), picture.prompts.end());
  if (m_loss.captionDropout > 0) all.insert("");
  return all;
}

}  // namespace likeness::train
