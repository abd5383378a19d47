// Where the window's controls are on the screen, for a script that uses real mouse events
// (packaging/tour.sh).
#pragma once

#include <QString>
#include <QTimer>

namespace likeness::app {

/// Keeps FILE up to date: one line "objectName x y width height enabled" for every visible named
/// widget of every window, in screen pixels; x and y are the widget's upper left corner.
class WidgetMap {
 public:
  explicit WidgetMap(QString file);

 private:
  void write();
  QString m_file;
  QByteArray m_last;
  QTimer m_timer;
};

}  // namespace likeness::app
