#include "core/remote/remote_engine.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include "core/base/helper_program.h"
#include "core/base/ring_buffer.h"
#include "core/remote/shared_picture.h"
#include "likeness_version.h"

namespace likeness::remote {

using namespace api;

namespace {

constexpr std::size_t kMetricCapacity = 1 << 14;
constexpr const char* kProgram = "likeness-engine";

tl::unexpected<Error> violation(std::string what) {
  return fail(ErrorCode::Internal, {}, "the engine's process told " + std::move(what));
}

/// The job that a message is about; 0 = none.
JobId jobIn(const ToEngine& message) {
  if (const auto* submit = std::get_if<Submit>(&message)) return submit->job;
  if (const auto* order = std::get_if<Order>(&message)) return order->job;
  return 0;
}

}  // namespace

struct RemoteEngine::Job {
  Job(JobId i, bool trains) : id(i), training(trains), metrics(trains ? kMetricCapacity : 1) {}
  const JobId id;
  const bool training;
  base::RingBuffer<MetricSample> metrics;
  std::atomic<bool> finished = false;
  std::atomic<bool> given = false;   // to the other side
  std::optional<std::uint64_t> gap;  // samples before it are missing; guarded by m_mutex
};

struct RemoteEngine::Link {
  explicit Link(Connection connection)
      : channel(std::move(connection.socket)),
        host(std::move(connection.host)),
        processId(host->processId()) {}
  Channel channel;
  const std::unique_ptr<EngineHost> host;
  const int processId;
  int questions = 0;  // not yet answered; guarded by m_mutex
  // Of the receiver alone.
  bool loaded = false;
  std::optional<Error> refusal;
};

/// What is to be sent; handles of jobs share it, so they may outlive the engine.
class RemoteEngine::Outbox {
 public:
  void put(ToEngine message) {
    const std::lock_guard lock(m_mutex);
    if (m_closed) return;
    m_messages.push_back(std::move(message));
    m_changed.notify_one();
  }
  /// Waits; nothing once it is closed.
  std::optional<ToEngine> take() {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [this] { return m_closed || !m_messages.empty(); });
    if (m_closed) return std::nullopt;
    ToEngine message = std::move(m_messages.front());
    m_messages.pop_front();
    return message;
  }
  void close() {
    const std::lock_guard lock(m_mutex);
    m_closed = true;
    m_changed.notify_one();
  }

 private:
  std::mutex m_mutex;
  std::condition_variable m_changed;
  std::deque<ToEngine> m_messages;
  bool m_closed = false;
};

class RemoteEngine::Control : public JobControl {
 public:
  Control(std::shared_ptr<Outbox> outbox, JobId job) : m_outbox(std::move(outbox)), m_job(job) {}
  void requestStop() override { m_outbox->put(Order{m_job, Command::Stop}); }
  void requestCheckpoint() override { m_outbox->put(Order{m_job, Command::Checkpoint}); }
  void requestSample() override { m_outbox->put(Order{m_job, Command::Sample}); }

 private:
  const std::shared_ptr<Outbox> m_outbox;
  const JobId m_job;
};

RemoteEngine::RemoteEngine(Connect connect, EngineOptions options)
    : m_connect(std::move(connect)),
      m_options(std::move(options)),
      m_outbox(std::make_shared<Outbox>()),
      m_sender([this] { sendAll(); }) {}

RemoteEngine::~RemoteEngine() {
  m_outbox->close();
  m_sender.join();
  std::shared_ptr<Link> link;
  {
    const std::lock_guard lock(m_mutex);
    link = m_link;
  }
  if (link) link->channel.closeSending();
  if (m_receiver.joinable()) m_receiver.join();
  for (const auto& [id, job] : m_jobs)  // those that were never given away
    if (!job->finished) tell(*job, JobFinished{Cancelled{}});
}

Result<JobHandle> RemoteEngine::submit(Request request) {
  if (const auto errors = validate(request); !errors.empty()) return fail(errors.front().error);
  JobId id = 0;
  {
    const std::lock_guard lock(m_mutex);
    id = ++m_lastId;
    m_jobs[id] = std::make_shared<Job>(id, std::holds_alternative<TrainRequest>(request));
  }
  m_outbox->put(Submit{id, std::move(request)});
  return JobHandle{id, std::make_shared<Control>(m_outbox, id)};
}

