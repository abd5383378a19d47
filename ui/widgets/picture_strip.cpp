#include "ui/widgets/picture_strip.h"

#include <QPainter>
#include <QPainterPath>
#include <QScrollBar>
#include <QStyledItemDelegate>
#include <QWheelEvent>

#include "ui/util/palette.h"

namespace likeness::ui {
namespace {

class StripDelegate : public QStyledItemDelegate {
 public:
  StripDelegate(int side, QObject* parent) : QStyledItemDelegate(parent), m_side(side) {}

  QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override {
    const bool caption = !index.data(Qt::DisplayRole).toString().isEmpty();
    return {m_side + 8, m_side + 8 + (caption ? option.fontMetrics.height() + 2 : 0)};
  }
  void paint(QPainter* painter,
             const QStyleOptionViewItem& option,
             const QModelIndex& index) const override {
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setRenderHint(QPainter::SmoothPixmapTransform);
    const Colours& c = Palette::colours();
    const QRectF box(option.rect.x() + 4, option.rect.y() + 4, m_side, m_side);
    QPainterPath path;
    path.addRoundedRect(box, 4, 4);
    painter->fillPath(path, c.sunken);
    const QPixmap pixmap = index.data(Qt::DecorationRole).value<QPixmap>();
    if (!pixmap.isNull()) {
      const QSizeF size = QSizeF(pixmap.size()).scaled(box.size(), Qt::KeepAspectRatio);
      const QRectF target(box.center() - QPointF(size.width() / 2, size.height() / 2), size);
      painter->setClipPath(path);
      painter->drawPixmap(target, pixmap, QRectF(pixmap.rect()));
      painter->setClipping(false);
    }
    if (option.state & QStyle::State_Selected) {
      painter->setPen(QPen(c.accent, 2));
      painter->drawPath(path);
    }
    painter->setPen(c.muted);
    const QString caption = index.data(Qt::DisplayRole).toString();
    painter->drawText(
        QRectF(option.rect.x(), box.bottom() + 2, option.rect.width(), option.fontMetrics.height()),
        Qt::AlignCenter,
        option.fontMetrics.elidedText(caption, Qt::ElideRight, option.rect.width()));
    painter->restore();
  }

 private:
  int m_side;
};

}  // namespace

PictureStrip::PictureStrip(int side, QWidget* parent) : QListView(parent), m_side(side) {
  setFlow(QListView::LeftToRight);
  setWrapping(false);
  setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
  setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  setSelectionMode(QAbstractItemView::SingleSelection);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setItemDelegate(new StripDelegate(side, this));
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
  if (!model() || model()->rowCount() > 0 || m_placeholder.isEmpty()) return;
  QPainter painter(viewport());
  painter.setPen(Palette::colours().muted);
  painter.drawText(viewport()->rect().adjusted(16, 0, -16, 0),
                   Qt::AlignCenter | Qt::TextWordWrap,
                   m_placeholder);
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
