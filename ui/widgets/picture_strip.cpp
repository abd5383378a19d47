#include "ui/widgets/picture_strip.h"

#include <QScrollBar>
#include <QWheelEvent>

#include "ui/util/palette.h"
#include "ui/widgets/picture_delegate.h"

namespace likeness::ui {
PictureStrip::PictureStrip(int side, QWidget* parent) : QListView(parent), m_side(side) {
  setFlow(QListView::LeftToRight);
  setWrapping(false);
  setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
  setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  setSelectionMode(QAbstractItemView::SingleSelection);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setItemDelegate(new PictureDelegate(side, this));
  setTextRole(this, TextRole::Hint);
  setFixedHeight(side + 8 + fontMetrics().height() + 2 + 12);
  connect(this, &QAbstractItemView::activated, this, &PictureStrip::opened);
  connect(&Palette::instance(), &Palette::changed, viewport(), qOverload<>(&QWidget::update));
}

void PictureStrip::setPlaceholder(const QString& text) {
  m_placeholder = text;
  setAccessibleDescription(text);
  viewport()->update();
}

void PictureStrip::setModel(QAbstractItemModel* model) {
  QListView::setModel(model);
  // Looked at before the row is there: afterwards the old end is no longer the end.
  connect(model, &QAbstractItemModel::rowsAboutToBeInserted, this, [this] {
    const bool atEnd = horizontalScrollBar()->value() >= horizontalScrollBar()->maximum() - m_side;
    if (atEnd) QMetaObject::invokeMethod(this, &QListView::scrollToBottom, Qt::QueuedConnection);
  });
}

void PictureStrip::paintEvent(QPaintEvent* event) {
  QListView::paintEvent(event);
  paintPlaceholder(*this, m_placeholder);
}

void PictureStrip::wheelEvent(QWheelEvent* event) {
  // A strip has one direction, so the ordinary wheel moves it too.
  if (event->angleDelta().x() == 0 && horizontalScrollBar()->maximum() > 0) {
    horizontalScrollBar()->setValue(horizontalScrollBar()->value() - event->angleDelta().y());
    event->accept();
  } else {
    QListView::wheelEvent(event);
  }
}

}  // namespace likeness::ui
