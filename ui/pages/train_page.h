// The second step: the recipe on the left, what happens on the right.
#pragma once

#include <QWidget>

#include "ui/models/training_model.h"

class QLabel;
class QProgressBar;
class QPushButton;
class QRadioButton;
class QScrollArea;
class QSpinBox;
class QVBoxLayout;

namespace likeness::ui {

class LossPanel;
class MessageBar;
class OptionForm;
class PictureStrip;
class ValueSlider;

class TrainPage : public QWidget {
  Q_OBJECT
 public:
  TrainPage(ProjectModel& project, TrainingModel& training, QWidget* parent = nullptr);
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
  QWidget* makeStart();
  QWidget* makeStrip(QLabel* title, PictureStrip* strip);
  void connectModels();
  void showRecipe();
  void showProblems();
  void showPlan();
  void showJob();
  void showEnd();
  void showClassTitle();
  void offerResume();
  void refillPlot();

  ProjectModel& m_project;
  TrainingModel& m_training;
  MessageBar* m_message;
  QRadioButton *m_full, *m_lora, *m_word;
  ValueSlider *m_strength, *m_prior;
  QSpinBox* m_classCount;
  QLabel *m_strengthText, *m_priorTitle, *m_problems, *m_plan, *m_estimate, *m_status, *m_advice,
      *m_classTitle, *m_sampleTitle;
  OptionForm* m_form;
  QScrollArea* m_recipe;
  QPushButton *m_start, *m_stop, *m_queue, *m_create, *m_export;
  QProgressBar* m_progress;
  LossPanel* m_loss;
  PictureStrip *m_classStrip, *m_sampleStrip;
};

}  // namespace likeness::ui
