// The third step: words in, pictures out. Moving guidance draws the same seed again at once.
#pragma once

#include <QTimer>
#include <QWidget>

#include "ui/models/generation_model.h"
#include "ui/models/training_model.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QProgressBar;
class QPushButton;
class QSpinBox;
class QToolButton;

namespace likeness::ui {

class DialogService;
class ImageView;
class MessageBar;
class PictureStrip;
class ValueSlider;

class CreatePage : public QWidget {
  Q_OBJECT
 public:
  CreatePage(ProjectModel& project,
             TrainingModel& training,
             GenerationModel& generation,
             DialogService& dialogs,
             QWidget* parent = nullptr);
  /// Chooses the latest weights, as after a training.
  void useLatest();
  void focusPrompt();

 Q_SIGNALS:
  void exportRequested();

 private:
  QWidget* makeControls();
  QWidget* makeSeedRow();
  QWidget* makePictureSide();
  void connectModels();
  void fillWeights();
  void showProject();
  void showWords();
  void countTokens();
  void showBase();
  void showJob();
  void showEnd();
  void showHistory(int row);
  void generate();
  void follow();
  void save();
  api::GenerateRequest request() const;
  qint64 seed() const;
  void rollSeed();

  ProjectModel& m_project;
  TrainingModel& m_training;
  GenerationModel& m_generation;
  DialogService& m_dialogs;
  MessageBar* m_message;
  ImageView* m_view;
  PictureStrip* m_history;
  QComboBox *m_weights, *m_sampler, *m_size;
  QLineEdit *m_prompt, *m_negative, *m_seed;
  QLabel *m_choices, *m_words, *m_tokens, *m_status;
  ValueSlider* m_guidance;
  QSpinBox *m_steps, *m_count;
  QCheckBox* m_karras;
  QToolButton *m_subject, *m_dice, *m_lock;
  QPushButton *m_generate, *m_cancel, *m_save, *m_folder;
  QProgressBar* m_progress;
  QTimer m_tokensTimer;  ///< counts when typing pauses
  quint64 m_tokensAsked = 0;
  int m_shown = -1;  ///< row of the history in the large view
};

}  // namespace likeness::ui
