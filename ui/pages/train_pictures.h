// A part of the Train page: the class pictures as a gallery, the samples as a matrix, and each of
// them large.
#pragma once

#include <QWidget>

#include "ui/models/sample_matrix_model.h"
#include "ui/models/training_model.h"

class QAbstractItemView;
class QAction;
class QLabel;

namespace likeness::ui {

class MessageBar;
class PictureStrip;
class SampleMatrix;

class TrainPictures : public QObject {
  Q_OBJECT
 public:
  /// Large pictures lie over `page`; what was deleted is said on `message`.
  TrainPictures(ProjectModel& project, TrainingModel& training, MessageBar& message, QWidget* page);
  /// The two cards, for the page to place.
  QWidget* classCard() { return m_classCard; }
  QWidget* sampleCard() { return m_sampleCard; }
  /// The samples of a step, large.
  void openSamples(qint64 step);
  void showClassTitle();

 Q_SIGNALS:
  /// A sample or a class picture that new pictures shall begin from.
  void pictureChosen(const QString& file);

 private:
  QWidget* makeCard(QLabel* title, QAbstractItemView* view);
  void addDelete();
  void showDelete();
  void offerUndo(const DeletedPicture& deleted);

  ProjectModel& m_project;
  TrainingModel& m_training;
  MessageBar& m_message;
  QWidget* m_page;
  SampleMatrixModel m_matrix;
  QLabel *m_classTitle, *m_sampleTitle;
  PictureStrip* m_strip;
  SampleMatrix* m_samples;
  QAction* m_delete;
  QWidget *m_classCard, *m_sampleCard;
};

}  // namespace likeness::ui
