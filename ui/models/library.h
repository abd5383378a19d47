// What a person has: base models, runs, adapters and exports, pictures; and the room they take. The
// shelves are filled off the GUI thread.
#pragma once

#include <QObject>
#include <array>
#include <optional>

#include "ui/models/job.h"
#include "ui/models/library_model.h"
#include "ui/models/project_model.h"
#include "ui/models/thumbnails.h"

class QSettings;

namespace likeness::ui {

class Desktop;

class Library : public QObject {
  Q_OBJECT
 public:
  /// Remembers where `exporting` has put something.
  Library(ProjectModel& project,
          Job& exporting,
          QSettings& settings,
          Desktop& desktop,
          QObject* parent = nullptr);

  LibraryModel& shelf(Shelf shelf) { return m_shelves[index(shelf)].model; }
  /// It is being looked at, for the first time since the project was opened.
  bool looking(Shelf shelf) const { return !m_shelves[index(shelf)].found; }
  /// Of the open project; nothing until it is known.
  const std::optional<DiskUse>& diskUse() const { return m_disk; }
  Thumbnails& thumbnails() { return m_thumbnails; }

  /// Looks at everything again.
  void refresh();
  /// Takes a file or folder onto the shelf of models or of adapters.
  void add(Shelf shelf, const QString& path);
  /// It was chosen or added before, and can be forgotten.
  bool isRemembered(Shelf shelf, const QString& path) const;
  /// Takes it off the shelf; the file stays.
  void forget(Shelf shelf, const QString& path);
  /// It has moved; the open project, where it begins from `from`, begins from `to`.
  void replace(Shelf shelf, const QString& from, const QString& to);
  /// Off the GUI thread; trashed() follows, then everything is looked at again.
  void moveToTrash(const QStringList& paths);

 Q_SIGNALS:
  void found(likeness::ui::Shelf shelf);
  void diskUseFound();
  /// `kept` could not be moved.
  void trashed(const QStringList& moved, const QStringList& kept);

 private:
  struct Row {
    explicit Row(Thumbnails& thumbnails) : model(thumbnails) {}
    LibraryModel model;
    bool found = false;
    quint64 asked = 0;
  };
  static std::size_t index(Shelf shelf) { return static_cast<std::size_t>(shelf); }
  template <class Find>
  void fill(Shelf shelf, Find find);
  QStringList bases() const;
  QStringList files() const;
  QStringList projects() const;

  ProjectModel& m_project;
  QSettings& m_settings;
  Desktop& m_desktop;
  Thumbnails m_thumbnails;
  std::array<Row, 4> m_shelves;
  std::optional<DiskUse> m_disk;
  quint64 m_diskAsked = 0;
};

}  // namespace likeness::ui
