// An engine that does what a test says: it records requests and commands, and plays the events that
// the test pushes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/api/engine.h"

namespace likeness::support {

/// A small coloured gradient, different for every `shade`.
api::Image testImage(int width = 64, int height = 64, int shade = 0);

/// What scriptTraining plays.
struct TrainingScript {
  std::int64_t photos = 4;
  std::int64_t classImages = 4;
  std::int64_t steps = 20;
  std::int64_t sampleEvery = 10;      ///< 0 = never
  std::int64_t samplePrompts = 2;     ///< pictures per sample
  std::int64_t probeEvery = 5;        ///< 0 = never
  std::int64_t checkpointEvery = 10;  ///< 0 = only at the end
  int imageSize = 64;                 ///< pixels
  std::optional<api::Error> failure;  ///< ends the job with this error ...
  std::int64_t failAtStep = 1;        ///< ... before this step
};

/// What scriptGeneration plays.
struct GenerationScript {
  std::int64_t pictures = 4;
  std::int64_t samplerSteps = 10;
  std::int64_t previewEvery = 5;  ///< sampler steps; 0 = none
  int imageSize = 64;             ///< pixels
  std::optional<api::Error> failure;
};

/// Single-threaded and without clocks: sinks are called inside emit(), advance() and submit().
/// Jobs start nothing by themselves; either push events with emit() or give the job a script and
/// advance() it.
class FakeEngine : public api::Engine {
 public:
  /// Commands that a job has received.
  struct Commands {
    int stopRequests = 0;
    int checkpointRequests = 0;
    int sampleRequests = 0;
  };

  FakeEngine();
  ~FakeEngine() override;

  // api::Engine. submit() validates as the real engine does, records, and emits JobQueued.
  api::Result<api::JobHandle> submit(api::Request request) override;
  std::unique_ptr<api::Subscription> subscribe(api::EventSink sink) override;
  api::MetricBatch drainMetrics(api::JobId job, std::uint64_t since) override;
  std::vector<api::Device> devices() override;

  /// Requests in order of submission; job ids count from 1, so job N is requests()[N - 1].
  const std::vector<api::Request>& requests() const { return m_requests; }
  /// Id of the last accepted job, 0 before the first.
  api::JobId lastJob() const { return m_requests.size(); }
  /// The last request when it is an R, else null.
  template <class R>
  const R* lastRequest() const {
    return m_requests.empty() ? nullptr : std::get_if<R>(&m_requests.back());
  }
  const Commands& commands(api::JobId job) const;
  /// The next submit() is answered with this error and not recorded.
  void refuseNext(api::Error error);
  void setDevices(std::vector<api::Device> devices);

  /// Sends an event of a job to every subscriber. JobFinished at most once per job.
  void emit(api::JobId job, decltype(api::Event::body) body);
  /// Adds a sample to the job's metrics.
  void pushMetric(api::JobId job, const api::MetricSample& sample);
  bool finished(api::JobId job) const;

  /// Gives a job its beats. A training plays JobStarted, the stages with progress, class images,
  /// steps (metrics, progress), probes, samples, checkpoints, JobFinished; a generation previews
  /// and results.
  void scriptTraining(api::JobId job, const TrainingScript& script = {});
  void scriptGeneration(api::JobId job, const GenerationScript& script = {});
  /// Plays up to `beats` beats of the script; false once the job is finished. A stop request ends
  /// the job at the next beat as Cancelled (with a checkpoint when it trains); requested
  /// checkpoints and samples come at the next step.
  bool advance(api::JobId job, int beats = 1);
  void playToEnd(api::JobId job);

 private:
  struct Job;
  class Control;
  Job& job(api::JobId id) const;
  void finishCancelled(api::JobId id);
  void trainStep(api::JobId id, const TrainingScript& script, std::int64_t step);
  void sample(api::JobId id, const TrainingScript& script, std::int64_t step);
  void saveCheckpoint(api::JobId id, std::int64_t step);

  struct Events;
  std::unique_ptr<Events> m_events;
  std::vector<api::Request> m_requests;
  std::vector<std::shared_ptr<Job>> m_jobs;
  std::optional<api::Error> m_refusal;
  std::vector<api::Device> m_devices;
};

}  // namespace likeness::support
