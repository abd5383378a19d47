// The third step: words in, pictures out. Moving guidance draws the same seed again at once.
#pragma once

#include <QWidget>

#include "ui/models/generation_model.h"
#include "ui/models/training_model.h"

class QAction;
class QLabel;
class QProgressBar;
class QPushButton;

namespace likeness::ui {

class CreateControls;
class DialogService;
class ImageView;
class MaskPainter;
class MessageBar;
class PictureStrip;

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
  /// New pictures begin from this file.
  void beginFrom(const QString& picture);
  /// As when they are dropped: a picture of ours brings its settings back.
  void takeDrop(const QStringList& files);
  /// What the fields say, for the queue.
  void enqueue();
  /// The fields say again what a picture was made with; `sentence` says where that comes from.
  void restore(const QString& sentence, const api::GenerateRequest& made);
  /// What the fields say; only with an open project.
  api::GenerateRequest request() const;

 Q_SIGNALS:
  void exportRequested();
  void queueRequested(const likeness::api::GenerateRequest& request);

 private:
  QWidget* makeControls();
  QWidget* makePictureSide();
  void addPictureActions();
  void connectModels();
  void showProject();
  void showJob();
  void showEnd();
  void showHistory(int row);
  QString shownFile() const;  ///< of the picture in the large view; empty when it was not written
  void generate();
  /// The request of a click; nothing when there is none.
  std::optional<api::GenerateRequest> takeRequest();
  void follow();
  void save();
  void paintMask();
  /// Keeps the mask and shows the pictures again. False when it could not be written.
  bool finishMask();
  void closePainter();

  ProjectModel& m_project;
  TrainingModel& m_training;
  GenerationModel& m_generation;
  DialogService& m_dialogs;
  MessageBar* m_message;
  CreateControls* m_controls;
  ImageView* m_view;
  MaskPainter* m_painter;
  QString m_painted;  ///< the picture under the painter
  PictureStrip* m_history;
  QLabel* m_status;
  QPushButton *m_generate, *m_cancel, *m_queue, *m_save, *m_folder;
  QAction *m_begin, *m_settings;
  QProgressBar* m_progress;
  int m_shown = -1;  ///< row of the history in the large view
};

}  // namespace likeness::ui
