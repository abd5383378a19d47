// The one window: owns models and pages, carries the menus, takes drops and guards the closing.
#pragma once

#include <QMainWindow>

#include "ui/main_window/rail.h"
#include "ui/models/compare_model.h"
#include "ui/models/generation_model.h"
#include "ui/models/library.h"
#include "ui/models/photos_model.h"
#include "ui/models/queue_model.h"
#include "ui/models/training_model.h"
#include "ui/util/machine_state.h"

class QMenu;
class QSettings;
class QStackedWidget;
class QToolButton;

namespace likeness::ui {

class ComparePage;
class CreatePage;
class Desktop;
class DialogService;
class Dock;
class LibraryPage;
class LogModel;
class MessageBar;
class PhotosPage;
class QueueDock;
class StartPage;
class TitleRow;
class TrainPage;

/// What the window is given; all of it outlives the window.
struct Services {
  api::Workspace& workspace;
  EngineBridge& engine;
  QSettings& settings;
  DialogService& dialogs;
  Desktop& desktop;
  LogModel& log;
  QString logFolder;
  MachineStateSource machine;
  RequestText requestText;
};

class MainWindow : public QMainWindow {
  Q_OBJECT
 public:
  explicit MainWindow(const Services& services, QWidget* parent = nullptr);
  ~MainWindow() override;

  void openProject(const QString& folder);
  ProjectModel& project() { return m_project; }
  PhotosModel& photos() { return m_photos; }
  TrainingModel& training() { return m_training; }
  CompareModel& comparison() { return m_comparison; }
  GenerationModel& generation() { return m_generation; }
  QueueModel& queue() { return m_queue; }
  Library& library() { return m_library; }
  Page currentPage() const { return m_page; }
  void showPage(Page page);

 protected:
  void closeEvent(QCloseEvent* event) override;
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dragLeaveEvent(QDragLeaveEvent* event) override;
  void dropEvent(QDropEvent* event) override;

 private:
  void makePages();
  void makeDocks();
  void makeMenus();
  QAction* addAction(QMenu* menu,
                     const char* name,
                     const QString& text,
                     const QKeySequence& keys,
                     std::function<void()> act);
  void fillRecent(QMenu* menu);
  void addThemes(QMenu* menu);
  void addDockActions(QMenu* menu);
  void connectModels();
  void showProject();
  void showNotes();
  void showQueueNote();
  /// Puts what this page would begin behind what waits.
  void enqueueCurrent();
  void enqueueTraining();
  void enqueuePictures(const api::GenerateRequest& request);
  void tellEnd(const QueueEntry& entry);
  void tell(const api::Result<void>& result);
  void newProject();
  void newSample();
  void chooseProject();
  void showExport();
  void connectCompare();
  void chooseInspected();
  /// One dialog each; of many only the first.
  void inspectFiles(const QStringList& paths);
  void runCurrent();
  /// False when the person would rather not leave the training behind.
  bool letGo(const QString& what);

  Services m_services;
  ProjectModel m_project;
  PhotosModel m_photos;
  TrainingModel m_training;
  CompareModel m_comparison;
  GenerationModel m_generation;
  Job m_export;
  QueueModel m_queue;
  Library m_library;
  Page m_page = Page::Photos;
  bool m_closeWhenDone = false;

  QStackedWidget* m_stack;
  Rail* m_rail;
  TitleRow* m_title;
  MessageBar* m_message;
  QueueDock* m_queueDock = nullptr;
  Dock* m_logDock = nullptr;
  QToolButton* m_queueButton = nullptr;
  StartPage* m_start = nullptr;
  PhotosPage* m_photosPage = nullptr;
  TrainPage* m_trainPage = nullptr;
  ComparePage* m_comparePage = nullptr;
  CreatePage* m_createPage = nullptr;
  LibraryPage* m_libraryPage = nullptr;
  QList<QAction*> m_projectActions;  ///< need an open project
};

}  // namespace likeness::ui
