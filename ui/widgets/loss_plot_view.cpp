// What is seen of the curves: zoom, move, hover, keys, and the picture that is kept.
#include <cmath>

#include "ui/util/palette.h"
#include "ui/widgets/loss_plot_private.h"

namespace likeness::ui {
namespace {

constexpr double kWheelStep = 0.8;  // part of the range that a step of the wheel leaves
constexpr double kPanStep = 0.1;    // of the range, by a key
constexpr int kClickDistance = 3;   // pixels that a click may move
constexpr int kMarkDistance = 8;    // pixels beside a mark that still mean it
constexpr int kPictureScale = 2;    // of one that is kept

}  // namespace

void LossPlot::Private::setZoomed(bool on) {
  if (zoomed == on) return;
  zoomed = on;
  Q_EMIT self->zoomChanged(on);
}

void LossPlot::Private::zoom(double factor) {
  setZoomed(true);
  plot->xAxis->scaleRange(factor);
  replot();
}

void LossPlot::Private::move(double part) {
  setZoomed(true);
  plot->xAxis->moveRange(part * plot->xAxis->range().size());
  replot();
}

void LossPlot::Private::listen() {
  plot->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
  plot->setNoAntialiasingOnDrag(true);
  plot->axisRect()->setRangeZoomFactor(kWheelStep);
  QObject::connect(plot, &QCustomPlot::mousePress, self, [this](QMouseEvent* event) {
    pressed = event->pos();
    plot->setSelectionRectMode(event->modifiers() & Qt::ShiftModifier ? QCP::srmZoom
                                                                      : QCP::srmNone);
  });
  QObject::connect(plot, &QCustomPlot::mouseMove, self, [this](QMouseEvent* event) {
    if (!(event->buttons() & Qt::LeftButton)) return hoverAt(event->pos());
    unhover();
    const bool moves = plot->selectionRectMode() == QCP::srmNone;
    if (moves && (event->pos() - pressed).manhattanLength() > kClickDistance) setZoomed(true);
  });
  QObject::connect(plot, &QCustomPlot::mouseRelease, self, [this](QMouseEvent* event) {
    if ((event->pos() - pressed).manhattanLength() > kClickDistance) return;
    if (const auto step = sampleAt(event->pos())) Q_EMIT self->sampleClicked(*step);
  });
  QObject::connect(plot, &QCustomPlot::mouseDoubleClick, self, [this] { self->resetView(); });
  QObject::connect(plot, &QCustomPlot::mouseWheel, self, [this](QWheelEvent* event) {
    unhover();
    setZoomed(true);
    plot->axisRect()->setRangeZoom(event->modifiers() & Qt::ControlModifier ? Qt::Vertical
                                                                            : Qt::Horizontal);
  });
  QObject::connect(
      plot->selectionRect(), &QCPSelectionRect::accepted, self, [this](const QRect& rect) {
        if (rect.width() > kClickDistance && rect.height() > kClickDistance) setZoomed(true);
        replot();
      });
  plot->installEventFilter(self);
}

std::optional<qint64> LossPlot::Private::sampleAt(const QPoint& place) const {
  std::optional<qint64> nearest;
  double distance = kMarkDistance;
  if (std::abs(place.y() - markAxis->coordToPixel(kSampleHeight)) > kMarkDistance) return nearest;
  for (const QCPGraphData& mark : *samples->data()) {
    const double away = std::abs(plot->xAxis->coordToPixel(mark.key) - place.x());
    if (away > distance) continue;
    distance = away;
    nearest = static_cast<qint64>(mark.key);
  }
  return nearest;
}

void LossPlot::Private::hoverAt(const QPoint& place) {
  const auto sample = sampleAt(place);
  plot->setCursor(sample ? Qt::PointingHandCursor : Qt::ArrowCursor);
  if (!plot->axisRect()->rect().contains(place)) return unhover();
  double last = 0;  // beyond it there is nothing to tell
  eachLine([&](const Run&, std::size_t, QCPGraph* line) {
    last = std::max(last, (line->data()->constEnd() - 1)->key);
  });
  const double step = sample ? static_cast<double>(*sample)
                             : qBound(0.0, std::round(plot->xAxis->pixelToCoord(place.x())), last);
  QString rows;
  eachLine([&](const Run& run, std::size_t i, QCPGraph* line) {
    auto at = line->data()->findBegin(step);
    const auto next = at + 1;
    if (next != line->data()->constEnd() && std::abs(next->key - step) < std::abs(at->key - step))
      at = next;
    rows += QStringLiteral(
                "<tr><td><font color='%1'>■</font> %2</td><td align='right'>&nbsp;%3</td></tr>")
                .arg(line->pen().color().name(),
                     run.label(i).toHtmlEscaped(),
                     QLocale().toString(at->value, 'g', 4));
  });
  if (rows.isEmpty()) return unhover();
  const QString head = LossPlot::tr("step %1").arg(QLocale().toString(static_cast<qint64>(step)));
  const QString hint = sample ? LossPlot::tr("Click to see its samples") : QString();
  hover->setText(QStringLiteral("<b>%1</b>%2<table cellspacing='0'>%3</table>")
                     .arg(head, hint.isEmpty() ? hint : QStringLiteral("<br>") + hint, rows));
  hover->adjustSize();
  const QRect inside = plot->axisRect()->rect();
  const bool left = place.x() > inside.center().x();
  hover->move(left ? place.x() - hover->width() - 12 : place.x() + 12,
              qBound(0, place.y() - hover->height() / 2, plot->height() - hover->height()));
  hover->show();
  cursor->point1->setCoords(step, 0);
  cursor->point2->setCoords(step, 1);
  cursor->setVisible(true);
  plot->layer(QStringLiteral("hover"))->replot();
}

void LossPlot::Private::unhover() {
  if (hover->isHidden()) return;
  hover->hide();
  cursor->setVisible(false);
  plot->layer(QStringLiteral("hover"))->replot();
}

QRectF LossPlot::view() const {
  const QCPRange x = d->plot->xAxis->range(), y = d->plot->yAxis->range();
  return {QPointF(x.lower, y.lower), QPointF(x.upper, y.upper)};
}

void LossPlot::resetView() {
  d->setZoomed(false);
  d->replot();
}

QPoint LossPlot::sampleMark(qint64 step) const {
  return {qRound(d->plot->xAxis->coordToPixel(static_cast<double>(step))),
          qRound(d->markAxis->coordToPixel(kSampleHeight))};
}

QImage LossPlot::picture(const QSize& size) {
  d->unhover();
  d->replotNow();
  d->eachLine([](const Private::Run& run, std::size_t i, QCPGraph* line) {
    line->setName(run.label(i));
    line->addToLegend();
  });
  d->plot->legend->setVisible(d->plot->legend->itemCount() > 0);
  const QImage image = d->plot->toPixmap(size.width(), size.height(), kPictureScale).toImage();
  d->plot->legend->clearItems();
  d->plot->legend->setVisible(false);
  d->replot();
  return image;
}

void LossPlot::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
      return d->zoom(kWheelStep);
    case Qt::Key_Minus:
      return d->zoom(1 / kWheelStep);
    case Qt::Key_Left:
      return d->move(-kPanStep);
    case Qt::Key_Right:
      return d->move(kPanStep);
    case Qt::Key_0:
      return resetView();
    default:
      QWidget::keyPressEvent(event);
  }
}

void LossPlot::focusInEvent(QFocusEvent* event) {
  d->plot->axisRect()->setBackground(QBrush(Palette::colours().window));
  d->replot();
  QWidget::focusInEvent(event);
}

void LossPlot::focusOutEvent(QFocusEvent* event) {
  d->plot->axisRect()->setBackground(QBrush(Qt::NoBrush));
  d->replot();
  QWidget::focusOutEvent(event);
}

bool LossPlot::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() == QEvent::Leave) d->unhover();
  if (event->type() == QEvent::MouseButtonPress) setFocus(Qt::MouseFocusReason);
  return QWidget::eventFilter(watched, event);
}

}  // namespace likeness::ui
