// One training step, whole: draws, forward, losses, gradients, update; and the probe.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/data/data_plan.h"
#include "core/data/latent_cache.h"
#include "core/diffusion/noise_schedule.h"
#include "core/nn/encode_text.h"
#include "core/train/lr_schedule.h"
#include "core/train/optimizer.h"
#include "core/train/step_in_backward.h"
#include "core/train/trainables.h"

namespace likeness::train {

/// Mean squared errors, of the subject half and the class half (absent without class pictures).
struct Losses {
  double subject = 0;
  std::optional<double> classHalf;
};

/// What one update did.
struct StepReport {
  Losses losses;
  double gradientNorm = 0;  ///< before clipping
  double learningRate = 0;  ///< of the UNet or adapter; in its part, of the word
};

/// Trains the model it is given, in place. The recipe is complete (recipe.h): no 0 stands for
/// "auto". Compute thread only.
class Trainer {
 public:
  /// Marks what is trained (trainables.h). `classes` may be empty. Refers to `model`.
  Trainer(nn::StableDiffusion& model,
          const api::TrainRequest& recipe,
          data::LatentSet subject,
          data::LatentSet classes,
          at::ScalarType compute);

  /// Gradients of (subject + weight x class), averaged over the micro-batches, of 0-based step
  /// `step`; they lie in the parameters' grad(). The two halves go through the networks in one
  /// batch [subject..., class...]. None are made of a loss that is not finite.
  Losses gradients(std::int64_t step);
  /// gradients(), clipping, update. Error NonFinite {what, step} before anything was changed; with
  /// MemoryOptions::stepInBackward a gradient that is not finite may come after other parameters
  /// were updated (step_in_backward.h).
  api::Result<StepReport> step(std::int64_t step);
  /// The losses of the shown weights over fixed pictures, timesteps and noise: comparable between
  /// steps and runs of one seed. Draws nothing that depends on a step.
  Losses probe() const;

  Optimizer& optimizer() { return *m_optimizer; }
  const Optimizer& optimizer() const { return *m_optimizer; }
  const data::DataPlan& plan() const { return m_plan; }
  /// Without the parameters, which are the optimizer's.
  const Trainables& trainables() const { return m_trainables; }

 private:
  struct Batch;
  void chooseTrained(std::int64_t step);
  void encodeFrozenPrompts();
  Batch makeBatch(std::int64_t step, std::int64_t microBatch) const;
  std::vector<Batch> makeProbe(data::Half half) const;  ///< one of each shape
  void addToBatch(Batch& batch,
                  const data::LatentSet& set,
                  const data::Draw& draw,
                  const base::Random& posterior,
                  const base::Random& noise) const;
  nn::Conditioning encode(const std::vector<std::string>& prompts) const;
  struct Prediction {
    at::Tensor predicted, target;  ///< [rows, 4, h, w]
  };
  Prediction predict(const Batch& batch) const;
  double probe(data::Half half) const;

  nn::StableDiffusion& m_model;
  const api::TrainRequest m_recipe;
  const data::LatentSet m_subject, m_classes;
  const at::ScalarType m_compute;
  const at::Device m_device;
  const diffusion::NoiseSchedule m_schedule;
  const data::DataPlan m_plan;
  const LrSchedule m_lrSchedule;
  /// One row by prompt, once nothing that reads words is trained any more.
  std::map<std::string, nn::Conditioning> m_frozenText;
  Trainables m_trainables;  ///< its parameters are the optimizer's
  std::unique_ptr<Optimizer> m_optimizer;
  std::optional<StepInBackward> m_stepInBackward;
};

}  // namespace likeness::train
