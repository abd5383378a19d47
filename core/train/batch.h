// Batches: what the data plan draws for a step, as tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/data/data_plan.h"
#include "core/data/latent_cache.h"

namespace likeness::train {

/// Rows [subject..., class...] of one forward; tensors on the CPU, fp32 where nothing else is said.
struct Batch {
  at::Tensor latents;     ///< [N, C, h, w], scaled as the UNet takes them
  at::Tensor noise;       ///< as `latents`: what targets are made of
  at::Tensor addedNoise;  ///< as `latents`: what is added, `noise` itself unless it is perturbed
  at::Tensor timesteps;   ///< [N] int64
  at::Tensor mask;        ///< [N, 1, h, w] within 0..1; undefined = no row has one
  std::vector<std::string> prompts;  ///< empty where the caption is dropped
  std::vector<nn::PictureSize> sizes;
  std::int64_t subjectRows = 0;
};

/// Makes batches as pure functions of the recipe's seed and the place in the plan: every row is the
/// same whatever rows are beside it. Immutable; any thread.
class BatchMaker {
 public:
  /// `trainTimesteps` is the schedule's length, `latentScale` the autoencoder's scaling factor.
  /// `classes` may be empty.
  BatchMaker(const api::TrainRequest& recipe,
             data::LatentSet subject,
             data::LatentSet classes,
             std::int64_t trainTimesteps,
             double latentScale);

  /// Places `first` .. `first + count - 1` (of the global batch) of each half at 0-based `step`.
  Batch make(std::int64_t step, std::int64_t first, std::int64_t count) const;
  /// Fixed pictures, timesteps and noise of one half, drawn without any option of the loss, so that
  /// probes compare between runs of one seed; every subject or class has its part. A batch for each
  /// shape, none when the half has no pictures.
  std::vector<Batch> probe(data::Half half) const;

  const data::DataPlan& plan() const { return m_plan; }
  bool hasClasses() const { return !m_classes.pictures.empty(); }
  /// Every prompt that a row can have.
  std::set<std::string> prompts() const;

 private:
  const data::LatentSet& set(data::Half half) const {
    return half == data::Half::Subject ? m_subject : m_classes;
  }

  const api::LossOptions m_loss;
  const data::LatentSet m_subject, m_classes;
  const data::DataPlan m_plan;
  const double m_latentScale;
};

}  // namespace likeness::train
