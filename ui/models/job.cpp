#include "ui/models/job.h"

#include "ui/util/texts.h"

namespace likeness::ui {
namespace {
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
}  // namespace

Job::Job(EngineBridge& bridge, QObject* parent) : QObject(parent), m_bridge(bridge) {
  connect(&bridge, &EngineBridge::event, this, &Job::receive);
  connect(
      &bridge, &EngineBridge::metrics, this, [this](api::JobId id, const api::MetricBatch& batch) {
        if (active() && id == m_handle.id) Q_EMIT metrics(batch);
      });
}

bool Job::active() const {
  return m_state == JobState::Starting || m_state == JobState::Queued ||
         m_state == JobState::Running || m_state == JobState::Stopping;
}

void Job::start(api::Request request) {
  Q_ASSERT(!active());
  m_request = request;
  m_handle = {};
  m_stopWanted = false;
  m_progress = {};
  m_error.reset();
  m_artifacts.clear();
  m_figures.clear();
  setState(JobState::Starting);
  m_bridge.submit(std::move(request), this, [this](api::Result<api::JobHandle> handle) {
    accepted(std::move(handle));
  });
}

void Job::accepted(api::Result<api::JobHandle> handle) {
  if (!handle) {
    m_error = handle.error();
    setState(JobState::Failed);
    Q_EMIT ended();
    return;
  }
  m_handle = *handle;
  if (m_stopWanted) {
    m_handle.control->requestStop();
  } else {
    setState(JobState::Queued);
  }
}

void Job::stop() {
  if (!active()) return;
  m_stopWanted = true;
  if (m_handle.control) m_handle.control->requestStop();
  setState(JobState::Stopping);
}

void Job::requestSample() {
  if (m_state == JobState::Running) m_handle.control->requestSample();
}

void Job::requestCheckpoint() {
  if (m_state == JobState::Running) m_handle.control->requestCheckpoint();
}

void Job::receive(const api::Event& event) {
  if (!active() || m_handle.id == 0 || event.job != m_handle.id) return;
  std::visit(Overloaded{[](const api::JobQueued&) {},
                        [this](const api::JobStarted&) {
                          if (m_state == JobState::Queued) setState(JobState::Running);
                        },
                        [this](const api::StageChanged& stage) {
                          m_progress = {};
                          m_progress.stage = stage.stage;
                          Q_EMIT changed();
                        },
                        [this](const api::Progress& progress) {
                          m_progress = progress;
                          Q_EMIT changed();
                        },
                        [this](const api::PictureReady& ready) { Q_EMIT picture(ready); },
                        [this](const api::CheckpointSaved& saved) { Q_EMIT checkpoint(saved); },
                        [this](const api::Advice& given) { Q_EMIT advice(given); },
                        [this](const api::Warning& w) { Q_EMIT warning(w.error); },
                        [this](const api::JobFinished& finished) { finish(finished); }},
             event.body);
}

void Job::finish(const api::JobFinished& finished) {
  JobState state = JobState::Finished;
  if (const auto* completed = std::get_if<api::Completed>(&finished.outcome)) {
    m_artifacts = completed->artifacts;
    m_figures = completed->figures;
  } else if (const auto* cancelled = std::get_if<api::Cancelled>(&finished.outcome)) {
    m_artifacts = cancelled->artifacts;
    m_figures = cancelled->figures;
    state = JobState::Cancelled;
  } else {
    m_error = std::get<api::Failed>(finished.outcome).error;
    state = JobState::Failed;
  }
  setState(state);
  Q_EMIT ended();
}

void Job::setState(JobState state) {
  m_state = state;
  Q_EMIT changed();
}

QString Job::describe() const {
  switch (m_state) {
    case JobState::Starting:
      return tr("Starting");
    case JobState::Queued:
      return tr("Waiting for its turn");
    case JobState::Stopping:
      return tr("Stopping safely");
    case JobState::Running:
      break;
    default:
      return {};
  }
  QStringList parts{Texts::forStage(m_progress.stage)};
  if (m_progress.total > 0) {
    parts << (m_progress.stage == api::Stage::Train || m_progress.stage == api::Stage::Generate
                  ? tr("step %1 of %2")
                  : tr("%1 of %2"))
                 .arg(m_progress.done)
                 .arg(m_progress.total);
  }
  if (const QString left = Texts::duration(m_progress.secondsLeft); !left.isEmpty())
    parts << tr("%1 left").arg(left);
  return parts.join(QStringLiteral(" · "));
}

}  // namespace likeness::ui