std::unique_ptr<Subscription> RemoteEngine::subscribe(EventSink sink) {
  return m_fanOut.subscribe(std::move(sink));
}

MetricBatch RemoteEngine::drainMetrics(JobId id, std::uint64_t since) {
  const auto job = jobOf(id);
  if (!job) return {};
  auto batch = job->metrics.since(since);
  const std::lock_guard lock(m_mutex);
  return {std::move(batch.items), batch.next, batch.dropped || (job->gap && since <= *job->gap)};
}

std::vector<Device> RemoteEngine::devices() { return askDevices().value_or(std::vector<Device>()); }

Result<void> RemoteEngine::start() {
  if (auto answer = askDevices(); !answer) return fail(answer.error());
  return {};
}

int RemoteEngine::processId() const {
  const std::lock_guard lock(m_mutex);
  return m_link ? m_link->processId : 0;
}

Result<std::vector<Device>> RemoteEngine::askDevices() {
  std::unique_lock lock(m_mutex);
  const std::uint64_t question = ++m_questions;
  m_outbox->put(AskDevices{});
  m_answered.wait(lock, [&] { return m_answers >= question; });
  return m_devices;
}

void RemoteEngine::answer(Result<std::vector<Device>> devices) {
  const std::lock_guard lock(m_mutex);
  m_devices = std::move(devices);
  ++m_answers;
  m_answered.notify_all();
}

std::shared_ptr<RemoteEngine::Job> RemoteEngine::jobOf(JobId id) const {
  const std::lock_guard lock(m_mutex);
  const auto found = m_jobs.find(id);
  return found == m_jobs.end() ? nullptr : found->second;
}

void RemoteEngine::tell(Job& job, decltype(Event::body) body) {
  const std::lock_guard lock(m_telling);
  if (std::holds_alternative<JobFinished>(body)) job.finished = true;
  m_fanOut.emit(job.id, std::move(body));
}

// ---- the sender

void RemoteEngine::sendAll() {
  while (const auto message = m_outbox->take()) send(*message);
}

void RemoteEngine::send(const ToEngine& message) {
  const auto job = jobOf(jobIn(message));
  if (job && job->finished) return;  // an order that came too late
  const bool asks = std::holds_alternative<AskDevices>(message);
  const auto refuse = [&](const Error& error) {
    if (job) tell(*job, JobFinished{Failed{error}});
    if (asks) answer(fail(error));
  };
  const std::string bytes = encode(message);
  if (bytes.size() > kMaxMessageBytes)
    return refuse({ErrorCode::Internal, {}, "the request is too large"});
  const auto link = linked([&](Link& to) {
    if (job) job->given = true;
    if (asks) ++to.questions;
  });
  if (!link) return refuse(link.error());
  (*link)->channel.send(bytes);  // of a connection that is gone the receiver knows
}

Result<std::shared_ptr<RemoteEngine::Link>> RemoteEngine::linked(
    const std::function<void(Link&)>& give) {
  {
    const std::lock_guard lock(m_mutex);
    if (m_link) {
      give(*m_link);
      return m_link;
    }
  }
  // The end of the former one is told before anything of the next.
  if (m_receiver.joinable()) m_receiver.join();
  auto connection = m_connect();
  if (!connection) return fail(connection.error());
  const auto link = std::make_shared<Link>(std::move(*connection));
  {
    const std::lock_guard lock(m_mutex);
    m_link = link;
    give(*link);
  }
  m_receiver = std::jthread([this, link] { receiveAll(*link); });
  link->channel.send(encode(ToEngine(Start{kVersion, m_options.resources, m_options.niceness})));
  return link;
}

// ---- the receiver

void RemoteEngine::receiveAll(Link& link) {
  while (true) {
    auto packet = link.channel.receive();
    if (packet && !*packet) return ended(link, {});
    if (!packet) return ended(link, packet.error());
    if (auto received = receive(link, **packet); !received) return ended(link, received.error());
  }
}

