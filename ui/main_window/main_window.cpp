#include "ui/main_window/main_window.h"

#include <QCloseEvent>
#include <QDragEnterEvent>
#include <QHBoxLayout>
#include <QMimeData>
#include <QSettings>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "ui/dialogs/dialog_service.h"
#include "ui/dialogs/export_dialog.h"
#include "ui/dialogs/inspect_dialog.h"
#include "ui/main_window/title_row.h"
#include "ui/pages/compare_page.h"
#include "ui/pages/create_page.h"
#include "ui/pages/library_page.h"
#include "ui/pages/photos_page.h"
#include "ui/pages/start_page.h"
#include "ui/pages/train_page.h"
#include "ui/util/convert.h"
#include "ui/util/model_words.h"
#include "ui/widgets/file_drop.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/photo_grid.h"

namespace likeness::ui {
namespace {

constexpr int kMostInspected = 6;  // of one drop

/// What a drop holds: model files and folders, and everything that may be a photo.
struct Dropped {
  QStringList models, photos;
};
Dropped dropped(const QMimeData* data) {
  Dropped files;
  for (const QString& path : droppedFiles(data))
    (isModelPath(path) ? files.models : files.photos) << path;
  return files;
}

}  // namespace

MainWindow::MainWindow(const Services& services, QWidget* parent)
    : QMainWindow(parent),
      m_services(services),
      m_project(services.workspace, services.settings),
      m_photos(m_project),
      m_training(m_project, services.engine),
      m_comparison(services.engine),
      m_generation(services.engine),
      m_export(services.engine),
      m_queue(m_project, m_training, m_generation, services.requestText, services.settings),
      m_library(m_project, m_export, services.settings, services.desktop),
      m_stack(new QStackedWidget),
      m_rail(new Rail),
      m_title(new TitleRow(m_project)),
      m_message(new MessageBar) {
  setObjectName("mainWindow");
  setWindowIcon(QIcon(QStringLiteral(":/icons/likeness.svg")));
  setAcceptDrops(true);
  setMinimumSize(1000, 640);
  resize(1240, 780);
  makePages();
  makeDocks();
  makeMenus();
  connectModels();
  restoreGeometry(services.settings.value("geometry").toByteArray());
  restoreState(services.settings.value("docks").toByteArray());
  showProject();
}

MainWindow::~MainWindow() = default;

void MainWindow::makePages() {
  m_start = new StartPage(m_project);
  m_photosPage = new PhotosPage(m_project, m_photos, m_services.dialogs);
  m_trainPage = new TrainPage(m_project, m_training, m_services.dialogs);
  m_createPage = new CreatePage(m_project, m_training, m_generation, m_services.dialogs);
  m_libraryPage = new LibraryPage(m_project, m_training, m_library, m_services.dialogs);
  m_comparePage = new ComparePage(m_project, m_training, m_comparison, m_services.dialogs, [this] {
    return m_createPage->request();
  });
  for (QWidget* page : {static_cast<QWidget*>(m_photosPage),
                        static_cast<QWidget*>(m_trainPage),
                        static_cast<QWidget*>(m_comparePage),
                        static_cast<QWidget*>(m_createPage),
                        static_cast<QWidget*>(m_libraryPage),
                        static_cast<QWidget*>(m_start)})
    m_stack->addWidget(page);
  auto* messageBox = new QVBoxLayout;
  messageBox->setContentsMargins(kMargin, 0, kMargin, 0);
  messageBox->addWidget(m_message);
  auto* right = new QVBoxLayout;
  right->setSpacing(0);
  right->addWidget(m_title);
  right->addLayout(messageBox);
  right->addWidget(m_stack, 1);
  auto* central = new QWidget;
  auto* row = new QHBoxLayout(central);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(0);
  row->addWidget(m_rail);
  row->addLayout(right, 1);
  setCentralWidget(central);
  m_title->watch(m_training.job());
  m_title->watch(m_export);
  m_title->watch(m_comparison.job());
  m_title->watch(m_generation.job());
}

void MainWindow::connectModels() {
  connect(m_rail, &Rail::chosen, this, &MainWindow::showPage);
  connect(m_title, &TitleRow::jobClicked, this, [this](Job* job) {
    if (job == &m_export)
      showExport();
    else
      showPage(job == &m_training.job()     ? Page::Train
               : job == &m_comparison.job() ? Page::Compare
                                            : Page::Create);
  });
  connect(m_start, &StartPage::newRequested, this, &MainWindow::newProject);
  connect(m_start, &StartPage::openRequested, this, &MainWindow::chooseProject);
  connect(m_start, &StartPage::sampleRequested, this, &MainWindow::newSample);
  connect(m_start, &StartPage::recentRequested, this, &MainWindow::openProject);
  connect(m_photosPage, &PhotosPage::trainRequested, this, [this] { showPage(Page::Train); });
  connect(m_trainPage, &TrainPage::createRequested, this, [this] {
    m_createPage->useLatest();
    showPage(Page::Create);
  });
  connect(m_trainPage, &TrainPage::exportRequested, this, &MainWindow::showExport);
  connect(m_trainPage, &TrainPage::queueRequested, this, &MainWindow::enqueueTraining);
  connect(m_createPage, &CreatePage::queueRequested, this, &MainWindow::enqueuePictures);
  connect(m_trainPage, &TrainPage::pictureChosen, this, [this](const QString& file) {
    showPage(Page::Create);
    m_createPage->beginFrom(file);
  });
  connect(&m_queue, &QueueModel::ended, this, [this] {
    if (m_page == Page::Library) m_library.refresh();
  });
  connect(m_libraryPage, &LibraryPage::projectRequested, this, &MainWindow::openProject);
  connect(m_libraryPage, &LibraryPage::pictureChosen, this, [this](const QString& file) {
    showPage(Page::Create);
    m_createPage->takeDrop({file});
  });
  connectCompare();
  connect(&m_project, &ProjectModel::opened, this, &MainWindow::showProject);
  connect(&m_project, &ProjectModel::saveFailed, this, [this](const api::Error& error) {
    m_message->showError(error);
  });
  connect(&m_photos, &PhotosModel::summaryChanged, this, &MainWindow::showNotes);
  connect(&m_training, &TrainingModel::runsChanged, this, &MainWindow::showNotes);
  connect(&m_training.job(), &Job::changed, this, &MainWindow::showNotes);
  connect(&m_generation.history(), &QAbstractItemModel::rowsInserted, this, &MainWindow::showNotes);
  connect(&m_generation.history(), &QAbstractItemModel::modelReset, this, &MainWindow::showNotes);
  connect(&m_training.job(), &Job::ended, this, [this] {
    if (m_closeWhenDone) close();
  });
}

void MainWindow::connectCompare() {
  connect(m_comparePage, &ComparePage::trainRequested, this, [this] { showPage(Page::Train); });
  connect(m_comparePage, &ComparePage::createRequested, this, [this] { showPage(Page::Create); });
  connect(
      m_comparePage, &ComparePage::createFrom, this, [this](const api::GenerateRequest& request) {
        showPage(Page::Create);
        m_createPage->restore(tr("The settings of the chosen cell are here."), request);
      });
  connect(
      m_comparePage, &ComparePage::exportRequested, this, [this](const QString& run, qint64 step) {
        showExport();
        if (auto* dialog = findChild<ExportDialog*>()) dialog->choose(toPath(run), step);
      });
  connect(&m_comparison, &CompareModel::changed, this, &MainWindow::showNotes);
}

void MainWindow::showProject() {
  m_message->dismiss();
  const bool open = m_project.isOpen();
  for (QAction* action : m_projectActions) action->setEnabled(open);
  m_rail->setEnabled(open);
  m_rail->setVisible(open);
  m_title->setVisible(open);
  setWindowTitle(open ? tr("%1 – Likeness").arg(m_project.name()) : tr("Likeness"));
  if (open)
    showPage(Page::Photos);
  else
    m_stack->setCurrentWidget(m_start);
  showNotes();
}

void MainWindow::showNotes() {
  QStringList photos{QString::number(m_photos.usable())};
  if (m_photos.toCheck() > 0) photos << tr("%n to check", nullptr, m_photos.toCheck());
  m_rail->setNote(Page::Photos,
                  m_photos.rowCount() == 0 ? QString() : photos.join(QStringLiteral(", ")));
  const Job& job = m_training.job();
  QString train;
  if (job.active()) {
    const api::Progress& p = job.progress();
    train = p.total > 0 ? tr("%1 %").arg(100 * p.done / p.total) : tr("running");
    if (p.stage != api::Stage::Train) train = tr("preparing");
  } else if (!m_training.runs().empty()) {
    const api::RunSummary& run = m_training.runs().back();
    train =
        run.finished ? (run.best ? tr("best at %1").arg(*run.best) : tr("done")) : tr("unfinished");
  }
  m_rail->setNote(Page::Train, train);
  m_rail->setNote(
      Page::Compare,
      m_comparison.total() == 0
          ? QString()
          : tr("%1 of %2").arg(m_comparison.count(CellState::Made)).arg(m_comparison.total()));
  const int made = m_generation.history().rowCount();
  m_rail->setNote(Page::Create, made > 0 ? QString::number(made) : QString());
}

void MainWindow::showPage(Page page) {
  if (!m_project.isOpen()) return;
  m_page = page;
  m_rail->setCurrent(page);
  m_stack->setCurrentIndex(static_cast<int>(page));
  if (page == Page::Photos) m_photosPage->grid().setFocus();
  if (page == Page::Train) m_trainPage->focusStart();
  if (page == Page::Compare) m_comparePage->focusStart();
  if (page == Page::Create) m_createPage->focusPrompt();
  if (page == Page::Library) m_libraryPage->focusShelf();
}

void MainWindow::tell(const api::Result<void>& result) {
  if (!result) m_message->showError(result.error());
}

bool MainWindow::letGo(const QString& what) {
  if (!m_training.job().active()) return true;
  const int answer = m_services.dialogs.ask(
      this,
      {tr("A training is running"),
       what,
       tr("The training is stopped at the next step and saved; it can be continued exactly there."),
       {tr("Stop and save"), tr("Keep training")},
       1});
  if (answer == 0) m_training.stop();
  return false;
}

void MainWindow::newProject() {
  if (!letGo(tr("Stop it before another project is opened?"))) return;
  const QString folder = m_services.dialogs.newProject(this);
  if (!folder.isEmpty()) tell(m_project.create(folder));
}

void MainWindow::newSample() {
  if (!letGo(tr("Stop it before another project is opened?"))) return;
  const QString folder = m_services.dialogs.newProject(this);
  if (!folder.isEmpty()) tell(m_project.createSample(folder));
}

void MainWindow::chooseProject() {
  const QString folder = m_services.dialogs.openProject(this);
  if (!folder.isEmpty()) openProject(folder);
}

void MainWindow::openProject(const QString& folder) {
  if (letGo(tr("Stop it before another project is opened?"))) tell(m_project.open(folder));
}

void MainWindow::showExport() {
  if (!m_project.isOpen()) return;
  if (auto* open = findChild<ExportDialog*>()) return open->raise();
  (new ExportDialog(m_project, m_training.runs(), m_export, m_services.dialogs, this))->show();
}

void MainWindow::chooseInspected() {
  inspectFiles(m_services.dialogs.modelFiles(this, tr("What is this file?"), true));
}

void MainWindow::inspectFiles(const QStringList& paths) {
  for (const QString& path : paths.mid(0, kMostInspected))
    InspectDialog::open(m_project, m_services.dialogs, path, this);
  if (paths.size() > kMostInspected)
    m_message->showNote(tr("%n more file(s) were not opened.",
                           nullptr,
                           static_cast<int>(paths.size() - kMostInspected)),
                        tr("Drop a few model files at a time to see what they are."));
}

void MainWindow::runCurrent() {
  const char* name = m_page == Page::Photos    ? "goTrain"
                     : m_page == Page::Train   ? "trainStart"
                     : m_page == Page::Compare ? "compareStart"
                                               : "generate";
  auto* button = findChild<QPushButton*>(QLatin1String(name));
  if (button && button->isVisible()) button->click();
}

void MainWindow::closeEvent(QCloseEvent* event) {
  if (m_training.job().active()) {
    event->ignore();
    if (m_closeWhenDone && m_training.job().state() == JobState::Stopping) return;
    const int answer = m_services.dialogs.ask(
        this,
        {tr("A training is running"),
         tr("Close Likeness while “%1” is being trained?").arg(m_project.name()),
         tr("Stopping saves what was learned; it can be continued exactly there. Keeping on "
            "finishes the training in "
            "the minimised window and closes it then."),
         {tr("Stop and save"), tr("Keep training, then close"), tr("Do not close")},
         0});
    if (answer == 2) return;
    m_closeWhenDone = true;
    m_queue.hold();
    if (answer == 0)
      m_training.stop();
    else
      showMinimized();
    return;
  }
  m_comparison.cancel();
  m_generation.cancel();
  m_export.stop();
  if (const auto saved = m_project.save(); !saved) {
    const int answer = m_services.dialogs.ask(this,
                                              {tr("The project could not be saved"),
                                               tr("The latest changes would be lost."),
                                               {},
                                               {tr("Close anyway"), tr("Do not close")},
                                               1});
    if (answer == 1) {
      m_message->showError(saved.error());
      return event->ignore();
    }
  }
  m_queue.hold();
  m_services.settings.setValue("geometry", saveGeometry());
  m_services.settings.setValue("docks", saveState());
  event->accept();
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
  const Dropped files = dropped(event->mimeData());
  const bool photos = m_project.isOpen() && !files.photos.isEmpty();
  if (!photos && files.models.isEmpty()) return;
  event->acceptProposedAction();
  m_photosPage->grid().setDropHighlight(photos);
}

void MainWindow::dragLeaveEvent(QDragLeaveEvent*) { m_photosPage->grid().setDropHighlight(false); }

void MainWindow::dropEvent(QDropEvent* event) {
  m_photosPage->grid().setDropHighlight(false);
  // The source keeps its files, whatever it proposes.
  event->setDropAction(Qt::CopyAction);
  event->accept();
  const Dropped files = dropped(event->mimeData());
  if (m_project.isOpen() && !files.photos.isEmpty()) {
    showPage(Page::Photos);
    m_photos.add(files.photos);
  }
  inspectFiles(files.models);
}

}  // namespace likeness::ui
