// The steps of a run between two checkpoints, samples and probes: everything after preparation.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/train/checkpoint.h"
#include "core/train/run_recorder.h"
#include "core/train/samples.h"
#include "core/train/trainer.h"

namespace likeness::train {

/// Drives a Trainer to the last step of its recipe, or to a stop. With several ranks it is the
/// first that does; the others follow(). Compute thread only.
class TrainingLoop {
 public:
  TrainingLoop(Trainer& trainer,
               SampleMaker& samples,
               Ranks& ranks,
               const api::TrainRequest& recipe,
               const std::vector<data::TrainingPicture>& photos,
               std::chrono::steady_clock::time_point jobStart,
               RunRecorder& reporter);
  /// Continues after a checkpoint that the trainer already holds.
  void continueFrom(const FoundCheckpoint& checkpoint);

  /// True when the last step was done, or the advisor ended the run; false when it was stopped,
  /// here or on another rank. A checkpoint is there either way, unless no step was done, and also
  /// when a rank was lost. Errors: NonFinite, FileUnwritable, DiskFull, DeviceMissing.
  api::Result<bool> run();

  /// Figures as train.h names them, and the last checkpoint's folder (empty = none).
  api::Figures figures() const;
  /// Median over the steps of this call; nothing when they are too few to tell.
  std::optional<double> secondsPerStep() const;
  const std::filesystem::path& lastCheckpoint() const { return m_lastCheckpoint; }

 private:
  using Clock = std::chrono::steady_clock;
  api::Result<void> begin();
  api::Result<void> oneStep();
  api::Result<void> save(bool finished);
  tl::unexpected<api::Error> brokenOff(api::Error error);
  void addProbe(std::vector<api::MetricSample>& samples);
  api::Result<void> makeSamples(bool asked);
  void advise();
  void reportNowAndThen();
  void reportProgress();
  void warnOfChangedPhotos();
  void warnOfSmallerBatches();
  bool due(std::int64_t every) const;
  bool checkpointDue() const;
  bool ended() const;

  Trainer& m_trainer;
  SampleMaker& m_samples;
  Ranks& m_ranks;
  const api::TrainRequest& m_recipe;
  std::vector<data::KnownFile> m_watched;  ///< photos and masks, until they change
  RunRecorder& m_reporter;
  const Clock::time_point m_jobStart;

  std::int64_t m_step = 0;  ///< updates done
  std::optional<std::int64_t> m_savedStep;
  std::filesystem::path m_lastCheckpoint;
  Clock::time_point m_lastSave = Clock::now();
  double m_saveSeconds = 0;
  double m_firstStepSeconds = 0;
  std::vector<double> m_stepSeconds;
  Losses m_lastLosses;
  std::optional<Losses> m_lastProbe;
  std::optional<api::Advice> m_advice;
  Clock::time_point m_lastReport{};
  double m_reportSeconds = 0;
};

/// The steps of a rank that is not the first: the same updates and its share of the samples, with
/// nothing written or shown. `step` updates were done. As TrainingLoop::run().
api::Result<bool> follow(Trainer& trainer,
                         SampleMaker& samples,
                         std::int64_t step,
                         std::int64_t steps,
                         Ranks& ranks,
                         base::Reporter& reporter);

}  // namespace likeness::train
