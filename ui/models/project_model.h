// The open project: its value, the lock, the unsaved mark, autosave and the list of recent
// projects.
#pragma once

#include <QObject>
#include <QStringList>
#include <QTimer>
#include <functional>
#include <memory>
#include <optional>

#include "core/api/workspace.h"

class QSettings;

namespace likeness::ui {

class ProjectModel : public QObject {
  Q_OBJECT
 public:
  ProjectModel(api::Workspace& workspace, QSettings& settings, QObject* parent = nullptr);
  /// Saves what autosave has not yet written.
  ~ProjectModel() override;

  api::Workspace& workspace() { return m_workspace; }
  bool isOpen() const { return m_project.has_value(); }
  /// Only when isOpen().
  const api::Project& project() const { return *m_project; }
  const api::TrainRequest& recipe() const { return m_project->recipe; }
  QString name() const;  ///< the folder's name without ".likeness"
  bool isDirty() const { return m_dirty; }

  /// Each locks the folder, closes what was open before, and remembers the project; on an error
  /// what was open stays open.
  api::Result<void> create(const QString& folder);
  api::Result<void> createSample(
      const QString& folder);  ///< a ready project with the bundled photos
  api::Result<void> open(const QString& folder);
  api::Result<void> save();
  void close();

  /// The one way to change the project: marks it unsaved and starts the autosave clock when
  /// `change` changed anything.
  void edit(const std::function<void(api::TrainRequest&)>& change);

  /// The recipe that suits the chosen base model: where the reset arrows lead.
  const api::TrainRequest& recommended() const { return m_recommended; }
  /// Changes the base model and takes over the recipe that suits it.
  void setBase(const api::ModelRef& base, const api::TrainRequest& recipeOfModel);

  /// The checkpoint that the person took for the best of a run; nothing when they did not.
  std::optional<std::int64_t> best(const std::filesystem::path& run) const;
  void setBest(const std::filesystem::path& run, std::int64_t step);

  /// Base models chosen before, latest first; without the starter model.
  QStringList knownBases() const;
  QStringList recentBases() const;  ///< those that still exist
  void rememberBase(const QString& path);
  void forgetBase(const QString& path);
  QStringList recent() const;  ///< folders that still exist, latest first
  void forget(const QString& folder);

 Q_SIGNALS:
  void opened();  ///< another project, or none
  void recipeChanged();
  void dirtyChanged();
  void recentChanged();
  void saveFailed(const likeness::api::Error& error);

 private:
  api::Result<void> take(const QString& folder, bool create);
  void remember(const QString& folder);
  void setDirty(bool dirty);

  api::Workspace& m_workspace;
  QSettings& m_settings;
  std::optional<api::Project> m_project;
  std::unique_ptr<api::ProjectLock> m_lock;
  api::TrainRequest m_recommended;
  bool m_dirty = false;
  QTimer m_autosave;
};

}  // namespace likeness::ui
