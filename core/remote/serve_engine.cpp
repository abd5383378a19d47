#include "core/remote/serve_engine.h"

#include <map>
#include <mutex>
#include <utility>

#include "core/remote/channel.h"
#include "core/remote/messages.h"
#include "core/remote/shared_picture.h"
#include "likeness_version.h"

namespace likeness::remote {
namespace {

using api::JobId;

class Server {
 public:
  explicit Server(base::Descriptor socket) : m_channel(std::move(socket)) {}

  bool run(const OpenEngine& open) {
    const auto first = next();
    const auto* start = first ? std::get_if<Start>(&*first) : nullptr;
    if (!start) return false;
    auto engine = load(*start, open);
    if (!engine) {
      send(Refused{engine.error()});
      return true;
    }
    m_engine = engine->get();
    const auto subscription = m_engine->subscribe([this](const api::Event& event) { tell(event); });
    while (auto message = next()) {
      std::visit([this](auto& what) { take(what); }, *message);
      if (!m_obeyed) break;
    }
    engine->reset();  // tells how its jobs ended
    return m_obeyed;
  }

 private:
  /// A job as both sides number it.
  struct Served {
    JobId number = 0;          // of the other side
    std::uint64_t cursor = 0;  // metrics up to it were sent
    std::shared_ptr<api::JobControl> control;
  };

  api::Result<std::shared_ptr<api::Engine>> load(const Start& start, const OpenEngine& open) {
    if (start.version != kVersion)
      return api::fail(api::ErrorCode::EngineMissing,
                       {{"reason",
                         "it is of version " + std::string(kVersion) + ", the window of " +
                             start.version + "; close the window and open it again"}});
    api::EngineOptions options;
    options.resources = start.resources;
    options.niceness = static_cast<int>(start.niceness);
    options.log = [this](int level, std::string_view text) {
      send(LogLine{level, std::string(text)});
    };
    return open(options);
  }

  /// Nothing when the connection is over.
  std::optional<ToEngine> next() {
    auto packet = m_channel.receive();
    if (packet && !*packet) return std::nullopt;
    if (packet)
      if (auto message = decode<ToEngine>((*packet)->bytes)) return std::move(*message);
    m_obeyed = false;
    return std::nullopt;
  }
  bool send(const FromEngine& message, const base::Descriptor& attachment = base::Descriptor()) {
    return m_channel.send(encode(message), attachment);
  }

  void take(const Start&) { m_obeyed = false; }
  void take(AskDevices) { send(Devices{m_engine->devices()}); }
  void take(const Order& order) {
    std::shared_ptr<api::JobControl> control;
    {
      const std::lock_guard lock(m_mutex);
      for (const auto& [id, job] : m_jobs)
        if (job.number == order.job) control = job.control;
    }
    if (!control) return;
    if (order.command == Command::Stop) control->requestStop();
    if (order.command == Command::Checkpoint) control->requestCheckpoint();
    if (order.command == Command::Sample) control->requestSample();
  }
  void take(Submit& submit) {
    {
      const std::lock_guard lock(m_mutex);
      m_submitted = submit.job;
    }
    auto handle = m_engine->submit(std::move(submit.request));
    if (!handle) {
      send(api::Event{submit.job, 0, api::JobFinished{api::Failed{handle.error()}}});
      return;
    }
    const std::lock_guard lock(m_mutex);
    jobOf(handle->id).control = std::move(handle->control);
  }

  /// Events of a job may come before submit() has told its id: an unknown one is the one just
  /// submitted. With m_mutex held.
  Served& jobOf(JobId id) {
    return m_jobs.try_emplace(id, Served{m_submitted, 0, nullptr}).first->second;
  }

  /// Called by the engine's compute thread, also while the engine is destroyed.
  void tell(api::Event event) {
    Served job;
    {
      const std::lock_guard lock(m_mutex);
      job = jobOf(event.job);
    }
    api::MetricBatch batch = m_engine->drainMetrics(event.job, job.cursor);
    {
      const std::lock_guard lock(m_mutex);
      jobOf(event.job).cursor = batch.next;
    }
    if (!batch.samples.empty() || batch.dropped)
      send(Metrics{job.number, std::move(batch.samples), batch.dropped});

    event.job = job.number;
    base::Descriptor memory;
    if (auto* picture = std::get_if<api::PictureReady>(&event.body);
        picture && !picture->image.empty()) {
      if (auto shared = sharePicture(picture->image)) {
        memory = std::move(*shared);
      } else {
        send(LogLine{4, shared.error().detail});
        picture->image = {};  // its file is there all the same
      }
    }
    send(std::move(event), memory);
  }

  Channel m_channel;
  bool m_obeyed = true;
  api::Engine* m_engine = nullptr;  // owned by run()
  std::mutex m_mutex;               // guards the members below
  std::map<JobId, Served> m_jobs;   // by the engine's id
  JobId m_submitted = 0;
};

}  // namespace

bool serveEngine(base::Descriptor socket, const OpenEngine& open) {
  return Server(std::move(socket)).run(open);
}

}  // namespace likeness::remote
