#include "ui/widgets/dock.h"

#include <QHBoxLayout>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {

Dock::Dock(const char* name,
           const QString& title,
           QWidget* content,
           std::initializer_list<QWidget*> tools,
           QWidget* parent)
    : QDockWidget(title, parent) {
  setObjectName(QLatin1String(name));
  setFeatures(DockWidgetClosable | DockWidgetMovable);
  auto* head = new QFrame;
  head->setProperty("dockHead", true);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(kMargin, 4, kGrid, 4);
  row->setSpacing(kGrid);
  row->addWidget(makeSection(title));
  for (QWidget* tool : tools) row->addWidget(tool, tool->property("wide").toBool() ? 1 : 0);
  auto* close = makeTool("", "close", tr("Close %1").arg(title));
  close->setObjectName(QLatin1String(name) + QLatin1String("Close"));
  connect(close, &QToolButton::clicked, this, &QDockWidget::close);
  row->addWidget(close);
  setTitleBarWidget(head);
  auto* page = new QFrame;
  page->setProperty("dockPage", true);
  auto* column = new QVBoxLayout(page);
  column->setContentsMargins(kGrid, 0, kGrid, 4);
  column->addWidget(content);
  setWidget(page);
  hide();
}

}  // namespace likeness::ui
