#include "ui/widgets/compare_view.h"

#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {
constexpr double kMostMagnified = 6;  // small pictures become blocks beyond this
constexpr double kDividerStep = 0.05;
constexpr double kMostZoom = 16, kZoomStep = 1.25;
}  // namespace

CompareView::CompareView(QWidget* parent) : QWidget(parent) {
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
  setFocusPolicy(Qt::StrongFocus);
  setAccessibleDescription(
      tr("Arrow keys go to other cells, Shift with left and right moves the line, plus and minus "
         "enlarge and reduce, 0 shows the whole."));
  connect(&Palette::instance(), &Palette::changed, this, qOverload<>(&QWidget::update));
}

void CompareView::setPicture(const QImage& image, const QString& badge, const QString& words) {
  m_image = image;
  m_badge = badge;
  m_words = words;
  update();
}

void CompareView::setBefore(const QImage& image) {
  m_before = image;
  setCursor(isDivided() ? Qt::SplitHCursor : Qt::ArrowCursor);
  update();
}

QRectF CompareView::place() const {
  const QSizeF room(width() - 16.0, height() - 16.0);
  const double scale =
      std::min({room.width() / m_image.width(), room.height() / m_image.height(), kMostMagnified});
  const QSizeF size = QSizeF(m_image.size()) * scale * m_zoom;
  // No further than its edges.
  const double across = std::max(0.0, (size.width() - room.width()) / 2),
               down = std::max(0.0, (size.height() - room.height()) / 2);
  return {QPointF((width() - size.width()) / 2 + std::clamp(m_shift.x(), -across, across),
                  (height() - size.height()) / 2 + std::clamp(m_shift.y(), -down, down)),
          size};
}

void CompareView::zoom(double factor, QPointF point) {
  if (m_image.isNull()) return;
  const QRectF before = place();
  m_zoom = std::clamp(m_zoom * factor, 1.0, kMostZoom);
  const double larger = place().width() / before.width();
  m_shift = point + (before.center() - point) * larger - QRectF(rect()).center();
  m_shift = place().center() - QRectF(rect()).center();
  update();
}

void CompareView::drag(QPointF to) {
  m_shift += to - m_grip;
  m_shift = place().center() - QRectF(rect()).center();
  m_grip = to;
  update();
}

void CompareView::setDivider(double divider) {
  m_divider = std::clamp(divider, 0.0, 1.0);
  update();
}

void CompareView::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  const Colours& c = Palette::colours();
  const QPainterPath well = paintWell(painter, rect());
  if (hasFocus()) painter.strokePath(well, QPen(c.accent, 1));
  if (m_image.isNull()) {
    painter.setPen(c.muted);
    painter.drawText(
        rect().adjusted(24, 24, -24, -24), Qt::AlignCenter | Qt::TextWordWrap, m_words);
    return;
  }
  painter.setClipPath(well);
  const QRectF target = place();
  painter.drawImage(target, m_image);
  if (isDivided()) {
    const double x = target.x() + target.width() * m_divider;
    painter.save();
    painter.setClipRect(QRectF(target.topLeft(), QPointF(x, target.bottom())), Qt::IntersectClip);
    painter.drawImage(target, m_before);
    painter.restore();
    painter.setPen(QPen(c.surface, 4));
    painter.drawLine(QPointF(x, target.top()), QPointF(x, target.bottom()));
    painter.setPen(QPen(c.accent, 2));
    painter.drawLine(QPointF(x, target.top()), QPointF(x, target.bottom()));
    painter.setBrush(c.accent);
    painter.drawEllipse(QPointF(x, target.center().y()), 6, 6);
  }
  if (m_badge.isEmpty()) return;
  const QSize size = painter.fontMetrics().size(0, m_badge) + QSize(16, 8);
  const QRect chip(QPoint(16, 16), size);
  QPainterPath path;
  path.addRoundedRect(chip, 6, 6);
  painter.fillPath(path, c.surface);
  painter.setPen(c.muted);
  painter.drawText(chip, Qt::AlignCenter, m_badge);
}

void CompareView::keyPressEvent(QKeyEvent* event) {
  const int key = event->key();
  const int across = key == Qt::Key_Left ? -1 : key == Qt::Key_Right ? 1 : 0;
  const int down = key == Qt::Key_Up ? -1 : key == Qt::Key_Down ? 1 : 0;
  const QPointF middle = QRectF(rect()).center();
  if (key == Qt::Key_Plus || key == Qt::Key_Equal) return zoom(kZoomStep, middle);
  if (key == Qt::Key_Minus) return zoom(1 / kZoomStep, middle);
  if (key == Qt::Key_0) return zoom(1 / kMostZoom, middle);
  if (across == 0 && down == 0) return QWidget::keyPressEvent(event);
  if (event->modifiers() & Qt::ShiftModifier) return setDivider(m_divider + across * kDividerStep);
  Q_EMIT moved(down, across);
}

void CompareView::mousePressEvent(QMouseEvent* event) {
  m_grip = event->position();
  if (event->button() == Qt::LeftButton) mouseMoveEvent(event);
}

void CompareView::mouseMoveEvent(QMouseEvent* event) {
  if (m_image.isNull()) return;
  if (!isDivided()) return drag(event->position());
  const QRectF target = place();
  setDivider((event->position().x() - target.x()) / target.width());
}

void CompareView::wheelEvent(QWheelEvent* event) {
  zoom(std::pow(kZoomStep, event->angleDelta().y() / 120.0), event->position());
  event->accept();
}

void CompareView::focusInEvent(QFocusEvent* event) {
  QWidget::focusInEvent(event);
  update();
}

void CompareView::focusOutEvent(QFocusEvent* event) {
  QWidget::focusOutEvent(event);
  update();
}

}  // namespace likeness::ui
