// api::Engine whose work is done by another process, so that its end is the end of a job and of
// nothing else.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/api/engine.h"
#include "core/base/event_fan_out.h"
#include "core/remote/channel.h"
#include "core/remote/engine_process.h"
#include "core/remote/messages.h"

namespace likeness::remote {

using Connect = std::function<api::Result<Connection>()>;

/// As any engine, with these differences. Sinks are called on a thread that only receives. No call
/// waits for the other side but devices(). Metrics come with the next event of their job. When the
/// other side ends, each job that it had fails, once: with NotEnoughMemory or DeviceMissing, or, if
/// it never got as far as an event, with the reason why it could not be loaded; the next job starts
/// another one.
class RemoteEngine : public api::Engine {
 public:
  /// Connects when there is something to do. `options.log` also hears of the other side's end.
  RemoteEngine(Connect connect, api::EngineOptions options);
  /// As the destruction of an engine in this process: what runs keeps a checkpoint. Waits.
  ~RemoteEngine() override;

  api::Result<api::JobHandle> submit(api::Request request) override;
  std::unique_ptr<api::Subscription> subscribe(api::EventSink sink) override;
  api::MetricBatch drainMetrics(api::JobId job, std::uint64_t since) override;
  /// Asks the other side, which may have to start first; nothing when that fails.
  std::vector<api::Device> devices() override;

  /// Waits until an engine is loaded. Errors: those of connecting and loading.
  api::Result<void> start();
  /// Of the process that computes, and holds the memory, now; 0 = there is none. Any thread.
  int processId() const;

 private:
  struct Job;
  struct Link;
  class Outbox;
  class Control;

  // Of the sender.
  void sendAll();
  void send(const ToEngine& message);
  /// The connection in use, or a new one. `give` notes what it is to do, before it can end. Errors:
  /// those of connecting.
  api::Result<std::shared_ptr<Link>> linked(const std::function<void(Link&)>& give);

  // Of the receiver.
  void receiveAll(Link& link);
  /// Errors: what the other side may not say.
  api::Result<void> receive(Link& link, Packet& packet);
  api::Result<void> take(Link& link, api::Event& event, const base::Descriptor& memory);
  api::Result<void> take(const Metrics& metrics);
  api::Result<void> take(Link& link, Devices& answer);
  void ended(Link& link, const std::optional<api::Error>& violation);

  api::Result<std::vector<api::Device>> askDevices();
  void answer(api::Result<std::vector<api::Device>> devices);
  std::shared_ptr<Job> jobOf(api::JobId id) const;
  void tell(Job& job, decltype(api::Event::body) body);

  const Connect m_connect;
  const api::EngineOptions m_options;
  std::mutex m_telling;  // orders the calls of m_fanOut
  base::EventFanOut m_fanOut;
  const std::shared_ptr<Outbox> m_outbox;

  mutable std::mutex m_mutex;  // guards the members below
  std::condition_variable m_answered;
  std::map<api::JobId, std::shared_ptr<Job>> m_jobs;
  api::JobId m_lastId = 0;
  std::shared_ptr<Link> m_link;
  std::uint64_t m_questions = 0, m_answers = 0;  // about devices
  api::Result<std::vector<api::Device>> m_devices;

  std::jthread m_receiver;  // of m_link; started and joined by the sender
  std::jthread m_sender;    // last: it uses all of the above
};

/// An engine in a process of its own, loaded: the program likeness-engine beside this one. Errors:
/// EngineMissing.
api::Result<std::shared_ptr<RemoteEngine>> startRemoteEngine(api::EngineOptions options);

}  // namespace likeness::remote
