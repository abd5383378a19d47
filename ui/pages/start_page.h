// What the window shows without a project: the ways to one.
#pragma once

#include <QWidget>

#include "ui/models/project_model.h"

class QVBoxLayout;

namespace likeness::ui {

class StartPage : public QWidget {
  Q_OBJECT
 public:
  explicit StartPage(ProjectModel& project, QWidget* parent = nullptr);

 Q_SIGNALS:
  void newRequested();
  void openRequested();
  void sampleRequested();
  void recentRequested(const QString& folder);

 private:
  void fillRecent();
  ProjectModel& m_project;
  QWidget* m_recentBox;
  QVBoxLayout* m_recent;
};

}  // namespace likeness::ui
