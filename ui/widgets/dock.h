// A part of the window that can be opened, moved and closed: its title row carries its buttons.
#pragma once

#include <QDockWidget>
#include <initializer_list>

namespace likeness::ui {

class Dock : public QDockWidget {
  Q_OBJECT
 public:
  /// Hidden at first. `name` is the object name; that of the closing button is NAMEClose.
  Dock(const char* name,
       const QString& title,
       QWidget* content,
       std::initializer_list<QWidget*> tools,
       QWidget* parent = nullptr);
};

}  // namespace likeness::ui
