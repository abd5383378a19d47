#include "ui/models/engine_bridge.h"

#include "ui/util/background.h"

namespace likeness::ui {
namespace {
constexpr int kDrainIntervalMs = 100;
}

EngineBridge::EngineBridge(Factory factory, QObject* parent)
    : QObject(parent), m_factory(std::move(factory)) {
  m_drainTimer.setInterval(kDrainIntervalMs);
  connect(&m_drainTimer, &QTimer::timeout, this, [this] {
    const auto jobs = m_cursors.keys();
    for (const api::JobId job : jobs) drain(job);
  });
}

EngineBridge::~EngineBridge() = default;

void EngineBridge::submit(api::Request request, QObject* context, Accepted accepted) {
  Waiting waiting{std::move(request), context, std::move(accepted)};
  if (m_engine) return submitNow(std::move(waiting));
  m_waiting.push_back(std::move(waiting));
  if (m_loading) return;
  m_loading = true;
  inBackground(
      this,
      [factory = m_factory] { return factory(); },
      [this](api::Result<std::shared_ptr<api::Engine>> engine) { loaded(std::move(engine)); });
}

void EngineBridge::loaded(api::Result<std::shared_ptr<api::Engine>> engine) {
  m_loading = false;
  if (engine) {
    m_engine = std::move(*engine);
    m_subscription =
        m_engine->subscribe([guard = QPointer<QObject>(this), this](const api::Event& e) {
          onGuiThread(guard, [this, e] { receive(e); });
        });
  }
  for (Waiting& waiting : std::exchange(m_waiting, {})) {
    if (engine) {
      submitNow(std::move(waiting));
    } else if (waiting.context) {
      waiting.accepted(api::fail(engine.error()));
    }
  }
}

void EngineBridge::submitNow(Waiting waiting) {
  if (!waiting.context) return;
  api::Result<api::JobHandle> handle = m_engine->submit(std::move(waiting.request));
  if (handle) {
    m_cursors.insert(handle->id, 0);
    m_drainTimer.start();
  }
  waiting.accepted(std::move(handle));
}

void EngineBridge::receive(const api::Event& e) {
  const bool last = std::holds_alternative<api::JobFinished>(e.body);
  if (last) {
    drain(e.job);
    m_cursors.remove(e.job);
    if (m_cursors.isEmpty()) m_drainTimer.stop();
  }
  Q_EMIT event(e);
}

void EngineBridge::drain(api::JobId job) {
  const auto cursor = m_cursors.find(job);
  if (cursor == m_cursors.end()) return;
  const api::MetricBatch batch = m_engine->drainMetrics(job, *cursor);
  *cursor = batch.next;
  if (!batch.samples.empty() || batch.dropped) Q_EMIT metrics(job, batch);
}

}  // namespace likeness::ui
