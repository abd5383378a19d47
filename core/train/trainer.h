// One training step, whole: draws, forward, losses, gradients, update; and the probe.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
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
#include "core/train/ranks.h"

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
  double learningRate = 0;  ///< of the UNet or adapter
};

/// Trains the model it is given, in place. The recipe is complete (recipe.h): no 0 stands for
/// "auto". Compute thread only.
class Trainer {
 public:
  /// Marks what is trained: a LoRA is attached fresh to the UNet; else the UNet's parameters, and
  /// the text encoders' when asked for (those that the conditioning depends on). `classes` may be
  /// empty. Refers to `model` and `ranks`.
  Trainer(nn::StableDiffusion& model,
          const api::TrainRequest& recipe,
          data::LatentSet subject,
          data::LatentSet classes,
          at::ScalarType compute,
          Ranks& ranks);

  /// Gradients of (subject + weight x class), averaged over the micro-batches, of 0-based step
  /// `step`; they lie in the parameters' grad(). The two halves go through the networks in one
  /// batch [subject..., class...]. With several ranks: what this one adds to losses and gradients.
  Losses gradients(std::int64_t step);
  /// gradients(), their sum over all ranks, clipping, update. Errors before anything was changed:
  /// NonFinite {what, step}, those of Ranks.
  api::Result<StepReport> step(std::int64_t step);
  /// The losses over fixed pictures, timesteps and noise: comparable between steps and runs of one
  /// seed. Draws nothing that depends on a step.
  Losses probe() const;

  AdamW& optimizer() { return m_optimizer; }
  const AdamW& optimizer() const { return m_optimizer; }
  const data::DataPlan& plan() const { return m_plan; }
  /// What is saved, by part ("unet", "text_encoder", "text_encoder_2", "adapter") and by key,
  /// sharing memory: all of each network that is trained.
  const std::map<std::string, tensor::StateDict>& weights() const { return m_weights; }

 private:
  struct Batch;
  std::vector<Trainable> markTrainable();
  void encodeFrozenPrompts();
  api::Result<void> addUp(Losses& losses);
  Batch makeBatch(std::int64_t step, std::int64_t first, std::int64_t count) const;
  Batch makeProbe(data::Half half) const;
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
  std::map<std::string, nn::Conditioning> m_frozenText;  ///< one row by prompt
  std::map<std::string, tensor::StateDict> m_weights;
  AdamW m_optimizer;
  Ranks& m_ranks;
};

}  // namespace likeness::train
