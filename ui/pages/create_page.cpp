#include "ui/pages/create_page.h"

#include <QAction>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QProgressBar>
#include <QScrollArea>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/dialogs/dialog_service.h"
#include "ui/pages/create_controls.h"
#include "ui/pages/start_panel.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/util/picture_file.h"
#include "ui/widgets/file_drop.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/mask_painter.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/picture_strip.h"

namespace likeness::ui {
namespace {

constexpr int kControlsWidth = 328;

/// Model files and lists of prompts, or one picture. Several pictures are photos of the subject.
bool isForCreating(const QStringList& files) {
  if (files.size() == 1 && isPicturePath(files.first())) return true;
  return std::all_of(files.begin(), files.end(), [](const QString& file) {
    return isModelPath(file) || isTextPath(file);
  });
}

QString backFrom(const QString& file) {
  return CreatePage::tr("The settings of %1 are back.").arg(QFileInfo(file).fileName());
}

}  // namespace

CreatePage::CreatePage(ProjectModel& project,
                       TrainingModel& training,
                       GenerationModel& generation,
                       DialogService& dialogs,
                       QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_training(training),
      m_generation(generation),
      m_dialogs(dialogs),
      m_message(new MessageBar),
      m_controls(new CreateControls(project, training, dialogs, *m_message)),
      m_view(new ImageView),
      m_painter(new MaskPainter),
      m_history(new PictureStrip(88)),
      m_status(makeHint()),
      m_generate(makePrimary("generate", tr("Generate"))),
      m_cancel(makeButton("generateCancel", tr("Cancel"))),
      m_queue(makeButton("generateQueue", tr("Add to queue"))),
      m_save(makeButton("savePicture", tr("Save as…"))),
      m_folder(makeButton("openOutputs", tr("Open folder"))),
      m_begin(new QAction(tr("Begin from this picture"), this)),
      m_settings(new QAction(tr("Use its settings"), this)),
      m_progress(new QProgressBar) {
  setObjectName("page");
  auto* columns = new QHBoxLayout;
  columns->setSpacing(kMargin);
  columns->addWidget(makePictureSide(), 1);
  columns->addWidget(makeControls());
  auto* page = new QVBoxLayout(this);
  page->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  page->setSpacing(kMargin);
  page->addWidget(m_message);
  page->addLayout(columns, 1);
  connectModels();
  showProject();
}

QWidget* CreatePage::makePictureSide() {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  m_view->setObjectName("pictureView");
  m_view->setAccessibleName(tr("Picture"));
  m_view->setPlaceholder(tr("Your pictures appear here, forming while they are drawn.\nWrite what "
                            "you want to see and press Generate."),
                         "create");
  m_painter->hide();
  m_history->setObjectName("history");
  m_history->setAccessibleName(tr("Pictures made so far"));
  m_history->setPlaceholder(
      tr("Every picture you make is kept here and in the project's outputs folder."));
  m_history->setModel(&m_generation.history());
  addPictureActions();
  m_save->setIcon(icon("save"));
  m_folder->setIcon(icon("folder"));
  auto* tools = new QHBoxLayout;
  tools->setSpacing(kGrid);
  m_status->setObjectName("createStatus");
  tools->addWidget(m_status, 1);
  tools->addWidget(m_folder);
  tools->addWidget(m_save);
  layout->addWidget(m_view, 1);
  layout->addWidget(m_painter, 1);
  layout->addWidget(m_progress);
  layout->addLayout(tools);
  layout->addWidget(m_history);
  return card;
}

void CreatePage::addPictureActions() {
  m_begin->setObjectName("beginFromPicture");
  m_settings->setObjectName("useSettings");
  auto* save = new QAction(tr("Save as…"), this);
  connect(save, &QAction::triggered, this, &CreatePage::save);
  connect(m_begin, &QAction::triggered, this, [this] { beginFrom(shownFile()); });
  connect(m_settings, &QAction::triggered, this, [this] {
    inBackground(
        this,
        [&workspace = m_project.workspace(), file = shownFile()] {
          return std::pair(file, workspace.readRequest(toPath(file)));
        },
        [this](const std::pair<QString, api::Result<api::GenerateRequest>>& read) {
          if (read.second)
            restore(backFrom(read.first), *read.second);
          else
            m_message->showError(read.second.error());
        });
  });
  for (QWidget* widget : {static_cast<QWidget*>(m_view), static_cast<QWidget*>(m_history)}) {
    widget->setContextMenuPolicy(Qt::ActionsContextMenu);
    widget->addActions({m_begin, m_settings, save});
  }
}

QWidget* CreatePage::makeControls() {
  auto* scroll = new QScrollArea;
  scroll->setObjectName("createScroll");
  scroll->setWidget(m_controls);
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  m_generate->setToolTip(tr("Ctrl+Return"));
  m_cancel->setIcon(icon("stop"));
  m_queue->setIcon(icon("queue"));
  m_queue->setToolTip(tr("Makes them when their turn comes (Ctrl+Shift+Return)"));
  auto* buttons = new QVBoxLayout;
  buttons->setContentsMargins(12, 0, 12, 12);
  buttons->addWidget(m_generate);
  buttons->addWidget(m_cancel);
  buttons->addWidget(m_queue);
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  card->setFixedWidth(kControlsWidth);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(scroll, 1);
  layout->addLayout(buttons);
  return card;
}

void CreatePage::connectModels() {
  connect(m_generate, &QPushButton::clicked, this, &CreatePage::generate);
  connect(m_queue, &QPushButton::clicked, this, &CreatePage::enqueue);
  connect(m_controls, &CreateControls::generateRequested, this, &CreatePage::generate);
  connect(m_controls, &CreateControls::guidanceMoved, this, &CreatePage::follow);
  connect(m_cancel, &QPushButton::clicked, &m_generation, &GenerationModel::cancel);
  connect(m_save, &QPushButton::clicked, this, &CreatePage::save);
  connect(m_folder, &QPushButton::clicked, this, [this] {
    m_dialogs.showFolder(fromPath(m_project.project().folder / "outputs"));
  });
  connect(&m_controls->start(), &StartPanel::paintRequested, this, &CreatePage::paintMask);
  connect(&m_controls->start(), &StartPanel::changed, this, [this] {
    if (m_controls->start().picturePath() != m_painted) closePainter();
  });
  connect(m_painter, &MaskPainter::done, this, [this] {
    if (finishMask()) m_generate->setFocus();
  });
  acceptFiles(this, isForCreating, [this](const QStringList& files) { takeDrop(files); });
  connect(&m_project, &ProjectModel::opened, this, &CreatePage::showProject);
  connect(&m_training.job(), &Job::changed, this, &CreatePage::showJob);
  connect(&m_generation.job(), &Job::changed, this, &CreatePage::showJob);
  connect(&m_generation.job(), &Job::ended, this, &CreatePage::showEnd);
  connect(&m_generation, &GenerationModel::shown, this, [this](const QImage& image, bool final) {
    m_view->setImage(image);
    m_view->setBadge(final ? QString() : m_generation.isQuick() ? tr("rough look") : tr("forming"));
  });
  connect(&m_generation, &GenerationModel::added, this, [this](int row) {
    m_history->setCurrentIndex(m_generation.history().index(row));
    showHistory(row);
  });
  connect(m_history->selectionModel(),
          &QItemSelectionModel::currentChanged,
          this,
          [this](const QModelIndex& index) {
            if (index.isValid()) showHistory(index.row());
          });
}

void CreatePage::showProject() {
  m_message->dismiss();
  m_shown = -1;
  m_generation.clear();
  closePainter();
  m_view->setImage({});
  m_view->setBadge({});
  m_controls->reset();
  showJob();
}

void CreatePage::useLatest() { m_controls->useLatest(); }
void CreatePage::focusPrompt() { m_controls->focusPrompt(); }

std::optional<api::GenerateRequest> CreatePage::takeRequest() {
  if (!m_project.isOpen() || !finishMask()) return {};
  m_message->dismiss();
  // A fresh seed unless it is kept; the first pictures use the one that stands there.
  if (!m_controls->keepsSeed() && m_generation.history().rowCount() > 0) m_controls->rollSeed();
  return m_controls->request();
}

void CreatePage::generate() {
  if (!m_generate->isEnabled()) return;
  if (const auto request = takeRequest()) m_generation.generate(*request);
}

void CreatePage::enqueue() {
  const auto request = takeRequest();
  if (!request) return;
  if (const auto problems = api::validate(*request); !problems.empty())
    return m_message->showError(problems.front().error);
  if (!m_controls->keepsSeed()) m_controls->rollSeed();
  Q_EMIT queueRequested(*request);
}

void CreatePage::follow() {
  // While a training runs a rough look would only wait behind it.
  if (!m_project.isOpen() || m_training.job().active() || !finishMask()) return;
  api::GenerateRequest followed = m_controls->request();
  if (!followed.prompts.empty()) {  // one picture tells as much
    followed.prompt = followed.prompts.front();
    followed.prompts.clear();
  }
  if (followed.prompt.empty()) return;
  if (m_shown >= 0) followed.seed = m_generation.history().at(m_shown).seed;
  m_controls->setSeed(followed.seed);
  m_generation.follow(followed);
}

// ---- pictures that are there

void CreatePage::beginFrom(const QString& picture) { m_controls->beginFrom(picture); }

void CreatePage::takeDrop(const QStringList& files) {
  m_message->dismiss();
  QStringList models;
  for (const QString& file : files) {
    if (isModelPath(file))
      models << file;
    else if (isTextPath(file))
      m_controls->loadPrompts(file);
  }
  if (!models.isEmpty()) m_controls->addExtras(models);
  if (!isPicturePath(files.first())) return;
  // A picture of ours brings its settings back, any other one is to begin from.
  inBackground(
      this,
      [&workspace = m_project.workspace(), file = files.first()] {
        return std::pair(file, workspace.readRequest(toPath(file)));
      },
      [this](const std::pair<QString, api::Result<api::GenerateRequest>>& read) {
        if (read.second)
          restore(backFrom(read.first), *read.second);
        else
          beginFrom(read.first);
      });
}

void CreatePage::restore(const QString& sentence, const api::GenerateRequest& made) {
  if (!m_project.isOpen()) return;
  const bool sameModel = m_controls->setRequest(made);
  m_message->showNote(
      sentence,
      sameModel ? tr("Generate makes the same picture again.")
                : tr("It was made with %1, which is not among the weights here; yours stay chosen.")
                      .arg(ModelWords::name(fromStd(made.model.path))));
}

api::GenerateRequest CreatePage::request() const { return m_controls->request(); }

// ---- the mask

void CreatePage::paintMask() {
  const StartPanel& start = m_controls->start();
  m_painted = start.picturePath();
  m_painter->begin(start.picture(), start.mask());
  m_view->hide();
  m_painter->show();
  m_painter->setFocus();
}

bool CreatePage::finishMask() {
  if (m_painter->isHidden()) return true;
  const auto file = m_painter->save(fromPath(m_project.project().folder / "outputs" / "masks"));
  if (!file) {
    m_message->showError(file.error());
    return false;
  }
  closePainter();
  m_controls->start().setMask(*file);
  return true;
}

void CreatePage::closePainter() {
  m_painter->hide();
  m_view->show();
}

// ---- what is shown

void CreatePage::showJob() {
  const Job& job = m_generation.job();
  const bool active = job.active();
  m_generate->setEnabled(m_project.isOpen());
  m_queue->setEnabled(m_project.isOpen());
  m_cancel->setEnabled(job.state() != JobState::Stopping);
  showInstead(active ? m_cancel : m_generate, active ? m_generate : m_cancel);
  m_progress->setVisible(active);
  m_progress->setRange(0, static_cast<int>(job.progress().total));
  m_progress->setValue(static_cast<int>(job.progress().done));
  m_save->setEnabled(m_shown >= 0);
  for (QAction* action : {m_begin, m_settings}) action->setEnabled(!shownFile().isEmpty());
  const bool behindTraining =
      active && job.state() != JobState::Running && m_training.job().active();
  m_status->setText(
      behindTraining ? tr("Begins when the training has ended")
      : active       ? job.describe()
      : m_shown >= 0 ? m_generation.history().index(m_shown).data(Qt::AccessibleTextRole).toString()
                     : QString());
}

void CreatePage::showEnd() {
  const Job& job = m_generation.job();
  if (job.state() == JobState::Failed) m_message->showError(*job.error());
  if (job.state() == JobState::Cancelled && m_shown >= 0) showHistory(m_shown);
}

void CreatePage::showHistory(int row) {
  m_shown = row;
  m_view->setImage(m_generation.history().at(row).image);
  m_view->setBadge({});
  showJob();
}

QString CreatePage::shownFile() const {
  return m_shown < 0 ? QString() : m_generation.history().at(m_shown).file;
}

void CreatePage::save() {
  if (m_shown < 0) return;
  const PictureItem& item = m_generation.history().at(m_shown);
  const QString target = m_dialogs.savePicture(this, QFileInfo(item.file).fileName());
  if (target.isEmpty()) return;
  // The engine's own file carries the request in its metadata, so it is copied rather than encoded
  // again.
  if (const auto saved = writePicture(target, item.image, item.file); saved)
    m_message->showNote(tr("Saved as %1.").arg(QFileInfo(target).fileName()));
  else
    m_message->showError(saved.error());
}

}  // namespace likeness::ui
