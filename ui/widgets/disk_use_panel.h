// How a project's room on the disk is divided, and what could go.
#pragma once

#include <QFrame>
#include <optional>

#include "ui/models/library_scan.h"

class QLabel;
class QPushButton;

namespace likeness::ui {

class ShareBar;

class DiskUsePanel : public QFrame {
  Q_OBJECT
 public:
  explicit DiskUsePanel(QWidget* parent = nullptr);
  /// Nothing = it is not known.
  void setUse(const std::optional<DiskUse>& use);
  /// Something is at work in the folder: nothing may go.
  void setLocked(bool locked);

 Q_SIGNALS:
  void cachesRequested();
  void checkpointsRequested();

 private:
  void showUse();
  std::optional<DiskUse> m_use;
  bool m_locked = false;
  QLabel *m_title, *m_legend;
  ShareBar* m_bar;
  QPushButton *m_caches, *m_checkpoints;
};

}  // namespace likeness::ui
