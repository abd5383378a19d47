#include "core/engine/compute_engine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "core/base/log.h"
#include "core/base/ring_buffer.h"
#include "core/engine/translate_exception.h"
#include "core/tensor/device.h"
#include "core/tensor/host_memory.h"

namespace likeness::engine {

using namespace api;
using Clock = std::chrono::steady_clock;

namespace {
constexpr std::size_t kMetricCapacity = 1 << 14;
constexpr auto kProgressInterval = std::chrono::milliseconds(100);
}  // namespace

struct ComputeEngine::Job {
  Job(JobId i, Request r)
      : id(i),
        request(std::move(r)),
        metrics(std::holds_alternative<TrainRequest>(request) ? kMetricCapacity : 1) {}
  const JobId id;
  const Request request;
  std::stop_source stop;
  std::atomic<bool> checkpointAsked = false;
  std::atomic<bool> sampleAsked = false;
  base::RingBuffer<MetricSample> metrics;
  bool announced = false;  // JobQueued was emitted; guarded by m_mutex
};

/// Holds the job alone, so a handle may outlive the engine.
class ComputeEngine::Control : public JobControl {
 public:
  explicit Control(std::shared_ptr<Job> job) : m_job(std::move(job)) {}
  void requestStop() override { m_job->stop.request_stop(); }
  void requestCheckpoint() override { m_job->checkpointAsked = true; }
  void requestSample() override { m_job->sampleAsked = true; }

 private:
  std::shared_ptr<Job> m_job;
};

class ComputeEngine::JobReporter : public base::Reporter {
 public:
  JobReporter(ComputeEngine& engine, Job& job) : m_engine(engine), m_job(job) {}

  void stage(Stage stage) override { send(StageChanged{stage}); }
  void progress(const Progress& progress) override {
    const auto now = Clock::now();
    m_pending = progress;
    if (m_lastProgress && now - *m_lastProgress < kProgressInterval &&
        progress.done < progress.total)
      return;
    m_lastProgress = now;
    flush();
  }
  void picture(const PictureReady& picture) override { send(picture); }
  void metric(const MetricSample& sample) override { m_job.metrics.push(sample); }
  void checkpoint(const CheckpointSaved& checkpoint) override { send(checkpoint); }
  void advice(const Advice& advice) override { send(advice); }
  void warning(const Error& error) override {
    base::log(base::LogLevel::Warning,
              message(error) + (error.detail.empty() ? "" : " [" + error.detail + "]"));
    send(Warning{error});
  }
  std::stop_token stop() const override { return m_job.stop.get_token(); }
  bool takeCheckpointRequest() override { return m_job.checkpointAsked.exchange(false); }
  bool takeSampleRequest() override { return m_job.sampleAsked.exchange(false); }

  /// Sends the progress that coalescing holds back, so that the last one is never lost.
  void flush() {
    if (m_pending) m_engine.emit(m_job.id, *std::exchange(m_pending, std::nullopt));
  }

 private:
  void send(decltype(Event::body) body) {
    flush();
    m_engine.emit(m_job.id, std::move(body));
  }

  ComputeEngine& m_engine;
  Job& m_job;
  std::optional<Progress> m_pending;
  std::optional<Clock::time_point> m_lastProgress;
};

ComputeEngine::ComputeEngine(EngineOptions options, JobRunner runner)
    : m_options(std::move(options)),
      m_runner(std::move(runner)),
      m_thread([this](std::stop_token stop) { work(stop); }) {}

ComputeEngine::~ComputeEngine() {
  m_thread.request_stop();
  {
    const std::lock_guard lock(m_mutex);
    if (m_running) m_running->stop.request_stop();
    for (const auto& job : m_queue) job->stop.request_stop();
  }
  m_thread.join();
}

Result<JobHandle> ComputeEngine::submit(Request request) {
  if (const auto errors = validate(request); !errors.empty()) return fail(errors.front().error);
  const std::lock_guard lock(m_mutex);
  const auto job = std::make_shared<Job>(++m_lastId, std::move(request));
  m_jobs[job->id] = job;
  m_queue.push_back(job);
  m_wake.notify_one();
  return JobHandle{job->id, std::make_shared<Control>(job)};
}

std::unique_ptr<Subscription> ComputeEngine::subscribe(EventSink sink) {
  return m_fanOut.subscribe(std::move(sink));
}

MetricBatch ComputeEngine::drainMetrics(JobId id, std::uint64_t since) {
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(m_mutex);
    const auto found = m_jobs.find(id);
    if (found == m_jobs.end()) return {};
    job = found->second;
  }
  auto batch = job->metrics.since(since);
  return {std::move(batch.items), batch.next, batch.dropped};
}

std::vector<Device> ComputeEngine::devices() { return tensor::listDevices(); }

void ComputeEngine::emit(JobId job, decltype(Event::body) body) {
  announce();
  m_fanOut.emit(job, std::move(body));
}

void ComputeEngine::announce() {
  std::vector<JobId> queued, cancelled;
  {
    const std::lock_guard lock(m_mutex);
    for (const auto& job : m_queue)
      if (!std::exchange(job->announced, true)) queued.push_back(job->id);
    std::erase_if(m_queue, [&](const auto& job) {
      if (job->stop.stop_requested()) cancelled.push_back(job->id);
      return job->stop.stop_requested();
    });
  }
  for (const JobId id : queued) m_fanOut.emit(id, JobQueued{});
  for (const JobId id : cancelled) m_fanOut.emit(id, JobFinished{Cancelled{}});
}

void ComputeEngine::work(std::stop_token stop) {
  // The window stays responsive while every core computes; LibTorch's pool inherits the priority.
  if (m_options.niceness > 0)
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), m_options.niceness);
  while (true) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(m_mutex);
      m_wake.wait(lock, stop, [this] { return !m_queue.empty(); });
      if (m_queue.empty()) return;
    }
    announce();
    {
      const std::lock_guard lock(m_mutex);
      // Submitted or stopped since: announce() has the first word.
      if (m_queue.empty() || !m_queue.front()->announced || m_queue.front()->stop.stop_requested())
        continue;
      m_running = job = m_queue.front();
      m_queue.pop_front();
    }
    run(*job);
    const std::lock_guard lock(m_mutex);
    m_running.reset();
  }
}

void ComputeEngine::run(Job& job) {
  JobReporter reporter(*this, job);
  emit(job.id, JobStarted{});
  JobFinished finished{Failed{}};
  try {
    auto result = m_runner(job.request, m_options.resources, reporter);
    if (!result)
      finished.outcome = Failed{std::move(result.error())};
    else if (result->cancelled)
      finished.outcome = Cancelled{std::move(result->artifacts), std::move(result->figures)};
    else
      finished.outcome = Completed{std::move(result->artifacts), std::move(result->figures)};
  } catch (...) {
    finished.outcome = Failed{translateException(std::current_exception())};
  }
  if (const auto* failed = std::get_if<Failed>(&finished.outcome))
    base::log(base::LogLevel::Error,
              message(failed->error) +
                  (failed->error.detail.empty() ? "" : " [" + failed->error.detail + "]"));
  reporter.flush();
  tensor::releaseHostMemory();  // a finished job's memory goes back to the system
  emit(job.id, std::move(finished));
}

}  // namespace likeness::engine
