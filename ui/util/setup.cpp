#include "ui/util/setup.h"

#include <QAbstractSlider>
#include <QAbstractSpinBox>
#include <QApplication>
#include <QComboBox>
#include <QScrollBar>

static void registerResources() {
  Q_INIT_RESOURCE(app);
}  // the macro must stand outside any namespace

namespace likeness::ui {
namespace {

/// Scrolling a page must not change the value that happens to pass under the pointer.
class WheelGuard : public QObject {
 public:
  using QObject::QObject;
  bool eventFilter(QObject* object, QEvent* event) override {
    if (event->type() != QEvent::Wheel && event->type() != QEvent::Polish) return false;
    auto* widget = qobject_cast<QWidget*>(object);
    if (widget && event->type() == QEvent::Polish) {
      // The wheel would give the focus before it is delivered.
      if (widget->focusPolicy() == Qt::WheelFocus) widget->setFocusPolicy(Qt::StrongFocus);
      return false;
    }
    if (!widget || widget->hasFocus() || qobject_cast<QScrollBar*>(object)) return false;
    if (!qobject_cast<QAbstractSpinBox*>(object) && !qobject_cast<QComboBox*>(object) &&
        !qobject_cast<QAbstractSlider*>(object))
      return false;
    event->ignore();
    return true;
  }
};

}  // namespace

void setUp(QApplication& application) {
  registerResources();
  application.installEventFilter(new WheelGuard(&application));
}

}  // namespace likeness::ui
