// What there is: base models, runs, adapters and exports, the pictures made; and the room it takes.
#pragma once

#include <QWidget>
#include <array>

#include "ui/models/library.h"
#include "ui/models/training_model.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QSortFilterProxyModel;
class QTabBar;

namespace likeness::ui {

class DialogService;
class DiskUsePanel;
class ElidedLabel;
class LibraryGrid;
class MessageBar;

class LibraryPage : public QWidget {
  Q_OBJECT
 public:
  LibraryPage(ProjectModel& project,
              TrainingModel& training,
              Library& library,
              DialogService& dialogs,
              QWidget* parent = nullptr);
  void focusShelf();

 Q_SIGNALS:
  /// A picture whose settings are to be used again.
  void pictureChosen(const QString& file);
  void projectRequested(const QString& folder);

 protected:
  void showEvent(QShowEvent* event) override;

 private:
  QWidget* makeHead();
  QWidget* makeFoot();
  void connectModels();
  void showShelf();
  void showSelection();
  void showCount();
  Shelf shelf() const;
  QList<LibraryItem> chosen() const;
  bool canTrash(const QList<LibraryItem>& items) const;

  void open(const LibraryItem& item);
  void activate(const QModelIndex& index);
  void addFile();
  void findAgain();
  void trashChosen();
  /// Asks, then moves them.
  void trash(const QStringList& paths, const QString& question, const QString& detail);
  void freeSpace(const DiskUse::Spare& spare, const QString& question, const QString& detail);

  ProjectModel& m_project;
  TrainingModel& m_training;
  Library& m_library;
  DialogService& m_dialogs;
  std::array<QSortFilterProxyModel*, 4> m_shown;
  MessageBar* m_message;
  QTabBar* m_tabs;
  QLineEdit* m_search;
  LibraryGrid* m_grid;
  ElidedLabel* m_where;
  QLabel* m_count;
  QPushButton *m_add, *m_open, *m_show, *m_find, *m_forget, *m_trash;
  DiskUsePanel* m_disk;
};

}  // namespace likeness::ui
