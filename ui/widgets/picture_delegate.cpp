#include "ui/widgets/picture_delegate.h"

#include <QAbstractItemView>
#include <QPainter>
#include <QPainterPath>

#include "ui/util/palette.h"

namespace likeness::ui {

PictureDelegate::PictureDelegate(int side, QObject* parent)
    : QStyledItemDelegate(parent), m_side(side) {}

QSize PictureDelegate::sizeHint(const QStyleOptionViewItem& option,
                                const QModelIndex& index) const {
  const bool caption = !index.data(Qt::DisplayRole).toString().isEmpty();
  return {m_side + 8, m_side + 8 + (caption ? option.fontMetrics.height() + 2 : 0)};
}

void PictureDelegate::paint(QPainter* painter,
                            const QStyleOptionViewItem& option,
                            const QModelIndex& index) const {
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

void paintPlaceholder(const QAbstractItemView& view, const QString& text) {
  if (!view.model() || view.model()->rowCount() > 0 || text.isEmpty()) return;
  QPainter painter(view.viewport());
  painter.setPen(Palette::colours().muted);
  painter.drawText(
      view.viewport()->rect().adjusted(16, 0, -16, 0), Qt::AlignCenter | Qt::TextWordWrap, text);
}

}  // namespace likeness::ui
