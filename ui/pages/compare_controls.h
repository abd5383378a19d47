// A part of the Compare page: what the sheet shows, in fields; all else is as in Create.
#pragma once

#include <QWidget>
#include <functional>

#include "ui/models/compare_model.h"
#include "ui/models/training_model.h"
#include "ui/pages/axis_panel.h"

class QCheckBox;
class QLabel;
class QSpinBox;
class QVBoxLayout;

namespace likeness::ui {

class CompareControls : public QWidget {
  Q_OBJECT
 public:
  /// What pictures are made with apart from rows and columns; only asked with an open project.
  using Common = std::function<api::GenerateRequest()>;
  CompareControls(ProjectModel& project,
                  TrainingModel& training,
                  Common common,
                  QWidget* parent = nullptr);

  /// What the fields say, and why it cannot be made. Only with an open project.
  struct Plan {
    CompareSheet sheet;
    int pictures = 0;  ///< in every cell
    QString problem;   ///< a sentence; empty = it can
  };
  Plan plan() const;
  bool roughFirst() const;
  /// The checkpoint that a cell was made with; null for other models.
  const CompareWeights* madeWith(const api::GenerateRequest& request) const {
    return m_choices.madeWith(request);
  }
  /// Another project: all as at the beginning.
  void reset();
  /// Create may say something else by now.
  void showRest();

 Q_SIGNALS:
  void changed();
  void createRequested();  ///< the rest is to be changed

 private:
  void addRest(QVBoxLayout* layout);
  void connectFields();
  void refresh();
  bool isAxis(api::Axis axis) const;
  api::GenerateRequest common() const;

  ProjectModel& m_project;
  TrainingModel& m_training;
  Common m_common;
  CompareChoices m_choices;
  AxisPanel *m_rows, *m_columns;
  QSpinBox *m_seed, *m_pictures;
  QCheckBox* m_rough;
  QLabel* m_rest;
};

}  // namespace likeness::ui
