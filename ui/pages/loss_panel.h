// A part of the Train page: the curves of the run with a switch for each, their scale, other runs
// beside them, and what can be kept of them.
#pragma once

#include <QFrame>
#include <QHash>
#include <array>

#include "ui/models/training_model.h"
#include "ui/widgets/loss_plot.h"

class QAction;
class QLabel;
class QLayout;
class QMenu;
class QToolButton;

namespace likeness::ui {

class DialogService;
class FlowLayout;
class MessageBar;

class LossPanel : public QFrame {
  Q_OBJECT
 public:
  /// Failures are said on `message`.
  LossPanel(TrainingModel& training,
            DialogService& dialogs,
            MessageBar& message,
            QWidget* parent = nullptr);

 Q_SIGNALS:
  /// The mark of the samples of a step was clicked.
  void samplesChosen(qint64 step);

 private:
  /// A run beside the one that is shown; without a name the place is free.
  struct Other {
    QString name;
    std::vector<api::MetricSample> samples;
    QToolButton* chip = nullptr;
  };
  QLayout* makeHead();
  QToolButton* makeMenu(const char* name, const QString& text, QMenu** menu);
  void addSwitch(api::Series series);
  void addChips();
  void connectModel();
  void append(const std::vector<api::MetricSample>& samples);
  void refill();
  void showSteps();
  void showMarks();
  void fillRuns();
  void compare(const api::RunSummary& run);
  void leave(QString name);
  int placeOf(const QString& name) const;       ///< of a run beside; 0 = none
  QAction* entryOf(const QString& name) const;  ///< in the menu of runs
  static QString methodWords(api::Method method);
  QString suggestion() const;  ///< name of a file, without its ending
  void savePicture();
  void saveTable();
  void tell(const QString& file, const api::Result<void>& written);

  TrainingModel& m_training;
  DialogService& m_dialogs;
  MessageBar& m_message;
  QLabel* m_title;
  LossPlot* m_plot;
  QToolButton* m_all;
  QMenu *m_curves = nullptr, *m_runs = nullptr;
  FlowLayout* m_switches;
  QHash<int, QAction*> m_shown;  ///< of every series
  std::array<Other, 1 + LossPlot::kOthers> m_others;
};

}  // namespace likeness::ui
