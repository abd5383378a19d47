// A part of the Create page: the base model or what one of the runs has learned.
#pragma once

#include <QComboBox>

#include "ui/models/training_model.h"

namespace likeness::ui {

class WeightsBox : public QComboBox {
  Q_OBJECT
 public:
  WeightsBox(ProjectModel& project, TrainingModel& training, QWidget* parent = nullptr);
  /// Lists the runs again. What was chosen stays chosen; where it was the base model because there
  /// was nothing else, the latest weights are.
  void fill();
  void useLatest();
  /// False when the model is none of these: nothing changes.
  bool choose(const api::ModelRef& model);
  bool isBase() const { return currentIndex() == 0; }
  api::ModelRef chosen() const;  ///< only with an open project

 private:
  ProjectModel& m_project;
  TrainingModel& m_training;
};

}  // namespace likeness::ui
