// Exports a run: which checkpoint, which form, where to; shows the progress and what the check of
// the result found.
#pragma once

#include <QDialog>

#include "ui/models/job.h"
#include "ui/models/project_model.h"

class QComboBox;
class QLabel;
class QProgressBar;
class QPushButton;

namespace likeness::ui {

class DialogService;
class MessageBar;

class ExportDialog : public QDialog {
  Q_OBJECT
 public:
  /// `job` belongs to the window: an export goes on when the dialog is closed.
  ExportDialog(ProjectModel& project,
               const std::vector<api::RunSummary>& runs,
               Job& job,
               DialogService& dialogs,
               QWidget* parent = nullptr);
  /// Another run and checkpoint than the latest; nothing where it is not there.
  void choose(const std::filesystem::path& run, std::int64_t step);

 private:
  void fillCheckpoints();
  void suggestTarget();
  void begin();
  void update();
  void showOutcome();
  const api::RunSummary& run() const;

  ProjectModel& m_project;
  std::vector<api::RunSummary> m_runs;
  Job& m_job;
  DialogService& m_dialogs;
  QComboBox *m_run, *m_checkpoint, *m_format, *m_dtype;
  QLabel *m_target, *m_status, *m_outcome;
  QProgressBar* m_progress;
  QPushButton *m_choose, *m_export, *m_open, *m_close;
  MessageBar* m_message;
  QString m_out;
};

}  // namespace likeness::ui
