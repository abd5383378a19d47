// One training step, whole: draws, forward, losses, gradients, update; and the probe.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/diffusion/noise_schedule.h"
#include "core/nn/encode_text.h"
#include "core/train/batch.h"
#include "core/train/gradient_exchange.h"
#include "core/train/loss_scaler.h"
#include "core/train/lr_schedule.h"
#include "core/train/optimizer.h"
#include "core/train/ranks.h"
#include "core/train/step_in_backward.h"
#include "core/train/trainables.h"

namespace likeness::train {

/// Subject losses of a step by the quarter of the schedule that their timestep lies in, from clear
/// to noisy.
struct LossBands {
  std::array<double, 4> sums{}, rows{};
  /// `timesteps` [N] int64 and `losses` [N or more] of the same rows.
  void add(const at::Tensor& timesteps, const at::Tensor& losses, std::int64_t trainTimesteps);
  /// Absent where no row fell.
  std::optional<double> mean(std::size_t band) const {
    if (rows[band] == 0) return std::nullopt;
    return sums[band] / rows[band];
  }
};

/// Means over the subject half and the class half (absent without class pictures).
struct Losses {
  double subject = 0;
  std::optional<double> classHalf;
  LossBands bands;  ///< of a step
};

/// What one update did.
struct StepReport {
  Losses losses;
  double gradientNorm = 0;  ///< before clipping
  bool leftOut = false;     ///< fp16: gradients overflowed, nothing was changed (loss_scaler.h)
  double learningRate = 0;  ///< of the UNet or adapter; in its part, of the word
};

/// Trains the model it is given, in place. The recipe is complete (recipe.h): no 0 stands for
/// "auto". Compute thread only.
class Trainer {
 public:
  /// Marks what is trained (trainables.h). `classes` may be empty. Refers to `model` and `ranks`.
  Trainer(nn::StableDiffusion& model,
          const api::TrainRequest& recipe,
          data::LatentSet subject,
          data::LatentSet classes,
          at::ScalarType compute,
          Ranks& ranks);

  /// Gradients of (subject + weight x class), averaged over the micro-batches, of 0-based step
  /// `step`; they lie in the parameters' grad(), in fp16 times the loss scale. The two halves go
  /// through the networks in one batch [subject..., class...]. None are made of a loss that is not
  /// finite. Where memory does not suffice the micro-batches are halved, for the rest of the run
  /// too: draws belong to places in the whole batch, so that gradients are the same but for
  /// rounding. Throws what says so when one picture is too much, or weights are updated in the
  /// backward pass. With several ranks: what this one adds to losses; its gradients are on their
  /// way to the others.
  Losses gradients(std::int64_t step);
  /// Subject pictures that go through the networks at a time.
  std::int64_t microBatch() const { return m_microBatch; }
  /// gradients(), their sum over all ranks, clipping, update; what was trained for the last time is
  /// retired. Errors before anything was changed:
  /// NonFinite {what, step}, those of Ranks; with MemoryOptions::stepInBackward a gradient that is
  /// not finite may come after other parameters were updated (step_in_backward.h).
  api::Result<StepReport> step(std::int64_t step);
  /// The losses of the shown weights over fixed pictures, timesteps and noise: comparable between
  /// steps and runs of one seed. Draws nothing that depends on a step; plain mean squared errors
  /// whatever LossOptions say.
  Losses probe() const;

  /// Whether steps encode text; else that of every prompt is kept.
  bool readsTextEncoders() const { return m_frozenText.empty(); }
  Optimizer& optimizer() { return *m_optimizer; }
  const Optimizer& optimizer() const { return *m_optimizer; }
  /// The optimizer's state() and the loss scale; load() is the counterpart, as Optimizer's.
  tensor::StateDict state() const;
  bool load(tensor::StateDict state, std::int64_t steps = 0);
  const data::DataPlan& plan() const { return m_batches.plan(); }
  /// Without the parameters, which are the optimizer's.
  const Trainables& trainables() const { return m_trainables; }

 private:
  Losses gradientsInParts(std::int64_t step);
  void chooseTrained(std::int64_t step);
  void encodeFrozenPrompts();
  nn::Conditioning zeroedWhereEmpty(nn::Conditioning text,
                                    const std::vector<std::string>& prompts) const;
  api::Result<void> addUp(Losses& losses);
  void backward(const at::Tensor& loss, bool isLast);
  nn::Conditioning encode(const std::vector<std::string>& prompts) const;
  struct Prediction {
    at::Tensor predicted, target;  ///< [rows, 4, h, w]
  };
  Prediction predict(const Batch& batch) const;
  double probe(data::Half half) const;

  nn::StableDiffusion& m_model;
  const api::TrainRequest m_recipe;
  const at::ScalarType m_compute;
  const at::Device m_device;
  const diffusion::NoiseSchedule m_schedule;
  const BatchMaker m_batches;
  const LrSchedule m_lrSchedule;
  /// One row by prompt, once nothing that reads words is trained any more.
  std::map<std::string, nn::Conditioning> m_frozenText;
  Trainables m_trainables;  ///< its parameters are the optimizer's
  std::unique_ptr<Optimizer> m_optimizer;
  LossScaler m_lossScaler;
  std::optional<StepInBackward> m_stepInBackward;
  std::optional<GradientExchange> m_exchange;  ///< of several ranks
  std::int64_t m_microBatch;
  Ranks& m_ranks;
};

}  // namespace likeness::train
