// One job from the wish to its end: the state machine that training, generation and export share.
#pragma once

#include <QObject>
#include <filesystem>
#include <optional>
#include <vector>

#include "ui/models/engine_bridge.h"

namespace likeness::ui {

enum class JobState { Idle, Starting, Queued, Running, Stopping, Finished, Cancelled, Failed };

class Job : public QObject {
  Q_OBJECT
 public:
  explicit Job(EngineBridge& bridge, QObject* parent = nullptr);

  /// Begins a new job; only when not active().
  void start(api::Request request);
  /// Asks for the end; a job that is still starting is stopped as soon as it is accepted.
  void stop();
  /// Of a training that is running, at the next step.
  void requestSample();
  void requestCheckpoint();

  JobState state() const { return m_state; }
  const api::Request& request() const { return m_request; }  ///< of the latest start
  bool active() const;
  api::Stage stage() const { return m_progress.stage; }
  const api::Progress& progress() const { return m_progress; }
  const std::optional<api::Error>& error() const { return m_error; }  ///< of a failed job
  const std::vector<std::filesystem::path>& artifacts() const { return m_artifacts; }
  const api::Figures& figures() const { return m_figures; }
  /// "Training, step 214 of 400, about 2 min"; empty when not active.
  QString describe() const;

 Q_SIGNALS:
  void changed();  ///< state, stage or progress
  void picture(const likeness::api::PictureReady& picture);
  void checkpoint(const likeness::api::CheckpointSaved& checkpoint);
  void advice(const likeness::api::Advice& advice);
  void warning(const likeness::api::Error& error);
  void metrics(const likeness::api::MetricBatch& batch);
  void ended();  ///< after changed(), once per start

 private:
  void accepted(api::Result<api::JobHandle> handle);
  void receive(const api::Event& event);
  void finish(const api::JobFinished& finished);
  void setState(JobState state);

  EngineBridge& m_bridge;
  JobState m_state = JobState::Idle;
  api::Request m_request;
  api::JobHandle m_handle;
  bool m_stopWanted = false;
  api::Progress m_progress;
  std::optional<api::Error> m_error;
  std::vector<std::filesystem::path> m_artifacts;
  api::Figures m_figures;
};

}  // namespace likeness::ui
