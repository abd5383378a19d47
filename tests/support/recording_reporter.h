// A job's listener as a test sees it: everything said is kept, and a stop can be asked for.
#pragma once

#include <functional>
#include <vector>

#include "core/base/reporter.h"

namespace likeness::support {

class RecordingReporter : public base::Reporter {
 public:
  void stage(api::Stage stage) override { stages.push_back(stage); }
  void progress(const api::Progress& progress) override {
    progresses.push_back(progress);
    if (onProgress) onProgress(progress);
  }
  void picture(const api::PictureReady& picture) override {
    pictures.push_back(picture);
    if (onPicture) onPicture(picture);
  }
  void metric(const api::MetricSample& sample) override { metrics.push_back(sample); }
  void checkpoint(const api::CheckpointSaved& checkpoint) override {
    checkpoints.push_back(checkpoint);
  }
  void advice(const api::Advice& advice) override { advices.push_back(advice); }
  void warning(const api::Error& error) override { warnings.push_back(error); }
  std::stop_token stop() const override { return stopSource.get_token(); }
  bool takeCheckpointRequest() override { return false; }
  bool takeSampleRequest() override { return false; }

  std::vector<api::PictureReady> of(api::PictureKind kind) const {
    std::vector<api::PictureReady> found;
    for (const auto& picture : pictures)
      if (picture.kind == kind) found.push_back(picture);
    return found;
  }

  std::vector<api::Stage> stages;
  std::vector<api::Progress> progresses;
  std::vector<api::PictureReady> pictures;
  std::vector<api::MetricSample> metrics;
  std::vector<api::CheckpointSaved> checkpoints;
  std::vector<api::Advice> advices;
  std::vector<api::Error> warnings;
  std::function<void(const api::Progress&)> onProgress;  ///< may ask for a stop
  std::function<void(const api::PictureReady&)> onPicture;
  std::stop_source stopSource;
};

}  // namespace likeness::support
