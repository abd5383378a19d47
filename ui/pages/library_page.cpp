#include "ui/pages/library_page.h"

#include <QDir>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QSortFilterProxyModel>
#include <QTabBar>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/dialogs/dialog_service.h"
#include "ui/dialogs/info_dialogs.h"
#include "ui/dialogs/inspect_dialog.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/disk_use_panel.h"
#include "ui/widgets/library_grid.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kLargestShown = 2048;  // pixels of a picture that is enlarged

QTabBar* makeTabs() {
  auto* tabs = new QTabBar;
  tabs->setObjectName("libraryTabs");
  tabs->setAccessibleName(LibraryPage::tr("What is shown"));
  tabs->setDrawBase(false);
  tabs->setExpanding(false);
  // In the order of Shelf.
  for (const QString& text : {LibraryPage::tr("Models"),
                              LibraryPage::tr("Runs"),
                              LibraryPage::tr("Adapters and exports"),
                              LibraryPage::tr("Pictures")})
    tabs->addTab(text);
  return tabs;
}

}  // namespace

LibraryPage::LibraryPage(ProjectModel& project,
                         TrainingModel& training,
                         Library& library,
                         DialogService& dialogs,
                         QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_training(training),
      m_library(library),
      m_dialogs(dialogs),
      m_message(new MessageBar),
      m_tabs(makeTabs()),
      m_search(new QLineEdit),
      m_grid(new LibraryGrid),
      m_where(new ElidedLabel),
      m_count(makeHint()),
      m_add(makeButton("libraryAdd", tr("Add…"))),
      m_open(makeButton("libraryOpen", {})),
      m_show(makeButton("libraryShow", tr("Show in folder"))),
      m_find(makeButton("libraryFind", tr("Find…"))),
      m_forget(makeButton("libraryForget", tr("Take off the list"))),
      m_trash(makeButton("libraryTrash", tr("Move to trash…"))),
      m_disk(new DiskUsePanel) {
  setObjectName("page");
  for (std::size_t i = 0; i < m_shown.size(); ++i) {
    m_shown[i] = new QSortFilterProxyModel(this);
    m_shown[i]->setSourceModel(&library.shelf(static_cast<Shelf>(i)));
    m_shown[i]->setFilterRole(LibraryModel::SearchRole);
    m_shown[i]->setFilterCaseSensitivity(Qt::CaseInsensitive);
  }
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  layout->addWidget(m_grid, 1);
  layout->addWidget(makeFoot());
  auto* page = new QVBoxLayout(this);
  page->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  page->setSpacing(kMargin);
  page->addWidget(m_message);
  page->addWidget(makeHead());
  page->addWidget(card, 1);
  page->addWidget(m_disk);
  connectModels();
  showShelf();
}

QWidget* LibraryPage::makeHead() {
  m_search->setObjectName("librarySearch");
  m_search->setPlaceholderText(tr("Search"));
  m_search->setAccessibleName(tr("Search in what is shown"));
  m_search->setClearButtonEnabled(true);
  m_search->setMaximumWidth(320);
  m_count->setObjectName("libraryCount");
  m_count->setWordWrap(false);
  m_add->setIcon(icon("add"));
  auto* head = new QWidget;
  head->setMinimumHeight(m_add->sizeHint().height());  // also where it is hidden
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(kGrid);
  row->addWidget(m_tabs);
  row->addStretch(1);
  row->addWidget(m_count);
  row->addWidget(m_search, 1);
  row->addWidget(m_add);
  return head;
}

QWidget* LibraryPage::makeFoot() {
  m_grid->setObjectName("libraryGrid");
  m_where->setObjectName("libraryWhere");
  setTextRole(m_where, TextRole::Hint);
  m_open->setIcon(icon("arrow-right"));
  m_show->setIcon(icon("folder"));
  m_find->setIcon(icon("folder"));
  m_forget->setIcon(icon("close"));
  m_trash->setIcon(icon("remove"));
  m_forget->setToolTip(tr("The file itself stays where it is"));
  auto* foot = new QWidget;
  auto* row = new QHBoxLayout(foot);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(kGrid);
  row->addWidget(m_where, 1);
  for (QPushButton* button : {m_trash, m_forget, m_find, m_show, m_open}) row->addWidget(button);
  return foot;
}

void LibraryPage::connectModels() {
  connect(m_tabs, &QTabBar::currentChanged, this, &LibraryPage::showShelf);
  connect(m_search, &QLineEdit::textChanged, this, [this](const QString& words) {
    for (QSortFilterProxyModel* shown : m_shown) shown->setFilterFixedString(words);
    showCount();
  });
  connect(m_grid, &LibraryGrid::selectionMoved, this, &LibraryPage::showSelection);
  connect(m_grid, &QAbstractItemView::activated, this, &LibraryPage::activate);
  connect(m_grid, &LibraryGrid::removeRequested, this, &LibraryPage::trashChosen);
  connect(m_add, &QPushButton::clicked, this, &LibraryPage::addFile);
  connect(m_open, &QPushButton::clicked, this, [this] {
    if (const auto items = chosen(); items.size() == 1) open(items.first());
  });
  connect(m_show, &QPushButton::clicked, this, [this] {
    const auto items = chosen();
    if (items.isEmpty()) return;
    const QFileInfo info(items.first().path);
    m_dialogs.showFolder(info.isDir() ? info.filePath() : info.absolutePath());
  });
  connect(m_find, &QPushButton::clicked, this, &LibraryPage::findAgain);
  connect(m_forget, &QPushButton::clicked, this, [this] {
    for (const LibraryItem& item : chosen()) m_library.forget(item.shelf, item.path);
  });
  connect(m_trash, &QPushButton::clicked, this, &LibraryPage::trashChosen);
  connect(m_disk, &DiskUsePanel::cachesRequested, this, [this] {
    freeSpace(m_library.diskUse()->caches,
              tr("Move the caches to the trash?"),
              tr("They are made again when they are needed, which takes a little time."));
  });
  connect(m_disk, &DiskUsePanel::checkpointsRequested, this, [this] {
    freeSpace(m_library.diskUse()->checkpoints,
              tr("Move the old checkpoints to the trash?"),
              tr("Of each run the latest and the best stay; the steps between can no longer be "
                 "compared or exported."));
  });
  connect(&m_library, &Library::found, this, [this](Shelf found) {
    if (found == shelf()) showShelf();
  });
  connect(
      &m_library, &Library::diskUseFound, this, [this] { m_disk->setUse(m_library.diskUse()); });
  connect(&m_library.thumbnails(),
          &Thumbnails::ready,
          m_grid->viewport(),
          qOverload<>(&QWidget::update));
  connect(&m_library,
          &Library::trashed,
          this,
          [this](const QStringList& moved, const QStringList& kept) {
            if (!moved.isEmpty()) m_training.refresh();
            if (kept.isEmpty())
              m_message->showNote(
                  tr("%n thing(s) moved to the trash.", nullptr, static_cast<int>(moved.size())),
                  tr("Empty the trash to get the room."));
            else
              m_message->showError({api::ErrorCode::FileUnwritable,
                                    {{"file", toStd(kept.first())},
                                     {"reason", "it could not be moved to the trash"}},
                                    {}});
          });
  const auto again = [this] {
    if (isVisible()) m_library.refresh();
  };
  connect(&m_training, &TrainingModel::runsChanged, this, again);
  connect(&m_training.job(), &Job::changed, this, [this, trained = false]() mutable {
    if (trained == m_training.job().active()) return;
    trained = !trained;
    m_disk->setLocked(trained);
    showSelection();
  });
  connect(&m_project, &ProjectModel::opened, this, [this] {
    m_message->dismiss();
    m_disk->setUse({});
    if (isVisible()) m_library.refresh();
  });
}

void LibraryPage::showEvent(QShowEvent* event) {
  QWidget::showEvent(event);
  m_library.refresh();
}

void LibraryPage::focusShelf() { m_grid->setFocus(); }

Shelf LibraryPage::shelf() const { return static_cast<Shelf>(m_tabs->currentIndex()); }

QList<LibraryItem> LibraryPage::chosen() const {
  QList<LibraryItem> items;
  const QSortFilterProxyModel* shown = m_shown[static_cast<std::size_t>(shelf())];
  for (const QModelIndex& index : m_grid->selected())
    items << m_library.shelf(shelf()).at(shown->mapToSource(index).row());
  return items;
}

// ---- what is shown

void LibraryPage::showShelf() {
  QSortFilterProxyModel* shown = m_shown[static_cast<std::size_t>(shelf())];
  if (m_grid->model() != shown) m_grid->setModel(shown);
  m_grid->setAccessibleName(m_tabs->tabText(m_tabs->currentIndex()));
  m_add->setVisible(shelf() == Shelf::Models || shelf() == Shelf::Adapters);
  showCount();
  showSelection();
}

void LibraryPage::showCount() {
  const int all = m_library.shelf(shelf()).rowCount();
  const int shown = m_grid->model() ? m_grid->model()->rowCount() : 0;
  m_count->setText(m_search->text().isEmpty() ? QString() : tr("%1 of %2").arg(shown).arg(all));
  if (m_library.looking(shelf())) {
    m_grid->setPlaceholder(tr("Looking…"), "library");
  } else if (all > 0) {
    m_grid->setPlaceholder(tr("Nothing here is called that."), "library");
  } else if (shelf() == Shelf::Models) {
    m_grid->setPlaceholder(tr("Base models you have used appear here."), "model");
  } else if (shelf() == Shelf::Runs) {
    m_grid->setPlaceholder(
        tr("Every training becomes a run.\nStart the first one on the Train page."), "train");
  } else if (shelf() == Shelf::Adapters) {
    m_grid->setPlaceholder(tr("What you export appears here, and adapters of others that you add."),
                           "adapter");
  } else {
    m_grid->setPlaceholder(
        tr("The pictures of this project appear here.\nMake the first ones on the Create page."),
        "photos");
  }
}

bool LibraryPage::canTrash(const QList<LibraryItem>& items) const {
  if (items.isEmpty() || shelf() == Shelf::Models) return false;
  const QString project = m_project.isOpen() ? fromPath(m_project.project().folder) : QString();
  return std::all_of(items.begin(), items.end(), [&](const LibraryItem& item) {
    // A run of another project may be at work in another window.
    return !item.missing &&
           (item.shelf != Shelf::Runs || (item.project == project && !m_training.job().active()));
  });
}

void LibraryPage::showSelection() {
  const QList<LibraryItem> items = chosen();
  const bool one = items.size() == 1;
  const LibraryItem item = one ? items.first() : LibraryItem{};
  const bool starter = item.path == QLatin1String("starter");
  const bool here = one && !item.missing;
  const QString project = m_project.isOpen() ? fromPath(m_project.project().folder) : QString();
  m_where->setFullText(one ? starter ? tr("Comes with the program") : item.path
                       : items.isEmpty()
                           ? QString()
                           : tr("%n chosen", nullptr, static_cast<int>(items.size())));
  m_open->setText(shelf() == Shelf::Outputs                           ? tr("Use its settings")
                  : shelf() == Shelf::Runs && item.project != project ? tr("Open its project")
                                                                      : tr("Look inside…"));
  m_open->setVisible(here);
  m_show->setVisible(here && !starter);
  m_find->setVisible(one && item.missing);
  m_forget->setVisible(one && m_library.isRemembered(item.shelf, item.path));
  m_trash->setVisible(canTrash(items));
}

// ---- what is done with it

void LibraryPage::open(const LibraryItem& item) {
  if (item.missing) return findAgain();
  const QString project = m_project.isOpen() ? fromPath(m_project.project().folder) : QString();
  if (item.shelf == Shelf::Outputs)
    Q_EMIT pictureChosen(item.path);
  else if (item.shelf == Shelf::Runs && item.project != project)
    Q_EMIT projectRequested(item.project);
  else
    InspectDialog::open(m_project, m_dialogs, item.path, this);
}

void LibraryPage::activate(const QModelIndex& index) {
  const LibraryItem item = m_library.shelf(shelf()).at(
      m_shown[static_cast<std::size_t>(shelf())]->mapToSource(index).row());
  if (item.shelf != Shelf::Outputs) return open(item);
  inBackground(
      this,
      [&workspace = m_project.workspace(), file = item.path] {
        return workspace.readImage(toPath(file), kLargestShown);
      },
      [this, title = item.title](const api::Result<api::Image>& image) {
        if (image)
          showPicture(this, toQImage(*image), title);
        else
          m_message->showError(image.error());
      });
}

void LibraryPage::addFile() {
  const bool model = shelf() == Shelf::Models;
  const QStringList files =
      m_dialogs.modelFiles(this, model ? tr("Add a base model") : tr("Add adapters"), !model);
  for (const QString& file : files) m_library.add(shelf(), file);
}

void LibraryPage::findAgain() {
  const QList<LibraryItem> items = chosen();
  if (items.size() != 1 || !items.first().missing) return;
  const LibraryItem& item = items.first();
  const QString found =
      m_dialogs.modelFiles(this, tr("Where is %1 now?").arg(item.title), false).value(0);
  if (!found.isEmpty()) m_library.replace(item.shelf, item.path, found);
}

void LibraryPage::trashChosen() {
  const QList<LibraryItem> items = chosen();
  if (!canTrash(items)) return;
  QStringList paths, titles;
  for (const LibraryItem& item : items) {
    paths << item.path;
    titles << item.title;
  }
  const int count = static_cast<int>(items.size());
  trash(paths,
        count == 1 ? tr("Move %1 to the trash?").arg(titles.first())
                   : tr("Move %n thing(s) to the trash?", nullptr, count),
        shelf() == Shelf::Runs ? tr("With its checkpoints, samples and curves.") : QString());
}

void LibraryPage::freeSpace(const DiskUse::Spare& spare,
                            const QString& question,
                            const QString& detail) {
  if (m_training.job().active()) return;
  trash(spare.paths, question, tr("%1: %2").arg(Texts::bytes(spare.bytes), detail));
}

void LibraryPage::trash(const QStringList& paths, const QString& question, const QString& detail) {
  const int answer = m_dialogs.ask(
      this, {tr("Move to trash"), question, detail, {tr("Move to trash"), tr("Keep")}, 1});
  if (answer == 0) m_library.moveToTrash(paths);
}

}  // namespace likeness::ui
