// What computes and how much memory the program takes, at the foot of the rail.
#pragma once

#include <QFrame>
#include <QTimer>

#include "ui/util/machine_state.h"

class QLabel;

namespace likeness::ui {

class DeviceChip : public QFrame {
  Q_OBJECT
 public:
  explicit DeviceChip(MachineStateSource source, QWidget* parent = nullptr);
  /// "Xeon Platinum 8480+": a processor's or GPU's name without maker and marks.
  static QString shortName(const QString& device);

 protected:
  void showEvent(QShowEvent* event) override;
  void hideEvent(QHideEvent* event) override;

 private:
  void refresh();
  MachineStateSource m_source;
  QTimer m_timer;
  QLabel *m_name, *m_now, *m_peak;
};

}  // namespace likeness::ui
