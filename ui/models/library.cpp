#include "ui/models/library.h"

#include <QSettings>
#include <algorithm>

#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/desktop.h"

namespace likeness::ui {
namespace {

constexpr auto kLibraryFiles = "libraryFiles";
constexpr int kMostFiles = 200;

}  // namespace

Library::Library(
    ProjectModel& project, Job& exporting, QSettings& settings, Desktop& desktop, QObject* parent)
    : QObject(parent),
      m_project(project),
      m_settings(settings),
      m_desktop(desktop),
      m_thumbnails(project.workspace()),
      m_shelves{Row(m_thumbnails), Row(m_thumbnails), Row(m_thumbnails), Row(m_thumbnails)} {
  connect(&m_project, &ProjectModel::opened, this, [this] {
    for (Row& row : m_shelves) row.found = false;
    m_disk.reset();
  });
  connect(&exporting, &Job::ended, this, [this, &exporting] {
    const auto* request = std::get_if<api::ExportRequest>(&exporting.request());
    if (request && exporting.state() == JobState::Finished)
      add(Shelf::Adapters, fromPath(request->out));
  });
}

QStringList Library::bases() const {
  QStringList bases{QStringLiteral("starter")};
  if (m_project.isOpen()) bases << fromStd(m_project.recipe().base.path);
  bases << m_project.knownBases();
  bases.removeDuplicates();
  return bases;
}

QStringList Library::files() const { return m_settings.value(kLibraryFiles).toStringList(); }

QStringList Library::projects() const {
  QStringList projects = m_project.recent();
  if (m_project.isOpen()) projects.prepend(fromPath(m_project.project().folder));
  projects.removeDuplicates();
  return projects;
}

template <class Find>
void Library::fill(Shelf shelf, Find find) {
  const quint64 asked = ++m_shelves[index(shelf)].asked;
  inBackground(this, std::move(find), [this, shelf, asked](std::vector<LibraryItem> items) {
    Row& row = m_shelves[index(shelf)];
    if (row.asked != asked) return;
    row.found = true;
    row.model.setItems(std::move(items));
    Q_EMIT found(shelf);
  });
}

void Library::refresh() {
  api::Workspace& workspace = m_project.workspace();
  const QString project = m_project.isOpen() ? fromPath(m_project.project().folder) : QString();
  fill(Shelf::Outputs,
       [project] { return project.isEmpty() ? std::vector<LibraryItem>() : findOutputs(project); });
  fill(Shelf::Models, [&workspace, paths = bases()] { return findModels(workspace, paths); });
  fill(Shelf::Runs, [&workspace, paths = projects()] { return findRuns(workspace, paths); });
  fill(Shelf::Adapters, [&workspace, paths = files(), folders = projects()] {
    return findAdapters(workspace, paths, folders);
  });
  const quint64 asked = ++m_diskAsked;
  if (project.isEmpty()) return;
  inBackground(
      this,
      [&workspace, project] { return findDiskUse(workspace, project); },
      [this, asked](const DiskUse& use) {
        if (asked != m_diskAsked) return;
        m_disk = use;
        Q_EMIT diskUseFound();
      });
}

void Library::add(Shelf shelf, const QString& path) {
  if (shelf == Shelf::Models) {
    m_project.rememberBase(path);
  } else {
    QStringList paths = files();
    paths.removeAll(path);
    paths.prepend(path);
    m_settings.setValue(kLibraryFiles, paths.mid(0, kMostFiles));
  }
  refresh();
}

bool Library::isRemembered(Shelf shelf, const QString& path) const {
  return (shelf == Shelf::Models ? m_project.knownBases() : files()).contains(path);
}

void Library::forget(Shelf shelf, const QString& path) {
  if (shelf == Shelf::Models) {
    m_project.forgetBase(path);
  } else {
    QStringList paths = files();
    paths.removeAll(path);
    m_settings.setValue(kLibraryFiles, paths);
  }
  refresh();
}

void Library::replace(Shelf shelf, const QString& from, const QString& to) {
  if (shelf == Shelf::Models) {
    m_project.forgetBase(from);
    if (m_project.isOpen() && fromStd(m_project.recipe().base.path) == from)
      m_project.edit([&](api::TrainRequest& recipe) { recipe.base.path = toStd(to); });
    add(shelf, to);
    return;
  }
  QStringList paths = files();
  std::replace(paths.begin(), paths.end(), from, to);
  paths.removeDuplicates();
  m_settings.setValue(kLibraryFiles, paths);
  refresh();
}

void Library::moveToTrash(const QStringList& paths) {
  struct Outcome {
    QStringList moved, kept;
  };
  inBackground(
      this,
      [&desktop = m_desktop, paths] {
        Outcome outcome;
        for (const QString& path : paths)
          (desktop.moveToTrash(path) ? outcome.moved : outcome.kept) << path;
        return outcome;
      },
      [this](const Outcome& outcome) {
        Q_EMIT trashed(outcome.moved, outcome.kept);
        refresh();
      });
}

}  // namespace likeness::ui