Result<void> RemoteEngine::receive(Link& link, Packet& packet) {
  auto message = decode<FromEngine>(packet.bytes);
  if (!message) return fail(message.error());
  if (auto* event = std::get_if<Event>(&*message)) return take(link, *event, packet.attachment);
  if (const auto* metrics = std::get_if<Metrics>(&*message)) return take(*metrics);
  if (auto* answered = std::get_if<Devices>(&*message)) return take(link, *answered);
  if (const auto* line = std::get_if<LogLine>(&*message)) {
    if (m_options.log)
      m_options.log(static_cast<int>(std::clamp<std::int64_t>(line->level, 0, 4)), line->text);
  } else {
    link.refusal = std::get<Refused>(*message).error;
  }
  return {};
}

Result<void> RemoteEngine::take(Link& link, Event& event, const base::Descriptor& memory) {
  link.loaded = true;
  const auto job = jobOf(event.job);
  if (!job || job->finished || !job->given)
    return violation("an event of job " + std::to_string(event.job) + ", which it does not have");
  if (auto* picture = std::get_if<PictureReady>(&event.body))
    if (auto taken = takePicture(picture->image, memory); !taken) return taken;
  tell(*job, std::move(event.body));
  return {};
}

Result<void> RemoteEngine::take(const Metrics& metrics) {
  const auto job = jobOf(metrics.job);
  if (!job || job->finished)
    return violation("metrics of job " + std::to_string(metrics.job) + ", which it does not have");
  const std::lock_guard lock(m_mutex);
  if (metrics.dropped) job->gap = job->metrics.since(~std::uint64_t{0}).next;
  for (const MetricSample& sample : metrics.samples) job->metrics.push(sample);
  return {};
}

Result<void> RemoteEngine::take(Link& link, Devices& answered) {
  link.loaded = true;
  {
    const std::lock_guard lock(m_mutex);
    if (link.questions == 0) return violation("devices without being asked");
    --link.questions;
  }
  answer(std::move(answered.devices));
  return {};
}

void RemoteEngine::ended(Link& link, const std::optional<Error>& wrong) {
  const Ending ending = link.host->end();
  const std::string how = describe(ending);
  std::vector<std::shared_ptr<Job>> lost;
  int questions = 0;
  {
    const std::lock_guard lock(m_mutex);
    m_link.reset();
    questions = link.questions;
    for (const auto& [id, job] : m_jobs)
      if (job->given && !job->finished) lost.push_back(job);
  }
  const auto errorFor = [&](bool training) -> Error {
    if (link.refusal) return *link.refusal;
    if (wrong) return *wrong;
    if (!link.loaded) return {ErrorCode::EngineMissing, {{"reason", "it " + how}}, {}};
    if (ending.outOfMemory) return {ErrorCode::NotEnoughMemory, {}, how};
    return {ErrorCode::DeviceMissing,
            {{"lost", how},
             {"fix",
              training ? "Nothing in the window is lost, and the training can be continued from "
                         "its last checkpoint"
                       : "Nothing in the window is lost; please try it again"}},
            {}};
  };
  const bool expected = lost.empty() && questions == 0 && !wrong && ending.signal == 0;
  if (m_options.log)
    m_options.log(expected ? 2 : 4,
                  "The engine's process " + std::to_string(link.processId) + " " + how +
                      (wrong ? " [" + wrong->detail + "]" : ""));
  for (const auto& job : lost) tell(*job, JobFinished{Failed{errorFor(job->training)}});
  for (; questions > 0; --questions) answer(fail(errorFor(false)));
}

Result<std::shared_ptr<RemoteEngine>> startRemoteEngine(EngineOptions options) {
  const std::filesystem::path program = base::helperProgram(kProgram);
  if (program.empty())
    return fail(ErrorCode::EngineMissing,
                {{"reason", std::string("the program ") + kProgram + " is missing"}});
  auto engine = std::make_shared<RemoteEngine>([program] { return startEngineProcess(program); },
                                               std::move(options));
  if (auto started = engine->start(); !started) return fail(started.error());
  return engine;
}

}  // namespace likeness::remote
