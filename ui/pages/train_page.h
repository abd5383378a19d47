// The second step: the recipe on the left, what happens on the right.
#pragma once

#include <QWidget>

#include "ui/models/training_model.h"

class QLabel;
class QRadioButton;
class QScrollArea;
class QSpinBox;
class QVBoxLayout;

namespace likeness::ui {

class DialogService;
class MessageBar;
class OptionForm;
class TimestepPlot;
class TrainControls;
class TrainPictures;
class ValueSlider;

class TrainPage : public QWidget {
  Q_OBJECT
 public:
  TrainPage(ProjectModel& project,
            TrainingModel& training,
            DialogService& dialogs,
            QWidget* parent = nullptr);
  void focusStart();

 Q_SIGNALS:
  void createRequested();
  void exportRequested();
  void queueRequested();
  /// A sample or a class picture that new pictures shall begin from.
  void pictureChosen(const QString& file);

 private:
  QWidget* makeRecipe();
  void addMethod(QVBoxLayout* layout);
  void addClass(QVBoxLayout* layout);
  void addExpert(QVBoxLayout* layout);
  void connectModels();
  void showRecipe();
  void showProblems();
  void showEnd();
  void offerResume();

  ProjectModel& m_project;
  TrainingModel& m_training;
  MessageBar* m_message;
  QRadioButton *m_full, *m_lora, *m_word;
  ValueSlider *m_strength, *m_prior;
  QSpinBox* m_classCount;
  QLabel *m_strengthText, *m_priorTitle;
  OptionForm* m_form;
  TimestepPlot* m_timesteps;
  QScrollArea* m_recipe;
  TrainControls* m_controls;
  TrainPictures* m_pictures;
};

}  // namespace likeness::ui
