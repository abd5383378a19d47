// "What is this file?": a model file or folder in words, read from its headers off the GUI thread,
// and the choice of what a file cannot tell. Not modal; one dialog for each file.
#pragma once

#include <QDialog>
#include <QList>
#include <optional>

#include "ui/models/project_model.h"

class QComboBox;
class QPushButton;
class QStackedWidget;
class QToolButton;
class QVBoxLayout;

namespace likeness::ui {

class DialogService;
class ElidedLabel;

class InspectDialog : public QDialog {
  Q_OBJECT
 public:
  /// Shows the dialog of `model` (`starter`, a file, a model folder or a run): the one that is open
  /// already, or a new one, a child of `parent`'s window.
  static InspectDialog* open(ProjectModel& project,
                             DialogService& dialogs,
                             const QString& model,
                             QWidget* parent);

 private:
  struct Row {
    QString label, value;
    QWidget* field = nullptr;  ///< null = the value as a label
  };

  InspectDialog(ProjectModel& project,
                DialogService& dialogs,
                const QString& model,
                QWidget* parent);
  QWidget* makeChoices();
  /// Reads the model with what is chosen, and shows what comes of the latest reading.
  void read();
  void showReport();
  void showError(const api::Error& error);
  void addProblems(QVBoxLayout* column);
  void addSection(QVBoxLayout* column, const QString& title, const QList<Row>& rows);
  /// Takes the place of the page before.
  void showPage(QWidget* page);

  bool isBase() const;  ///< of the open project
  void choose(const api::ModelRef& model);
  void showChoices();
  void use();

  ProjectModel& m_project;
  DialogService& m_dialogs;
  api::ModelRef m_model;  ///< with what is chosen here; the project has it when it is used
  std::optional<api::ModelReport> m_report;  ///< none while reading, and after an error
  bool m_whole = false;                      ///< it was once found to be a whole model
  quint64 m_asked = 0;
  QString m_name;
  QString m_text;  ///< everything that is known, as lines; what "Copy report" copies
  ElidedLabel *m_title, *m_where, *m_vae;
  QStackedWidget* m_stack;
  QWidget* m_choices;
  QComboBox* m_prediction;
  QToolButton* m_ownVae;
  QPushButton *m_copy, *m_use, *m_close;
};

}  // namespace likeness::ui
