// What an engine tells: value-type events with a sequence number, metrics by a bounded ring.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/api/field.h"
#include "core/api/image.h"
#include "core/api/result.h"

namespace likeness::api {

using JobId = std::uint64_t;

enum class Stage {
  LoadModel,
  PreparePhotos,
  ClassImages,
  CacheLatents,
  Train,
  Generate,
  Export,
  Verify,
  Bench
};
/// English words for a stage, "Making class pictures"; the window translates them.
std::string_view label(Stage stage);

struct JobQueued {};
struct JobStarted {};
struct StageChanged {
  Stage stage = Stage::LoadModel;
};
/// Latest wins; at most a few per second.
struct Progress {
  Stage stage = Stage::LoadModel;
  std::int64_t done = 0, total = 0;  ///< units of the stage: files, pictures, steps
  double secondsPerUnit = 0;         ///< recent median; 0 = not yet known
  double secondsLeft = 0;            ///< of the stage; 0 = not yet known
};
enum class PictureKind { ClassImage, Sample, Preview, Result, Sheet };
struct PictureReady {
  PictureKind kind = PictureKind::Result;
  Image image;
  std::filesystem::path file;  ///< empty when it was not written
  std::int64_t step = 0;       ///< training step, or sampler step of a preview
  std::int64_t index = 0;  ///< among its kind: class image, prompt of a sample, picture of a batch
  std::int64_t total = 0;  ///< how many there will be
  std::string prompt;
  std::int64_t seed = 0;
};
struct CheckpointSaved {
  std::int64_t step = 0;
  std::filesystem::path folder;
};
/// Whether a training is enough, told by its curves (workspace/advisor.h).
enum class AdviceState {
  Learning,  ///< the subject still gets closer
  Enough,    ///< it no longer does, and the class is as it was
  Drifting   ///< it no longer does, while the class moves away
};
struct Advice {
  AdviceState state = AdviceState::Learning;
  std::int64_t step = 0;            ///< of the latest probe
  std::int64_t bestStep = 0;        ///< of the probe with the best balance of both
  double subjectFall = 0;           ///< part by which the subject's probe fell until bestStep, 0..1
  std::optional<double> classRise;  ///< part by which the class's probe has risen until `step`
  std::optional<double> classDrift;  ///< latest Series::ClassDrift
  std::optional<double> dino;        ///< latest Series::DinoLikeness
  bool operator==(const Advice&) const = default;
};
/// The English template of an advice's sentence, for translation; fillAdvice() puts the figures in.
std::string_view adviceTemplate(AdviceState state);
std::string fillAdvice(std::string_view text, const Advice& advice);
/// "Still learning: the subject is 12 % closer than at the start; ..."
std::string sentence(const Advice& advice);

/// Something a person should know that does not end the job.
struct Warning {
  Error error;
};

/// Named figures of a finished job, as printed by `--json` ("step_s_median", "peak_rss_mib",
/// "files").
using Figures = std::vector<std::pair<std::string, FieldValue>>;
struct Completed {
  std::vector<std::filesystem::path> artifacts;
  Figures figures;
};
struct Cancelled {
  std::vector<std::filesystem::path> artifacts;  ///< what is kept: checkpoint, pictures made so far
  Figures figures;
};
struct Failed {
  Error error;
};
/// Exactly one per job, always the last, also after exceptions.
struct JobFinished {
  std::variant<Completed, Cancelled, Failed> outcome;
};

struct Event {
  JobId job = 0;
  std::uint64_t sequence = 0;  ///< rises by one per event of the engine
  std::variant<JobQueued,
               JobStarted,
               StageChanged,
               Progress,
               PictureReady,
               CheckpointSaved,
               Advice,
               Warning,
               JobFinished>
      body;
};

/// Curves of a run. Probe values use fixed noise and timesteps, so they are comparable between
/// steps.
enum class Series {
  SubjectLoss,
  ClassLoss,
  ProbeSubject,
  ProbeClass,
  LearningRate,
  GradNorm,
  StepSeconds,
  MemoryMiB,  ///< resident set of the process, after the step
  /// Subject loss of the timesteps in each quarter of the schedule, from clear to noisy; absent in
  /// steps that drew none of them.
  LossBand1,
  LossBand2,
  LossBand3,
  LossBand4,
  /// How far the samples without the subject are from those of the untrained model, 0 = the same
  /// structure, 1 = another picture (image::structureDistance); steps with samples alone.
  ClassDrift,
  /// Of the samples that show the subject, in steps with samples and with the user's vision models
  /// alone: mean cosine with the photos by DINO and by CLIP, and of pictures with their prompts by
  /// CLIP, the token left out (Ruiz et al. 2023, 4.1).
  DinoLikeness,
  ClipLikeness,
  ClipPrompt
};
struct MetricSample {
  std::int64_t step = 0;
  Series series = Series::SubjectLoss;
  double value = 0;
};
struct MetricBatch {
  std::vector<MetricSample> samples;
  std::uint64_t next = 0;  ///< cursor for the following call
  bool dropped = false;    ///< the ring overran; the full series is in metrics.csv
};

}  // namespace likeness::api
