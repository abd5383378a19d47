// What there is on disk, for the library. Every function reads files: off the GUI thread.
#pragma once

#include <QString>
#include <QStringList>
#include <vector>

#include "core/api/workspace.h"

namespace likeness::ui {

enum class Shelf { Models, Runs, Adapters, Outputs };

struct LibraryItem {
  Shelf shelf = Shelf::Models;
  QString path;  ///< file or folder, or `starter`
  QString title, detail;
  QString thumbnail;     ///< a picture file; empty = none
  qint64 time = 0;       ///< of the thumbnail's latest change, ms since 1970
  bool missing = false;  ///< it is remembered, and not where it was
  QString project;       ///< folder of the project that a run belongs to
  bool operator==(const LibraryItem&) const = default;
};

/// `bases` in their order, as their headers tell them.
std::vector<LibraryItem> findModels(api::Workspace& workspace, const QStringList& bases);
/// Of each project, the latest first.
std::vector<LibraryItem> findRuns(api::Workspace& workspace, const QStringList& projects);
/// `files`, and what lies in the projects' exports folders.
std::vector<LibraryItem> findAdapters(api::Workspace& workspace,
                                      const QStringList& files,
                                      const QStringList& projects);
/// Pictures of the project, the latest first.
std::vector<LibraryItem> findOutputs(const QString& project);

/// What a project's folder holds, in bytes by kind, and what could go.
struct DiskUse {
  enum Kind { Photos, ClassPictures, Checkpoints, RunFiles, Caches, Outputs, Exports };
  static constexpr int kKinds = 7;
  quint64 bytes[kKinds] = {};
  quint64 freeBytes = 0;
  struct Spare {
    QStringList paths;
    quint64 bytes = 0;
  };
  Spare caches;       ///< made again when they are needed
  Spare checkpoints;  ///< of each run all but the latest and the best
  quint64 total() const;
};
DiskUse findDiskUse(api::Workspace& workspace, const QString& project);

}  // namespace likeness::ui
