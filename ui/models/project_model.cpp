#include "ui/models/project_model.h"

#include <QDir>
#include <QFileInfo>
#include <QRegularExpression>
#include <QSettings>
#include <algorithm>

#include "ui/util/convert.h"

namespace likeness::ui {
namespace {
constexpr int kAutosaveMs = 1500;
constexpr int kRecentCount = 8;
constexpr auto kRecentBases = "recentBases";
constexpr auto kBest = "bestCheckpoints";  // step by the run's folder
constexpr auto kSuffix = ".likeness";
}  // namespace

ProjectModel::ProjectModel(api::Workspace& workspace, QSettings& settings, QObject* parent)
    : QObject(parent), m_workspace(workspace), m_settings(settings) {
  m_autosave.setSingleShot(true);
  m_autosave.setInterval(kAutosaveMs);
  connect(&m_autosave, &QTimer::timeout, this, [this] {
    if (const auto saved = save(); !saved) Q_EMIT saveFailed(saved.error());
  });
}

ProjectModel::~ProjectModel() {
  if (m_dirty && m_project) (void)m_workspace.saveProject(*m_project);
}

QString ProjectModel::name() const {
  if (!m_project) return {};
  QString name = fromPath(m_project->folder.filename());
  if (name.endsWith(QLatin1String(kSuffix))) name.chop(static_cast<qsizetype>(qstrlen(kSuffix)));
  return name;
}

api::Result<void> ProjectModel::take(const QString& folder, bool create) {
  const std::filesystem::path path = toPath(QDir::cleanPath(folder));
  if (m_project && m_project->folder == path) return save();
  auto project = create ? m_workspace.createProject(path) : m_workspace.openProject(path);
  if (!project) return api::fail(project.error());
  auto lock = m_workspace.lockProject(path);
  if (!lock) return api::fail(lock.error());
  close();
  m_project = std::move(*project);
  m_lock = std::move(*lock);
  m_recommended = m_project->recipe;
  if (auto recipe = m_workspace.recommendedRecipe(m_project->recipe.base))
    m_recommended = std::move(*recipe);
  remember(QDir::cleanPath(folder));
  return {};
}

api::Result<void> ProjectModel::create(const QString& folder) {
  const QString path =
      folder.endsWith(QLatin1String(kSuffix)) ? folder : folder + QLatin1String(kSuffix);
  if (const auto taken = take(path, true); !taken) return taken;
  Q_EMIT opened();
  return {};
}

api::Result<void> ProjectModel::createSample(const QString& folder) {
  const QString path =
      folder.endsWith(QLatin1String(kSuffix)) ? folder : folder + QLatin1String(kSuffix);
  const QDir samples(fromPath(m_workspace.resources() / "samples"));
  const QStringList sets = samples.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name);
  if (sets.isEmpty())
    return api::fail(api::ErrorCode::FileNotFound, {{"file", toStd(samples.path())}});
  if (const auto taken = take(path, true); !taken) return taken;
  const QDir set(samples.filePath(sets.first()));
  const QString classWord =
      set.dirName().section(QLatin1Char('_'), -1).remove(QRegularExpression("[0-9]+$"));
  const auto photos = m_workspace.expandDrop({toPath(set.path())}).photos;
  edit([&](api::TrainRequest& recipe) {
    recipe.subject.name = toStd(set.dirName().section(QLatin1Char('_'), 0, 0));
    recipe.subject.classWord = toStd(classWord);
    for (const auto& photo : photos) {
      if (auto copy = m_workspace.importPhoto(*m_project, photo.file))
        recipe.photos.push_back({.file = *copy, .caption = {}, .crop = {}});
    }
  });
  const auto saved = save();
  Q_EMIT opened();
  return saved;
}

api::Result<void> ProjectModel::open(const QString& folder) {
  if (const auto taken = take(folder, false); !taken) return taken;
  Q_EMIT opened();
  return {};
}

api::Result<void> ProjectModel::save() {
  if (!m_project) return {};
  m_autosave.stop();
  if (const auto saved = m_workspace.saveProject(*m_project); !saved) return saved;
  setDirty(false);
  return {};
}

void ProjectModel::close() {
  if (!m_project) return;
  if (m_dirty) {
    if (const auto saved = save(); !saved) Q_EMIT saveFailed(saved.error());
  }
  m_autosave.stop();
  m_project.reset();
  m_lock.reset();
  setDirty(false);
  Q_EMIT opened();
}

void ProjectModel::edit(const std::function<void(api::TrainRequest&)>& change) {
  if (!m_project) return;
  api::TrainRequest edited = m_project->recipe;
  change(edited);
  if (edited == m_project->recipe) return;
  m_project->recipe = std::move(edited);
  setDirty(true);
  m_autosave.start();
  Q_EMIT recipeChanged();
}

void ProjectModel::setBase(const api::ModelRef& base, const api::TrainRequest& recipeOfModel) {
  if (base.path != "starter") rememberBase(fromStd(base.path));
  m_recommended = recipeOfModel;
  edit([&](api::TrainRequest& recipe) {
    api::TrainRequest next = recipeOfModel;
    next.base = base;
    next.photos = std::move(recipe.photos);
    next.subject = std::move(recipe.subject);
    next.furtherSubjects = std::move(recipe.furtherSubjects);
    next.training.method = recipe.training.method;
    recipe = std::move(next);
  });
}

QStringList ProjectModel::knownBases() const {
  return m_settings.value(kRecentBases).toStringList();
}

void ProjectModel::rememberBase(const QString& path) {
  QStringList paths = knownBases();
  paths.removeAll(path);
  paths.prepend(path);
  m_settings.setValue(kRecentBases, paths.mid(0, kRecentCount));
}

void ProjectModel::forgetBase(const QString& path) {
  QStringList paths = knownBases();
  paths.removeAll(path);
  m_settings.setValue(kRecentBases, paths);
}

std::optional<std::int64_t> ProjectModel::best(const std::filesystem::path& run) const {
  const QVariantMap all = m_settings.value(kBest).toMap();
  const auto found = all.constFind(fromPath(run));
  return found == all.constEnd() ? std::nullopt : std::optional<std::int64_t>(found->toLongLong());
}

void ProjectModel::setBest(const std::filesystem::path& run, std::int64_t step) {
  QVariantMap all = m_settings.value(kBest).toMap();
  all.insert(fromPath(run), static_cast<qlonglong>(step));
  m_settings.setValue(kBest, all);
}

QStringList ProjectModel::recentBases() const {
  QStringList paths = knownBases();
  paths.removeIf([](const QString& path) { return !QFileInfo::exists(path); });
  return paths;
}

QStringList ProjectModel::recent() const {
  QStringList folders = m_settings.value("recent").toStringList();
  folders.removeIf([](const QString& folder) { return !QFileInfo(folder).isDir(); });
  return folders;
}

void ProjectModel::forget(const QString& folder) {
  QStringList folders = m_settings.value("recent").toStringList();
  folders.removeAll(folder);
  m_settings.setValue("recent", folders);
  Q_EMIT recentChanged();
}

void ProjectModel::remember(const QString& folder) {
  QStringList folders = m_settings.value("recent").toStringList();
  folders.removeAll(folder);
  folders.prepend(folder);
  m_settings.setValue("recent", folders.mid(0, kRecentCount));
  Q_EMIT recentChanged();
}

void ProjectModel::setDirty(bool dirty) {
  if (m_dirty == dirty) return;
  m_dirty = dirty;
  Q_EMIT dirtyChanged();
}

}  // namespace likeness::ui
