// What a run tells of itself is kept in its folder: metrics.csv, TensorBoard's events,
// warnings.txt, report.html.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/base/file_system.h"
#include "core/base/reporter.h"
#include "core/train/likeness.h"

namespace likeness::train {

/// Stands between a training and its listener, to whom everything is handed on. Warnings are
/// gathered from the start; the files begin with open(). Compute thread only.
class RunRecorder : public base::Reporter {
 public:
  explicit RunRecorder(base::Reporter& listener) : m_listener(listener) {}

  /// Begins the files of a run, or cuts them back to what belongs to steps up to `lastStep`, the
  /// checkpoint's; files of earlier versions get the columns they lack. The recipe must stay.
  /// Errors: FileUnwritable, DiskFull.
  api::Result<void> open(const api::TrainRequest& recipe, std::optional<std::int64_t> lastStep);
  /// Who judges the samples from now on.
  void setJudge(LikenessJudge judge) { m_judge = std::move(judge); }

  /// The row of a step, with the drift and likeness of samples made since the last one. Appended,
  /// not yet durable. Errors: FileUnwritable, DiskFull, also those of pictures in between.
  api::Result<void> record(std::int64_t step, std::vector<api::MetricSample> samples);
  /// Probes, drift and likeness of the whole run, of earlier sessions too.
  const std::vector<api::MetricSample>& history() const { return m_history; }
  /// Makes what was recorded durable; before a checkpoint counts on it.
  api::Result<void> sync();
  /// Writes warnings.txt and report.html as they are now; a failure is a warning alone.
  void report();

  void stage(api::Stage stage) override { m_listener.stage(stage); }
  void progress(const api::Progress& progress) override { m_listener.progress(progress); }
  void picture(const api::PictureReady& picture) override;
  void metric(const api::MetricSample& sample) override { m_listener.metric(sample); }
  void checkpoint(const api::CheckpointSaved& saved) override { m_listener.checkpoint(saved); }
  void warning(const api::Error& error) override;
  void advice(const api::Advice& advice) override { m_listener.advice(advice); }
  std::stop_token stop() const override { return m_listener.stop(); }
  bool takeCheckpointRequest() override { return m_listener.takeCheckpointRequest(); }
  bool takeSampleRequest() override { return m_listener.takeSampleRequest(); }

 private:
  api::Result<void> openEvents(std::optional<std::int64_t> lastStep);
  void measure(const api::PictureReady& sample);

  base::Reporter& m_listener;
  const api::TrainRequest* m_recipe = nullptr;  ///< none before open()
  std::optional<base::AppendFile> m_metrics, m_events;
  std::vector<api::MetricSample> m_history;
  LikenessJudge m_judge;
  std::vector<double> m_drifts;  ///< of samples that were made since the last row
  std::vector<std::string> m_warnings;
  api::Result<void> m_pictures;  ///< the first failure to keep one
};

}  // namespace likeness::train
