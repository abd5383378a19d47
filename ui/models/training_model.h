// Training as the window sees it: the job, its curves and pictures, the project's runs and what can
// be continued.
#pragma once

#include <QByteArray>
#include <QHash>
#include <QObject>
#include <QPointF>
#include <QTimer>
#include <QVector>
#include <functional>
#include <optional>
#include <vector>

#include "ui/models/job.h"
#include "ui/models/picture_list_model.h"
#include "ui/models/project_model.h"

namespace likeness::ui {

/// When a training that is asked to stop does so; it always keeps what it has learned.
enum class StopAt { Now, NextCheckpoint, AfterSamples };

/// A class picture that was deleted, with what brings it back.
struct DeletedPicture {
  PictureItem item;
  int row = 0;
  QByteArray bytes;
};

class TrainingModel : public QObject {
  Q_OBJECT
 public:
  using Curve = QVector<QPointF>;  ///< x = step, y = value

  TrainingModel(ProjectModel& project, EngineBridge& bridge, QObject* parent = nullptr);

  Job& job() { return m_job; }
  const Job& job() const { return m_job; }
  const Curve& curve(api::Series series) const;
  PictureListModel& classImages() { return m_classImages; }
  PictureListModel& samples() { return m_samples; }
  qint64 classImagesTotal() const { return m_classImagesTotal; }

  /// What keeps Train from starting, as sentences; empty when it can.
  std::vector<api::FieldError> problems() const;
  qint64 plannedSteps() const;
  /// What the recipe as it stands would take; nothing while that is being found out, while a run
  /// would not start, and where the model cannot be read.
  const std::optional<api::TrainingPlan>& plan() const { return m_plan; }

  /// The project's recipe with its folders; a run's own is chosen when it begins.
  api::TrainRequest request() const;
  /// A new run with the project's recipe.
  void start();
  /// A new run of such a request. Nothing begins when there is no folder for it, no project, or a
  /// training already.
  api::Result<void> run(api::TrainRequest request);
  /// Continues a run exactly where its last checkpoint stands.
  void resume(const api::RunSummary& run);
  /// AfterSamples asks for samples at once. A later call replaces one that still waits.
  void stop(StopAt at = StopAt::Now);
  /// What a stop waits for; nothing when none was asked for, or it is under way.
  std::optional<StopAt> stopAt() const { return m_stopAt; }
  /// Trains on, while a stop still waits.
  void keepTraining();
  void sampleNow() { m_job.requestSample(); }
  void checkpointNow() { m_job.requestCheckpoint(); }

  /// Whether a class picture lies in the project and nothing uses it now.
  bool canDelete(int row) const;
  /// Its file goes; the next training makes it again, from the same seed.
  void deleteClassPicture(int row);
  void restore(const DeletedPicture& deleted);

  const std::vector<api::RunSummary>& runs() const { return m_runs; }
  void refresh() { refreshRuns(false); }  ///< runs have come or gone on disk
  /// The latest run when it was not finished and has a checkpoint.
  const api::RunSummary* unfinished() const;
  /// Makes a checkpoint the best of its run, whatever the probes say; remembered.
  void setBest(const std::filesystem::path& run, std::int64_t step);
  /// Of the run shown or under way.
  const QString& runName() const { return m_runName; }
  /// The run of that name as it lies on disk; null while it is new.
  const api::RunSummary* shownRun() const;
  /// Reads the curves of a run; `then` comes on the GUI thread unless `context` is gone.
  void readCurves(const api::RunSummary& run,
                  QObject* context,
                  std::function<void(const std::vector<api::MetricSample>&)> then);

 Q_SIGNALS:
  void curvesReset();
  /// Samples that were added to their curves.
  void curvesGrew(const std::vector<likeness::api::MetricSample>& samples);
  void checkpointSaved(qint64 step);
  void advised(const likeness::api::Advice& advice);
  void warned(const likeness::api::Error& error);
  void runsChanged();
  void problemsChanged();
  void planChanged();
  void stopAtChanged();
  void classPictureDeleted(const likeness::ui::DeletedPicture& deleted);

 private:
  void makePlan();
  void begin(api::TrainRequest request);
  void addSamples(const std::vector<api::MetricSample>& samples);
  void addPicture(const api::PictureReady& picture);
  void resetCurves();
  void refreshRuns(bool showLatest);
  /// Appends the samples of the shown run; with the class pictures when none are here.
  void readPictures(const std::filesystem::path& run, qint64 lastStep);
  void setStopAt(std::optional<StopAt> at);
  void keepBest();

  ProjectModel& m_project;
  Job m_job;
  QHash<int, Curve> m_curves;
  PictureListModel m_classImages, m_samples;
  qint64 m_classImagesTotal = 0;
  std::optional<api::TrainingPlan> m_plan;
  QTimer m_planTimer;
  int m_planNumber = 0;  ///< of the plan that is asked for; older answers are dropped
  std::vector<api::RunSummary> m_runs;
  QString m_runName;
  std::optional<StopAt> m_stopAt;
};

}  // namespace likeness::ui
