// How a running job speaks and listens: the engine implements it, jobs (train, generate, class
// images, export) are plain functions over it.
#pragma once

#include <stop_token>

#include "core/api/engine.h"

namespace likeness::base {

/// Called on the compute thread only.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void stage(api::Stage stage) = 0;
  virtual void progress(const api::Progress& progress) = 0;
  virtual void picture(const api::PictureReady& picture) = 0;
  virtual void metric(const api::MetricSample& sample) = 0;
  virtual void checkpoint(const api::CheckpointSaved& checkpoint) = 0;
  virtual void warning(const api::Error& error) = 0;
  virtual void advice(const api::Advice&) {}

  /// Requested as soon as any stop is asked for; looked at once per step, sampler step, file and
  /// tensor.
  virtual std::stop_token stop() const = 0;
  /// True once per request made through JobControl.
  virtual bool takeCheckpointRequest() = 0;
  virtual bool takeSampleRequest() = 0;
};

/// What a job leaves behind. Cancelled is an outcome, not an error.
struct JobResult {
  bool cancelled = false;
  std::vector<std::filesystem::path> artifacts;
  api::Figures figures;
};

}  // namespace likeness::base
