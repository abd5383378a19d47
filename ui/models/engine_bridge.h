// The window's only subscriber of the engine: everything that an engine tells arrives here, on the
// GUI thread.
#pragma once

#include <QHash>
#include <QObject>
#include <QPointer>
#include <QTimer>
#include <functional>
#include <memory>
#include <vector>

#include "core/api/engine.h"

namespace likeness::ui {

class EngineBridge : public QObject {
  Q_OBJECT
 public:
  /// Loads or makes the engine; called once, off the GUI thread, when the first job comes.
  using Factory = std::function<api::Result<std::shared_ptr<api::Engine>>()>;
  using Accepted = std::function<void(api::Result<api::JobHandle>)>;

  explicit EngineBridge(Factory factory, QObject* parent = nullptr);
  ~EngineBridge() override;

  /// `accepted` is called once on the GUI thread, before any event of the job, unless `context` is
  /// gone by then.
  void submit(api::Request request, QObject* context, Accepted accepted);
  /// Jobs accepted and not finished.
  bool busy() const { return !m_cursors.isEmpty(); }

 Q_SIGNALS:
  void event(const likeness::api::Event& event);
  /// New samples of a job; the last of them come before its JobFinished.
  void metrics(likeness::api::JobId job, const likeness::api::MetricBatch& batch);

 private:
  struct Waiting {
    api::Request request;
    QPointer<QObject> context;
    Accepted accepted;
  };
  void loaded(api::Result<std::shared_ptr<api::Engine>> engine);
  void submitNow(Waiting waiting);
  void receive(const api::Event& event);
  void drain(api::JobId job);

  Factory m_factory;
  bool m_loading = false;
  std::vector<Waiting> m_waiting;
  std::shared_ptr<api::Engine> m_engine;
  std::unique_ptr<api::Subscription> m_subscription;
  QHash<api::JobId, std::uint64_t> m_cursors;  ///< of every active job
  QTimer m_drainTimer;
};

}  // namespace likeness::ui
