// The row above the page: which project, whether it is saved, and the running job on every page.
#pragma once

#include <QFrame>

#include "ui/models/job.h"
#include "ui/models/project_model.h"

class QLabel;
class QProgressBar;
class QPushButton;

namespace likeness::ui {

class ElidedLabel;

class TitleRow : public QFrame {
  Q_OBJECT
 public:
  explicit TitleRow(ProjectModel& project, QWidget* parent = nullptr);
  /// Shows this job while it is active; earlier watched jobs go first.
  void watch(Job& job);

 Q_SIGNALS:
  void jobClicked(likeness::ui::Job* job);

 private:
  void showProject();
  void showJob();
  Job* activeJob() const;

  ProjectModel& m_project;
  std::vector<Job*> m_jobs;
  ElidedLabel* m_name;
  QLabel* m_mark;
  QPushButton* m_chip;
  QProgressBar* m_progress;
};

}  // namespace likeness::ui
