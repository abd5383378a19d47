// api::Engine on one compute thread that owns every tensor and runs jobs in order of submission.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "core/api/engine.h"
#include "core/base/event_fan_out.h"
#include "core/engine/jobs.h"

namespace likeness::engine {

/// Thread-safe. Every event is emitted on the compute thread; what other threads cause (a job
/// queued, a queued job stopped) is emitted there before the next event, at once when the thread is
/// idle.
class ComputeEngine : public api::Engine {
 public:
  /// `runner` is what a job does: runJob, or a test's own.
  explicit ComputeEngine(api::EngineOptions options, JobRunner runner);
  /// Stops the running job (it keeps a checkpoint), ends the queued ones as Cancelled, and waits.
  ~ComputeEngine() override;

  api::Result<api::JobHandle> submit(api::Request request) override;
  std::unique_ptr<api::Subscription> subscribe(api::EventSink sink) override;
  api::MetricBatch drainMetrics(api::JobId job, std::uint64_t since) override;
  std::vector<api::Device> devices() override;

 private:
  struct Job;
  class Control;
  class JobReporter;

  void work(std::stop_token stop);
  void run(Job& job);
  void emit(api::JobId job, decltype(api::Event::body) body);
  void announce();  // JobQueued, and JobFinished of queued jobs that were stopped

  const api::EngineOptions m_options;
  const JobRunner m_runner;
  base::EventFanOut m_fanOut;

  std::mutex m_mutex;  // guards the members below
  std::condition_variable_any m_wake;
  std::deque<std::shared_ptr<Job>> m_queue;
  std::shared_ptr<Job> m_running;
  std::map<api::JobId, std::shared_ptr<Job>> m_jobs;
  api::JobId m_lastId = 0;

  std::jthread m_thread;  // last: it uses all of the above
};

}  // namespace likeness::engine
