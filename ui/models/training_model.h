// Training as the window sees it: the job, its curves and pictures, the project's runs and what can
// be continued.
#pragma once

#include <QHash>
#include <QObject>
#include <QPointF>
#include <QTimer>
#include <QVector>
#include <optional>
#include <vector>

#include "ui/models/job.h"
#include "ui/models/picture_list_model.h"
#include "ui/models/project_model.h"

namespace likeness::ui {

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

  /// A new run with the project's recipe.
  void start();
  /// Continues a run exactly where its last checkpoint stands.
  void resume(const api::RunSummary& run);
  void stop() { m_job.stop(); }

  const std::vector<api::RunSummary>& runs() const { return m_runs; }
  /// The latest run when it was not finished and has a checkpoint.
  const api::RunSummary* unfinished() const;
  /// Makes a checkpoint the best of its run, whatever the probes say; remembered.
  void setBest(const std::filesystem::path& run, std::int64_t step);
  /// Of the run shown or under way.
  const QString& runName() const { return m_runName; }

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

 private:
  /// The recipe with the project's folders; the run's own is chosen at the start.
  api::TrainRequest request() const;
  void makePlan();
  void begin(api::TrainRequest request);
  void addSamples(const std::vector<api::MetricSample>& samples);
  void addPicture(const api::PictureReady& picture);
  void resetCurves();
  void refreshRuns(bool showLatest);
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
};

}  // namespace likeness::ui
