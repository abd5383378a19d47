// Small pictures of files, read when they are first looked at and forgotten when others need the
// room.
#pragma once

#include <QCache>
#include <QObject>
#include <QPixmap>
#include <QStringList>

#include "core/api/workspace.h"

namespace likeness::ui {

class Thumbnails : public QObject {
  Q_OBJECT
 public:
  static constexpr int kSide = 256;            ///< pixels, the longer one at most
  static constexpr int kBoundKiB = 64 * 1024;  ///< of pixels that are kept, whatever is shown
  static constexpr qsizetype kMostWanted =
      300;  ///< waiting to be read; what was asked for first is dropped

  explicit Thumbnails(api::Workspace& workspace, QObject* parent = nullptr);
  /// That of a picture file which was changed at `time`. Null while it is being read, off the GUI
  /// thread: ready() follows, and whoever still wants it asks again. Null too for what is no
  /// picture, which is read once.
  QPixmap get(const QString& file, qint64 time);
  int keptKiB() const { return static_cast<int>(m_kept.totalCost()); }
  int reads() const { return m_reads; }  ///< files read so far

 Q_SIGNALS:
  void ready();

 private:
  void readNext();

  api::Workspace& m_workspace;
  QCache<QString, QPixmap> m_kept;  ///< by file and time; cost in KiB
  QStringList m_wanted;             ///< keys, the latest last and read first
  bool m_reading = false;
  int m_reads = 0;
};

}  // namespace likeness::ui
