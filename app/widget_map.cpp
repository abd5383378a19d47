#include "app/widget_map.h"

#include <QApplication>
#include <QSaveFile>
#include <QWidget>

namespace likeness::app {
namespace {
constexpr int kIntervalMs = 150;
}

WidgetMap::WidgetMap(QString file) : m_file(std::move(file)) {
  QObject::connect(&m_timer, &QTimer::timeout, [this] { write(); });
  m_timer.start(kIntervalMs);
}

void WidgetMap::write() {
  QByteArray lines;
  const auto add = [&lines](const QWidget* widget) {
    const QPoint at = widget->mapToGlobal(QPoint());
    QString name = widget->objectName();
    name.replace(QLatin1Char(' '), QLatin1Char('_'));
    lines += QStringLiteral("%1 %2 %3 %4 %5 %6\n")
                 .arg(name)
                 .arg(at.x())
                 .arg(at.y())
                 .arg(widget->width())
                 .arg(widget->height())
                 .arg(widget->isEnabled() ? 1 : 0)
                 .toUtf8();
  };
  const auto windows = QApplication::topLevelWidgets();
  for (const QWidget* window : windows) {
    if (!window->isVisible()) continue;
    const auto widgets = window->findChildren<QWidget*>();
    for (const QWidget* widget : widgets)
      if (widget->isVisible() && !widget->objectName().isEmpty()) add(widget);
  }
  if (lines == m_last) return;
  QSaveFile out(m_file);
  if (!out.open(QIODevice::WriteOnly)) return;
  out.write(lines);
  if (out.commit()) m_last = lines;
}

}  // namespace likeness::app
