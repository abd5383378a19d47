// The first step: the photos, what they show, and the model to start from.
#pragma once

#include <QTimer>
#include <QWidget>

#include "ui/models/photos_model.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QToolButton;

namespace likeness::ui {

class DialogService;
class ImageView;
class MessageBar;
class PhotoGrid;

class PhotosPage : public QWidget {
  Q_OBJECT
 public:
  PhotosPage(ProjectModel& project,
             PhotosModel& photos,
             DialogService& dialogs,
             QWidget* parent = nullptr);
  PhotoGrid& grid() { return *m_grid; }

 Q_SIGNALS:
  void trainRequested();

 private:
  QWidget* makeSubjectCard();
  QWidget* makeInspector();
  void connectFields();
  void showProject();
  void showRecipe();
  void showSelection();
  void showSummary();
  void checkWords();
  void fillBases();
  void chooseBase(int index);
  void setBase(const QString& path);
  void openInspector(const QString& model);
  int current() const;  ///< row of the photo shown beside the grid, -1 = none

  ProjectModel& m_project;
  PhotosModel& m_photos;
  DialogService& m_dialogs;
  QTimer m_wordsTimer;
  quint64 m_wordsAsked = 0;

  MessageBar* m_message;
  QLineEdit *m_name, *m_token, *m_caption;
  QComboBox *m_class, *m_base;
  QLabel *m_tokenCheck, *m_baseChoices, *m_photoTitle, *m_findings, *m_summary;
  QToolButton* m_baseInfo;
  PhotoGrid* m_grid;
  QWidget* m_inspector;
  ImageView* m_large;
  QPushButton *m_add, *m_exclude, *m_remove, *m_next;
};

}  // namespace likeness::ui
