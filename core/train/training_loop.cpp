// Steps, and what happens at their boundaries.
#include "core/train/training_loop.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/machine.h"
#include "core/workspace/advisor.h"

namespace likeness::train {

using api::MetricSample;
using api::Series;

namespace {

/// Automatic checkpoints: writing takes at most this part of the time...
constexpr double kSavingShare = 0.05;
/// ...and a disk is not worn out by a small model that could be written every second.
constexpr double kSavingDistanceSeconds = 30;
/// Steps whose median makes the time that is left.
constexpr std::size_t kRecentSteps = 20;
/// Below these the first one, in which memory is made and kernels are compiled, counts too much.
constexpr std::size_t kStepsToTell = 10;

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// Samples of what is shown, when the first rank wants them; every rank asks.
api::Result<void> sampleTogether(bool wanted,
                                 std::int64_t step,
                                 Trainer& trainer,
                                 SampleMaker& samples,
                                 Ranks& ranks,
                                 base::Reporter& reporter) {
  const auto agreed = ranks.any(wanted);
  if (!agreed) return api::fail(agreed.error());
  if (!*agreed) return {};
  const ShownWeights shown(trainer.optimizer());
  return samples.make(step, reporter);
}

}  // namespace

TrainingLoop::TrainingLoop(Trainer& trainer,
                           SampleMaker& samples,
                           Ranks& ranks,
                           const api::TrainRequest& recipe,
                           const std::vector<data::TrainingPicture>& photos,
                           std::chrono::steady_clock::time_point jobStart,
                           RunRecorder& reporter)
    : m_trainer(trainer),
      m_samples(samples),
      m_ranks(ranks),
      m_recipe(recipe),
      m_reporter(reporter),
      m_jobStart(jobStart) {
  for (const data::TrainingPicture& photo : photos) {
    m_watched.push_back(photo);
    if (photo.mask && photo.mask->file != photo.file) m_watched.push_back(*photo.mask);
  }
}

void TrainingLoop::continueFrom(const FoundCheckpoint& checkpoint) {
  const auto& manifest = checkpoint.manifest;
  m_step = manifest.step;
  m_lastCheckpoint = checkpoint.folder;
  if (manifest.finished || m_step < m_recipe.training.steps) m_savedStep = m_step;
  if (manifest.probeSubject) m_lastProbe = Losses{*manifest.probeSubject, manifest.probeClass, {}};
}

api::Result<bool> TrainingLoop::run() {
  m_lastSave = Clock::now();
  if (m_step == 0)
    if (auto begun = begin(); !begun) return api::fail(begun.error());
  // The other ranks know the number of steps alone.
  while (m_step < m_recipe.training.steps) {
    const auto stop = m_ranks.any(ended() || m_reporter.stop().stop_requested());
    if (!stop) return brokenOff(stop.error());
    if (*stop) break;
    if (auto done = oneStep(); !done) return api::fail(done.error());
  }
  if (m_savedStep != m_step && m_step > 0)
    if (auto saved = save(ended()); !saved) return api::fail(saved.error());
  m_reporter.report();
  return ended();
}

bool TrainingLoop::due(std::int64_t every) const {
  return every > 0 && (m_step % every == 0 || m_step == m_recipe.training.steps);
}

bool TrainingLoop::ended() const {
  return m_step >= m_recipe.training.steps ||
         (m_recipe.watch.stopEarly && m_advice && m_advice->state == api::AdviceState::Drifting);
}

bool TrainingLoop::checkpointDue() const {
  const double minutes = m_recipe.checkpoints.minutes;
  if (minutes > 0 && seconds(Clock::now() - m_lastSave) >= 60 * minutes) return true;
  if (m_recipe.checkpoints.every > 0) return m_step % m_recipe.checkpoints.every == 0;
  return seconds(Clock::now() - m_lastSave) >=
         std::max(kSavingDistanceSeconds, m_saveSeconds / kSavingShare);
}

/// The untrained model: what later probes and samples are compared with.
api::Result<void> TrainingLoop::begin() {
  if (auto made = makeSamples(false); !made) return made;
  std::vector<MetricSample> samples;
  if (due(m_recipe.watch.probeEvery)) addProbe(samples);
  return m_reporter.record(0, std::move(samples));
}

api::Result<void> TrainingLoop::makeSamples(bool asked) {
  return sampleTogether(
      asked || due(m_recipe.watch.sampleEvery), m_step, m_trainer, m_samples, m_ranks, m_reporter);
}

api::Result<void> TrainingLoop::oneStep() {
  const auto start = Clock::now();
  const std::int64_t microBatch = m_trainer.microBatch();
  auto report = m_trainer.step(m_step);
  if (m_trainer.microBatch() < microBatch) warnOfSmallerBatches();
  if (!report) return brokenOff(report.error());
  const double stepSeconds = seconds(Clock::now() - start);
  m_stepSeconds.push_back(stepSeconds);
  if (m_stepSeconds.size() == 1) m_firstStepSeconds = seconds(Clock::now() - m_jobStart);
  ++m_step;
  m_lastLosses = report->losses;

  std::vector<MetricSample> row{{m_step, Series::SubjectLoss, report->losses.subject}};
  if (report->losses.classHalf)
    row.push_back({m_step, Series::ClassLoss, *report->losses.classHalf});
  constexpr std::array kBands{
      Series::LossBand1, Series::LossBand2, Series::LossBand3, Series::LossBand4};
  for (std::size_t band = 0; band < kBands.size(); ++band)
    if (const auto loss = report->losses.bands.mean(band))
      row.push_back({m_step, kBands[band], *loss});
  if (due(m_recipe.watch.probeEvery)) addProbe(row);
  row.push_back({m_step, Series::LearningRate, report->learningRate});
  if (!report->leftOut) row.push_back({m_step, Series::GradNorm, report->gradientNorm});
  row.push_back({m_step, Series::StepSeconds, stepSeconds});
  row.push_back({m_step, Series::MemoryMiB, static_cast<double>(base::rssMiB())});
  // Before the row, which tells how far the samples have drifted.
  const auto made = makeSamples(m_reporter.takeSampleRequest());
  auto recorded = m_reporter.record(m_step, std::move(row));
  if (!made) return brokenOff(made.error());
  if (!recorded) return recorded;
  reportProgress();
  if (due(m_recipe.watch.probeEvery)) advise();
  if (m_reporter.takeCheckpointRequest() || checkpointDue()) return save(ended());
  return {};
}

/// A step failed before anything was changed, or the samples after it. Where a rank was lost, the
/// state is good.
tl::unexpected<api::Error> TrainingLoop::brokenOff(api::Error error) {
  const bool lost = error.code == api::ErrorCode::DeviceMissing;
  if (lost && m_step > 0 && m_savedStep != m_step)
    if (auto saved = save(false); !saved) m_reporter.warning(saved.error());
  if ((lost || error.code == api::ErrorCode::NonFinite) && !m_lastCheckpoint.empty())
    error.context.emplace_back("folder", m_lastCheckpoint.string());
  return api::fail(std::move(error));
}

void TrainingLoop::addProbe(std::vector<MetricSample>& samples) {
  m_lastProbe = m_trainer.probe();
  samples.push_back({m_step, Series::ProbeSubject, m_lastProbe->subject});
  if (m_lastProbe->classHalf)
    samples.push_back({m_step, Series::ProbeClass, *m_lastProbe->classHalf});
}

void TrainingLoop::advise() {
  m_advice = workspace::advise(m_reporter.history());
  if (m_advice) m_reporter.advice(*m_advice);
}

void TrainingLoop::reportProgress() {
  const std::size_t count = std::min(kRecentSteps, m_stepSeconds.size());
  const double perStep =
      median({m_stepSeconds.end() - static_cast<std::ptrdiff_t>(count), m_stepSeconds.end()});
  const std::int64_t total = m_recipe.training.steps;
  m_reporter.progress(
      {api::Stage::Train, m_step, total, perStep, perStep * static_cast<double>(total - m_step)});
}

api::Result<void> TrainingLoop::save(bool finished) {
  const auto start = Clock::now();
  if (auto synced = m_reporter.sync(); !synced) return synced;
  workspace::CheckpointManifest manifest;
  manifest.step = m_step;
  manifest.kind = m_recipe.training.method;
  if (manifest.kind == api::Method::Lora) manifest.alpha = m_recipe.lora.alpha;
  manifest.finished = finished;
  if (m_lastProbe) {
    manifest.probeSubject = m_lastProbe->subject;
    manifest.probeClass = m_lastProbe->classHalf;
  }
  const ShownWeights shown(m_trainer.optimizer());
  CheckpointTensors tensors;
  for (const auto& [part, weights] : m_trainer.trainables().weights)
    tensors.emplace(part + ".safetensors", weights);
  tensors.emplace(workspace::kOptimizerFile, m_trainer.state());
  auto folder = saveCheckpoint(
      m_recipe.runFolder, std::move(manifest), tensors, m_trainer.trainables().metadata);
  if (!folder) return api::fail(folder.error());
  removeOldCheckpoints(m_recipe.runFolder, m_recipe.checkpoints.keep);
  m_lastCheckpoint = *folder;
  m_savedStep = m_step;
  reportNowAndThen();
  m_lastSave = Clock::now();
  m_saveSeconds = seconds(m_lastSave - start);
  m_reporter.checkpoint({m_step, *folder});
  warnOfChangedPhotos();
  return {};
}

/// A checkpoint of a small model is written faster than a page with many pictures.
void TrainingLoop::reportNowAndThen() {
  const auto start = Clock::now();
  if (ended() || m_reporter.stop().stop_requested()) return;  // run() writes the last one
  if (seconds(start - m_lastReport) < m_reportSeconds / kSavingShare) return;
  m_reporter.report();
  m_lastReport = Clock::now();
  m_reportSeconds = seconds(m_lastReport - start);
}

/// Training goes on, its latents are kept; but a later resume will ask for the photo.
void TrainingLoop::warnOfChangedPhotos() {
  std::erase_if(m_watched, [&](const data::KnownFile& known) {
    if (data::unchanged(known)) return false;
    m_reporter.warning({api::ErrorCode::PhotoChanged, {{"file", known.file.string()}}, {}});
    return true;
  });
}

void TrainingLoop::warnOfSmallerBatches() {
  m_reporter.warning(
      {api::ErrorCode::SmallerBatches, {{"pictures", std::to_string(m_trainer.microBatch())}}, {}});
}

std::optional<double> TrainingLoop::secondsPerStep() const {
  if (m_stepSeconds.size() < kStepsToTell) return {};
  return median(m_stepSeconds);
}

api::Figures TrainingLoop::figures() const {
  api::Figures figures{{"steps", m_step}};
  if (m_advice) figures.emplace_back("advice", api::sentence(*m_advice));
  if (!m_stepSeconds.empty()) {
    figures.emplace_back("step_s_median", median(m_stepSeconds));
    figures.emplace_back("first_step_s", m_firstStepSeconds);
    figures.emplace_back("loss_subject", m_lastLosses.subject);
    if (m_lastLosses.classHalf) figures.emplace_back("loss_class", *m_lastLosses.classHalf);
  }
  if (m_lastProbe) {
    figures.emplace_back("probe_subject", m_lastProbe->subject);
    if (m_lastProbe->classHalf) figures.emplace_back("probe_class", *m_lastProbe->classHalf);
  }
  figures.emplace_back("total_s", seconds(Clock::now() - m_jobStart));
  figures.emplace_back("peak_rss_mib", base::peakRssMiB());
  return figures;
}

api::Result<bool> follow(Trainer& trainer,
                         SampleMaker& samples,
                         std::int64_t step,
                         std::int64_t steps,
                         Ranks& ranks,
                         base::Reporter& reporter) {
  const auto sampled = [&] {
    return sampleTogether(false, step, trainer, samples, ranks, reporter);
  };
  if (step == 0)
    if (auto made = sampled(); !made) return api::fail(made.error());
  while (step < steps) {
    const auto stop = ranks.any(reporter.stop().stop_requested());
    if (!stop) return api::fail(stop.error());
    if (*stop) return false;
    if (auto done = trainer.step(step); !done) return api::fail(done.error());
    ++step;
    if (auto made = sampled(); !made) return api::fail(made.error());
  }
  return true;
}

}  // namespace likeness::train
