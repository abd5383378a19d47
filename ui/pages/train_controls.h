// A part of the Train page: what a training will take, its start, and everything that can be asked
// of one that runs.
#pragma once

#include <QFrame>

#include "ui/models/training_model.h"

class QAction;
class QLabel;
class QMenu;
class QProgressBar;
class QPushButton;
class QVBoxLayout;

namespace likeness::ui {

class TrainControls : public QFrame {
  Q_OBJECT
 public:
  TrainControls(ProjectModel& project, TrainingModel& training, QWidget* parent = nullptr);
  void focusStart();

 Q_SIGNALS:
  void createRequested();
  void exportRequested();
  void queueRequested();

 private:
  void addWatch(QVBoxLayout* layout);
  void addStop(QVBoxLayout* layout);
  void connectModel();
  void showProblems();
  void showPlan();
  void showJob();
  void showStop();

  ProjectModel& m_project;
  TrainingModel& m_training;
  QLabel *m_problems, *m_plan, *m_estimate, *m_status, *m_advice, *m_saved;
  QProgressBar* m_progress;
  QPushButton *m_start, *m_queue, *m_sample, *m_save, *m_stop, *m_create, *m_export;
  QWidget *m_watchRow = nullptr, *m_stopRow = nullptr, *m_doneRow = nullptr;
  QAction *m_afterSave = nullptr, *m_afterSamples = nullptr;
  bool m_samplesAsked = false, m_saveAsked = false;
};

}  // namespace likeness::ui
