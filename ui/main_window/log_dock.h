// The program's log in the window, and what is passed on when something went wrong.
#pragma once

#include <functional>

#include "ui/models/log_model.h"
#include "ui/widgets/dock.h"

class QComboBox;
class QLineEdit;
class QListView;
class QPushButton;
class QSortFilterProxyModel;

namespace likeness::ui {

class LogDock : public Dock {
  Q_OBJECT
 public:
  /// `recipe` gives the open project's as YAML, or nothing; asked for when a report is copied.
  LogDock(LogModel& log, std::function<QString()> recipe, QWidget* parent = nullptr);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void copyLines();
  void copyReport();
  void showFilter();

  LogModel& m_log;
  std::function<QString()> m_recipe;
  QSortFilterProxyModel* m_shown;
  QComboBox* m_level;
  QLineEdit* m_search;
  QPushButton *m_copy, *m_report;
  QListView* m_lines;
};

}  // namespace likeness::ui
