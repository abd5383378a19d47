// The engine as the window and the command line see it. Implemented by core/engine (real) and
// tests/support (fake).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/api/events.h"
#include "core/api/requests.h"

namespace likeness::api {

/// Commands to a running job. Every call returns at once; any thread.
class JobControl {
 public:
  virtual ~JobControl() = default;
  /// At the next step, sampler step, file or tensor; training keeps a checkpoint.
  virtual void requestStop() = 0;
  virtual void requestCheckpoint() = 0;  ///< at the next step boundary; training only
  virtual void requestSample() = 0;      ///< at the next step boundary; training only
};

/// A submitted job. Destroying the handle does not stop the job.
struct JobHandle {
  JobId id = 0;
  std::shared_ptr<JobControl> control;
};

/// Ends the subscription when destroyed; no call of the sink begins after that.
class Subscription {
 public:
  virtual ~Subscription() = default;
};
using EventSink = std::function<void(const Event&)>;

struct Device {
  std::string id;    ///< "cpu", "cuda:0": what ComputeOptions::device takes
  std::string name;  ///< "AMD EPYC, 2 cores, AVX-512 bf16"
  std::int64_t memoryMiB = 0;
  std::int64_t freeMiB = 0;
  bool bf16 = false;  ///< bf16 is fast here
  std::string note;   ///< "bf16 self-check passed", "driver 580"
};

/// Thread-safe. Jobs run in order of submission on one compute thread.
class Engine {
 public:
  virtual ~Engine() = default;
  /// Queues a job, or says at once which field is wrong (validate).
  virtual Result<JobHandle> submit(Request request) = 0;
  /// The sink is called on the compute thread, must return quickly and must not throw.
  virtual std::unique_ptr<Subscription> subscribe(EventSink sink) = 0;
  /// Metrics of a job since a cursor (0 = all that the ring still holds).
  virtual MetricBatch drainMetrics(JobId job, std::uint64_t since) = 0;
  virtual std::vector<Device> devices() = 0;
};

struct EngineOptions {
  std::filesystem::path resources;  ///< for `starter`
  std::function<void(int level, std::string_view message)>
      log;  ///< spdlog levels; any thread; may be empty
  int niceness =
      10;  ///< of the compute thread, so that a window stays responsive; 0 = as the program
};

/// The one symbol of the engine module: `extern "C" likeness_make_engine`. The caller owns the
/// result.
using MakeEngine = Engine* (*)(const EngineOptions&);

}  // namespace likeness::api
