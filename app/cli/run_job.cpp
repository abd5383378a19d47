#include "app/cli/run_job.h"

#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <optional>

#include "app/cli/progress_line.h"
#include "app/engine_loader.h"
#include "core/base/log.h"

namespace likeness::cli {

using namespace api;

namespace {

volatile std::sig_atomic_t g_stopAsked = 0;

/// Takes SIGINT and SIGTERM as a wish to stop while a job runs.
class SignalGuard {
 public:
  SignalGuard() {
    struct sigaction action {};
    action.sa_handler = [](int) { g_stopAsked = 1; };
    sigaction(SIGINT, &action, &m_interrupt);
    sigaction(SIGTERM, &action, &m_terminate);
  }
  ~SignalGuard() {
    sigaction(SIGINT, &m_interrupt, nullptr);
    sigaction(SIGTERM, &m_terminate, nullptr);
  }

 private:
  struct sigaction m_interrupt {
  }, m_terminate{};
};

/// Shows events and keeps the last one.
class Listener {
 public:
  void receive(const Event& event) {
    if (const auto* stage = std::get_if<StageChanged>(&event.body)) m_line.stage(stage->stage);
    if (const auto* progress = std::get_if<Progress>(&event.body)) m_line.progress(*progress);
    if (const auto* saved = std::get_if<CheckpointSaved>(&event.body))
      m_line.note("Checkpoint at step " + std::to_string(saved->step));
    if (const auto* advice = std::get_if<Advice>(&event.body)) receive(*advice);
    if (const auto* warning = std::get_if<Warning>(&event.body))
      m_line.note("Note: " + message(warning->error) + " " + hint(warning->error));
    if (const auto* picture = std::get_if<PictureReady>(&event.body);
        picture && picture->kind == PictureKind::Sample && !picture->file.empty())
      m_line.note("Sample at step " + std::to_string(picture->step) + ": " +
                  picture->file.string());
    if (const auto* finished = std::get_if<JobFinished>(&event.body)) {
      const std::lock_guard lock(m_mutex);
      m_finished = *finished;
      m_changed.notify_all();
    }
  }
  JobFinished wait(JobControl& control) {
    std::unique_lock lock(m_mutex);
    bool stopping = false;
    // Signal handlers may not notify, so the wish is looked at now and then.
    while (!m_changed.wait_for(
        lock, std::chrono::milliseconds(50), [this] { return m_finished.has_value(); })) {
      if (stopping || !g_stopAsked) continue;
      stopping = true;
      control.requestStop();
      // Not in the handler: `timeout` and the like may deliver the first one twice. SIGTERM stays a
      // wish.
      std::signal(SIGINT, SIG_DFL);
      m_line.note("Stopping safely. Press Ctrl-C again to end at once, without saving.");
    }
    return *m_finished;
  }

 private:
  /// Said when it changes, not at every probe.
  void receive(const Advice& advice) {
    if (m_advice == advice.state) return;
    m_advice = advice.state;
    m_line.note(sentence(advice));
  }

  std::optional<AdviceState> m_advice;
  ProgressLine m_line;
  std::mutex m_mutex;
  std::condition_variable m_changed;
  std::optional<JobFinished> m_finished;
};

nlohmann::ordered_json toJson(const char* outcome,
                              const std::vector<std::filesystem::path>& artifacts,
                              const Figures& figures) {
  nlohmann::ordered_json json;
  json["outcome"] = outcome;
  for (const auto& [name, value] : figures)
    std::visit([&, key = name](const auto& v) { json[key] = v; }, value);
  json["artifacts"] = nlohmann::ordered_json::array();
  for (const auto& path : artifacts) json["artifacts"].push_back(path.string());
  return json;
}

}  // namespace

Result<std::unique_ptr<Engine>> openEngine(Workspace& workspace) {
  base::startLogging(base::defaultLogFolder(), false);
  EngineOptions options;
  options.resources = workspace.resources();
  options.log = [](int level, std::string_view text) {
    base::log(static_cast<base::LogLevel>(level), text);
  };
  options.niceness = 0;
  return app::loadEngine(options);
}

Result<CommandResult> runJob(Request request, Workspace& workspace) {
  if (const auto errors = validate(request); !errors.empty()) return fail(errors.front().error);
  const SignalGuard signals;
  auto engine = openEngine(workspace);
  if (!engine) return fail(engine.error());
  return runJob(**engine, std::move(request));
}

Result<CommandResult> runJob(Engine& engine,
                             Request request,
                             std::function<void(const PictureReady&)> onPicture) {
  const SignalGuard signals;
  Listener listener;
  const auto subscription = engine.subscribe([&](const Event& event) {
    if (const auto* picture = std::get_if<PictureReady>(&event.body); picture && onPicture)
      onPicture(*picture);
    listener.receive(event);
  });
  const auto job = engine.submit(std::move(request));
  if (!job) return fail(job.error());
  const JobFinished finished = listener.wait(*job->control);
  if (const auto* failed = std::get_if<Failed>(&finished.outcome)) return fail(failed->error);
  CommandResult result;
  if (const auto* cancelled = std::get_if<Cancelled>(&finished.outcome)) {
    result.json = toJson("stopped", cancelled->artifacts, cancelled->figures);
    result.stopped = true;
  } else {
    const auto& completed = std::get<Completed>(finished.outcome);
    result.json = toJson("completed", completed.artifacts, completed.figures);
  }
  return result;
}

std::string figure(const CommandResult& result, const char* name) {
  const auto found = result.json.find(name);
  if (found == result.json.end()) return "?";
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_number_float()) return found->dump();
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", found->get<double>());
  return text;
}

}  // namespace likeness::cli
