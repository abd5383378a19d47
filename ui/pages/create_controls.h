// A part of the Create page: the fields that a request for pictures is made of. What most people
// need stands open, the rest in folds that say what is set in them.
#pragma once

#include <QTimer>
#include <QWidget>

#include "ui/models/training_model.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QSpinBox;
class QToolButton;
class QVBoxLayout;

namespace likeness::ui {

class DialogService;
class ExtrasPanel;
class Fold;
class MessageBar;
class OptionForm;
class PromptsPanel;
class SizeBox;
class StartPanel;
class ValueSlider;
class WeightsBox;

class CreateControls : public QWidget {
  Q_OBJECT
 public:
  /// Refusals are said on `message`.
  CreateControls(ProjectModel& project,
                 TrainingModel& training,
                 DialogService& dialogs,
                 MessageBar& message,
                 QWidget* parent = nullptr);

  /// What the fields say; pictures go to the project's outputs. Only with an open project.
  api::GenerateRequest request() const;
  /// Makes the fields say what a picture was made with, and keeps its seed. False when its model is
  /// none of the weights here: they stay as they were chosen.
  bool setRequest(const api::GenerateRequest& made);
  /// What suits the project's model, with its latest weights.
  void reset();
  void useLatest();
  void focusPrompt();

  bool keepsSeed() const;
  void setSeed(qint64 seed);
  void rollSeed();

  StartPanel& start() { return *m_start; }
  /// Each opens the fold that it changes.
  void beginFrom(const QString& picture);
  void addExtras(const QStringList& files);
  void loadPrompts(const QString& file);

 Q_SIGNALS:
  void guidanceMoved();
  void generateRequested();  ///< Enter in the prompt

 private:
  void addModel(QVBoxLayout* layout);
  void addPrompt(QVBoxLayout* layout);
  void addSampling(QVBoxLayout* layout);
  void addFolds(QVBoxLayout* layout);
  QWidget* makeSeedRow();
  QWidget* makeSecondPass();
  void connectFields();

  void fillSamplers();
  /// Takes over what suits the model.
  void suit();
  void showSampling(const api::SamplingOptions& sampling);
  void showExpert(const api::GenerateRequest& request);
  void showSampler();
  void showBase();
  void showWords();
  void showSummaries();
  void countTokens();

  ProjectModel& m_project;
  api::SamplingOptions m_recommended;
  api::GenerateRequest m_expert;  ///< of which the expert form's options count

  WeightsBox* m_weights;
  QComboBox* m_sampler;
  SizeBox* m_size;
  QLineEdit *m_prompt, *m_negative, *m_seed;
  QLabel *m_choices, *m_words, *m_tokens;
  ValueSlider *m_guidance, *m_hiresScale, *m_hiresStrength;
  QSpinBox *m_steps, *m_count;
  QCheckBox* m_karras;
  QToolButton *m_subject, *m_dice, *m_lock;
  StartPanel* m_start;
  ExtrasPanel* m_extras;
  PromptsPanel* m_prompts;
  OptionForm* m_form;
  Fold *m_startFold, *m_hiresFold, *m_extrasFold, *m_promptsFold, *m_expertFold;
  QTimer m_tokensTimer;  ///< counts when typing pauses
  quint64 m_tokensAsked = 0;
};

}  // namespace likeness::ui
