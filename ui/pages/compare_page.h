// The step between training and creating: checkpoints, guidance, prompts, strengths side by side.
#pragma once

#include <QPersistentModelIndex>
#include <QWidget>

#include "ui/pages/compare_controls.h"

class QAction;
class QLabel;
class QProgressBar;
class QPushButton;
class QStackedWidget;

namespace likeness::ui {

class CompareView;
class ContactSheet;
class DialogService;
class ElidedLabel;
class ImageView;
class MessageBar;

class ComparePage : public QWidget {
  Q_OBJECT
 public:
  ComparePage(ProjectModel& project,
              TrainingModel& training,
              CompareModel& sheet,
              DialogService& dialogs,
              CompareControls::Common common,
              QWidget* parent = nullptr);
  void focusStart();

 Q_SIGNALS:
  void trainRequested();
  /// The rest is changed on the Create page.
  void createRequested();
  /// Go on there from this cell.
  void createFrom(const likeness::api::GenerateRequest& request);
  void exportRequested(const QString& runFolder, qint64 step);

 protected:
  void showEvent(QShowEvent* event) override;

 private:
  QWidget* makeControls();
  QWidget* makeSheetSide();
  QWidget* makeEmpty();
  QWidget* makeTools();
  QWidget* makeActions();
  void connectModels();
  void showProject();

  void showPlan();
  void showJob();
  void showCell();
  void start();

  QModelIndex current() const;
  /// The checkpoint of the current cell; null for the base model or none.
  const CompareWeights* currentWeights() const;
  bool isLarge() const;
  void setLarge(bool large);
  void goBy(int rows, int columns);
  void flick();
  void mark();
  void useAsBest();
  void saveCell();
  void saveSheet();
  void tellSaved(const QString& target, const api::Result<void>& saved);

  ProjectModel& m_project;
  TrainingModel& m_training;
  CompareModel& m_sheet;
  DialogService& m_dialogs;
  QPersistentModelIndex m_marked;
  bool m_flicked = false;

  MessageBar* m_message;
  CompareControls* m_controls;
  QLabel *m_problem, *m_size, *m_status;
  ImageView* m_empty;
  QPushButton *m_start, *m_cancel, *m_train;
  QStackedWidget* m_stack;
  ContactSheet* m_view;
  CompareView* m_large;
  ElidedLabel* m_caption;
  QProgressBar* m_progress;
  QWidget *m_tools = nullptr, *m_buttons = nullptr;
  QAction *m_back, *m_mark, *m_flick, *m_divide, *m_best, *m_create, *m_export, *m_save, *m_saveAll;
};

}  // namespace likeness::ui
