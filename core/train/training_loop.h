// The steps of a run between two checkpoints, samples and probes: everything after preparation.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/base/reporter.h"
#include "core/train/checkpoint.h"
#include "core/train/metrics_log.h"
#include "core/train/samples.h"
#include "core/train/trainer.h"

namespace likeness::train {

/// Drives a Trainer to the last step of its recipe, or to a stop. With several ranks it is the
/// first that does; the others follow(). Compute thread only.
class TrainingLoop {
 public:
  TrainingLoop(Trainer& trainer,
               SampleMaker& samples,
               MetricsLog metrics,
               Ranks& ranks,
               const api::TrainRequest& recipe,
               std::vector<data::TrainingPicture> photos,
               std::chrono::steady_clock::time_point jobStart,
               base::Reporter& reporter);
  /// Continues after a checkpoint that the trainer already holds.
  void continueFrom(const FoundCheckpoint& checkpoint);

  /// True when the last step was done, false when it was stopped, here or on another rank; a
  /// checkpoint is there either way, unless no step was done, and also when a rank was lost.
  /// Errors: NonFinite, FileUnwritable, DiskFull, DeviceMissing.
  api::Result<bool> run();

  /// Figures as train.h names them, and the last checkpoint's folder (empty = none).
  api::Figures figures() const;
  const std::filesystem::path& lastCheckpoint() const { return m_lastCheckpoint; }

 private:
  using Clock = std::chrono::steady_clock;
  api::Result<void> begin();
  api::Result<void> oneStep();
  api::Result<void> save(bool finished);
  tl::unexpected<api::Error> brokenOff(api::Error error);
  void addProbe(std::vector<api::MetricSample>& samples);
  api::Result<void> record(const std::vector<api::MetricSample>& samples);
  void reportProgress();
  void warnOfChangedPhotos();
  bool due(std::int64_t every) const;
  bool checkpointDue() const;

  Trainer& m_trainer;
  SampleMaker& m_samples;
  MetricsLog m_metrics;
  Ranks& m_ranks;
  const api::TrainRequest& m_recipe;
  std::vector<data::TrainingPicture> m_photos;  ///< still watched for changes
  base::Reporter& m_reporter;
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
};

/// The steps of a rank that is not the first: the same updates, with nothing written or shown.
/// `step` updates were done. As TrainingLoop::run().
api::Result<bool> follow(Trainer& trainer,
                         std::int64_t step,
                         std::int64_t steps,
                         Ranks& ranks,
                         base::Reporter& reporter);

}  // namespace likeness::train
