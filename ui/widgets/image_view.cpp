#include "ui/widgets/image_view.h"

#include <QPainter>
#include <QPainterPath>

#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {
constexpr double kMostEnlarged = 6;  // small pictures become blocks beyond this
}

ImageView::ImageView(QWidget* parent) : QWidget(parent) {
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
  connect(&Palette::instance(), &Palette::changed, this, qOverload<>(&QWidget::update));
}

void ImageView::setImage(const QImage& image) {
  m_image = image;
  update();
}

void ImageView::setPlaceholder(const QString& text, const char* icon) {
  m_placeholder = text;
  m_icon = icon;
  setAccessibleDescription(text);
  update();
}

void ImageView::setFrame(std::optional<QRectF> frame) {
  m_frame = frame;
  update();
}

void ImageView::setBadge(const QString& text) {
  if (m_badge == text) return;
  m_badge = text;
  update();
}

void ImageView::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  const Colours& c = Palette::colours();
  const QPainterPath well = paintWell(painter, rect());
  if (property("dropping").toBool()) painter.strokePath(well, QPen(c.accent, 2));
  if (m_image.isNull()) {
    const QRect box(width() / 2 - 24, height() / 2 - 52, 48, 48);
    if (!m_icon.isEmpty()) icon(m_icon.constData(), Tint::Muted).paint(&painter, box);
    painter.setPen(c.muted);
    painter.drawText(QRect(24, height() / 2 + 8, width() - 48, height() / 2 - 16),
                     Qt::AlignHCenter | Qt::AlignTop | Qt::TextWordWrap,
                     m_placeholder);
    return;
  }
  painter.setClipPath(well);
  const QSizeF room(width() - 16.0, height() - 16.0);
  const double scale =
      std::min({room.width() / m_image.width(), room.height() / m_image.height(), kMostEnlarged});
  const QSizeF size = QSizeF(m_image.size()) * scale;
  const QRectF target(QPointF((width() - size.width()) / 2, (height() - size.height()) / 2), size);
  painter.drawImage(target, m_image);
  if (m_frame) {
    const QRectF frame(target.x() + m_frame->x() * size.width(),
                       target.y() + m_frame->y() * size.height(),
                       m_frame->width() * size.width(),
                       m_frame->height() * size.height());
    QPainterPath outside;
    outside.addRect(target);
    outside.addRect(frame);
    QColor shade = c.sunken;
    shade.setAlpha(150);
    painter.fillPath(outside, shade);
    painter.setPen(QPen(c.accent, 1.5));
    painter.drawRect(frame);
  }
  if (!m_badge.isEmpty()) {
    const QRect text = painter.fontMetrics().boundingRect(m_badge).adjusted(-8, -4, 8, 4);
    const QRectF box(QPointF(16, 16), QSizeF(text.size()));
    QPainterPath chip;
    chip.addRoundedRect(box, 6, 6);
    painter.fillPath(chip, c.surface);
    painter.setPen(c.muted);
    painter.drawText(box, Qt::AlignCenter, m_badge);
  }
}

}  // namespace likeness::ui
