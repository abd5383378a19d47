#include "ui/widgets/mask_painter.h"

#include <QBuffer>
#include <QContextMenuEvent>
#include <QCryptographicHash>
#include <QDir>
#include <QHBoxLayout>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QSaveFile>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/value_slider.h"

namespace likeness::ui {

namespace {
constexpr double kFirstBrush = 12, kLargestBrush = 100;  // percent of the picture's shorter side
constexpr std::size_t kMostUndone = 40;
constexpr int kHalfWhite = 128;  // from here on a pixel is drawn anew
constexpr double kVeil = 0.6;    // opacity
}  // namespace

QImage veiled(const QImage& picture, const QImage& mask) {
  QImage result = picture.convertToFormat(QImage::Format_ARGB32_Premultiplied);
  if (mask.isNull()) return result;
  QImage veil(result.size(), QImage::Format_ARGB32_Premultiplied);
  veil.fill(Palette::colours().accent);
  QImage where = mask.convertToFormat(QImage::Format_Grayscale8);
  where.reinterpretAsFormat(QImage::Format_Alpha8);
  QPainter cut(&veil);
  cut.setCompositionMode(QPainter::CompositionMode_DestinationIn);
  cut.drawImage(0, 0, where);
  cut.end();
  QPainter painter(&result);
  painter.setOpacity(kVeil);
  painter.drawImage(0, 0, veil);
  return result;
}

/// The picture under its veil, and the brush.
class MaskCanvas : public QWidget {
 public:
  MaskCanvas() {
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setCursor(Qt::CrossCursor);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    setMinimumSize(120, 120);
    connect(&Palette::instance(), &Palette::changed, this, [this] { showMask(); });
  }
  std::function<void()> changed;

  void begin(const QImage& picture, const QImage& mask) {
    m_picture = picture.convertToFormat(QImage::Format_ARGB32_Premultiplied);
    m_mask = mask.isNull()
                 ? QImage(picture.size(), QImage::Format_Grayscale8)
                 : mask.convertToFormat(QImage::Format_Grayscale8)
                       .scaled(picture.size(), Qt::IgnoreAspectRatio, Qt::SmoothTransformation)
                       .convertToFormat(QImage::Format_Grayscale8);
    if (mask.isNull()) m_mask.fill(0);
    m_before.clear();
    m_brushAt = QPointF(picture.width() / 2.0, picture.height() / 2.0);
    m_stroke = Stroke::None;
    showMask();
  }
  void setBrush(double percent) {
    m_brush = percent;
    update();
  }
  void setErasing(bool erasing) { m_erasing = erasing; }
  const QImage& mask() const { return m_mask; }
  bool canUndo() const { return !m_before.empty(); }
  bool isPainted() const {
    for (int y = 0; y < m_mask.height(); ++y) {
      const uchar* line = m_mask.constScanLine(y);
      if (std::any_of(line, line + m_mask.width(), [](uchar grey) { return grey >= kHalfWhite; }))
        return true;
    }
    return false;
  }
  void undo() {
    if (m_before.empty()) return;
    m_mask = m_before.back();
    m_before.pop_back();
    showMask();
  }
  void clear() {
    remember();
    m_mask.fill(0);
    showMask();
  }

 protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    const Colours& c = Palette::colours();
    painter.setClipPath(paintWell(painter, rect()));
    painter.drawImage(target(), m_shown);
    if (!m_ring && !hasFocus()) return;
    // Two rings, one of which is seen on any ground.
    const double radius = diameter() / 2 * scale();
    const QPointF centre = target().topLeft() + m_brushAt * scale();
    painter.setPen(QPen(c.surface, 3));
    painter.drawEllipse(centre, radius, radius);
    painter.setPen(QPen(c.text, 1));
    painter.drawEllipse(centre, radius, radius);
  }
  void mousePressEvent(QMouseEvent* event) override {
    if (event->button() != Qt::LeftButton && event->button() != Qt::RightButton) return;
    m_brushAt = toPicture(event->position());
    start(event->button() == Qt::RightButton || m_erasing ? Stroke::Erase : Stroke::Paint);
  }
  void mouseMoveEvent(QMouseEvent* event) override {
    m_ring = true;
    moveTo(toPicture(event->position()));
  }
  void mouseReleaseEvent(QMouseEvent*) override { m_stroke = Stroke::None; }
  void leaveEvent(QEvent*) override {
    m_ring = false;
    update();
  }
  void contextMenuEvent(QContextMenuEvent* event) override { event->accept(); }
  void keyPressEvent(QKeyEvent* event) override {
    const double step = event->modifiers() & Qt::ShiftModifier ? 1 : std::max(1.0, diameter() / 4);
    switch (event->key()) {
      case Qt::Key_Left:
        return moveBy({-step, 0});
      case Qt::Key_Right:
        return moveBy({step, 0});
      case Qt::Key_Up:
        return moveBy({0, -step});
      case Qt::Key_Down:
        return moveBy({0, step});
      case Qt::Key_Space:
        if (!event->isAutoRepeat()) start(m_erasing ? Stroke::Erase : Stroke::Paint);
        return;
      default:
        event->ignore();  // the painter around it has the rest
    }
  }
  void keyReleaseEvent(QKeyEvent* event) override {
    if (event->key() == Qt::Key_Space && !event->isAutoRepeat()) m_stroke = Stroke::None;
  }
  void focusInEvent(QFocusEvent*) override { update(); }
  void focusOutEvent(QFocusEvent*) override {
    m_stroke = Stroke::None;
    update();
  }

 private:
  enum class Stroke { None, Paint, Erase };

  double scale() const {
    return m_picture.isNull() ? 1
                              : std::min((width() - 16.0) / m_picture.width(),
                                         (height() - 16.0) / m_picture.height());
  }
  QRectF target() const {
    const QSizeF size = QSizeF(m_picture.size()) * scale();
    return {QPointF((width() - size.width()) / 2, (height() - size.height()) / 2), size};
  }
  QPointF toPicture(QPointF point) const { return (point - target().topLeft()) / scale(); }
  /// Of the brush, in pixels of the picture.
  double diameter() const {
    return std::max(1.0, m_brush / 100 * std::min(m_picture.width(), m_picture.height()));
  }

  void remember() {
    if (m_before.size() == kMostUndone) m_before.erase(m_before.begin());
    m_before.push_back(m_mask);
  }
  void start(Stroke stroke) {
    remember();
    m_stroke = stroke;
    draw(m_brushAt, m_brushAt);
  }
  /// By keys, which do not lead out of the picture.
  void moveBy(QPointF step) {
    const QPointF to = m_brushAt + step;
    moveTo({std::clamp<double>(to.x(), 0, m_picture.width()),
            std::clamp<double>(to.y(), 0, m_picture.height())});
  }
  void moveTo(QPointF to) {
    const QPointF from = std::exchange(m_brushAt, to);
    if (m_stroke != Stroke::None) draw(from, to);
    update();
  }
  void draw(QPointF from, QPointF to) {
    QPainter painter(&m_mask);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(m_stroke == Stroke::Paint ? Qt::white : Qt::black,
                        diameter(),
                        Qt::SolidLine,
                        Qt::RoundCap));
    if (from == to)
      painter.drawPoint(from);
    else
      painter.drawLine(from, to);
    painter.end();
    showMask();
  }
  void showMask() {
    if (m_picture.isNull()) return;
    m_shown = veiled(m_picture, m_mask);
    update();
    if (changed) changed();
  }

  QImage m_picture, m_mask, m_shown;
  std::vector<QImage> m_before;  ///< what undo leads back to, latest last
  QPointF m_brushAt;             ///< in pixels of the picture
  double m_brush = kFirstBrush;
  bool m_erasing = false;
  bool m_ring = false;  ///< the mouse is over it
  Stroke m_stroke = Stroke::None;
};

MaskPainter::MaskPainter(QWidget* parent)
    : QWidget(parent),
      m_canvas(new MaskCanvas),
      m_brush(new ValueSlider("brush", 1, kLargestBrush, 1, 50)),
      m_erase(makeTool("maskErase", "erase", tr("Erase (E, or the right mouse button)"))),
      m_undo(makeButton("maskUndo", tr("Undo"))),
      m_clear(makeButton("maskClear", tr("Clear"))),
      m_done(makePrimary("maskDone", tr("Done"))) {
  m_canvas->setObjectName("maskCanvas");
  m_canvas->setAccessibleName(tr("Mask"));
  m_canvas->setAccessibleDescription(
      tr("Arrow keys move the brush, Space paints, E erases, [ and ] change the brush, Escape is "
         "done."));
  m_brush->setAccessibleTexts(tr("Brush"), tr("Size of the brush ([ and ])"));
  m_brush->setValue(kFirstBrush);
  m_erase->setCheckable(true);
  m_undo->setIcon(icon("undo"));
  m_undo->setToolTip(tr("Take the last stroke back (Ctrl+Z)"));
  m_done->setToolTip(tr("Keep the mask (Escape)"));
  auto* hint = makeHint(tr("Paint over what shall be drawn anew."));
  auto* tools = new QHBoxLayout;
  tools->setSpacing(kGrid);
  auto* caption = makeHint(tr("Brush"));
  caption->setWordWrap(false);
  tools->addWidget(caption);
  tools->addWidget(m_brush, 1);
  for (QWidget* widget : {static_cast<QWidget*>(m_erase),
                          static_cast<QWidget*>(m_undo),
                          static_cast<QWidget*>(m_clear),
                          static_cast<QWidget*>(m_done)})
    tools->addWidget(widget);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  column->addWidget(hint);
  column->addWidget(m_canvas, 1);
  column->addLayout(tools);

  m_canvas->changed = [this] { showState(); };
  connect(m_brush, &ValueSlider::edited, this, [this](double value) { m_canvas->setBrush(value); });
  connect(m_erase, &QToolButton::toggled, this, [this](bool on) { m_canvas->setErasing(on); });
  connect(m_undo, &QPushButton::clicked, this, [this] { m_canvas->undo(); });
  connect(m_clear, &QPushButton::clicked, this, [this] { m_canvas->clear(); });
  connect(m_done, &QPushButton::clicked, this, &MaskPainter::done);
  setFocusProxy(m_canvas);
  showState();
}

void MaskPainter::begin(const QImage& picture, const QImage& mask) {
  m_erase->setChecked(false);
  m_canvas->begin(picture, mask);
}

void MaskPainter::showState() {
  m_undo->setEnabled(m_canvas->canUndo());
  m_clear->setEnabled(m_canvas->isPainted());
}

void MaskPainter::keyPressEvent(QKeyEvent* event) {
  if (event->matches(QKeySequence::Undo)) return m_canvas->undo();
  const double step = event->key() == Qt::Key_BracketLeft ? -2 : 2;
  switch (event->key()) {
    case Qt::Key_BracketLeft:
    case Qt::Key_BracketRight:
      m_brush->setValue(std::clamp(m_brush->value() + step, 1.0, kLargestBrush));
      return m_canvas->setBrush(m_brush->value());
    case Qt::Key_E:
      return m_erase->toggle();
    case Qt::Key_Escape:
      return Q_EMIT done();
    default:
      QWidget::keyPressEvent(event);
  }
}

QImage MaskPainter::mask() const { return m_canvas->isPainted() ? m_canvas->mask() : QImage(); }

api::Result<QString> MaskPainter::save(const QString& folder) const {
  const QImage image = mask();
  if (image.isNull()) return QString();
  QByteArray png;
  QBuffer buffer(&png);
  buffer.open(QIODevice::WriteOnly);
  image.save(&buffer, "PNG");
  const QByteArray hash = QCryptographicHash::hash(png, QCryptographicHash::Sha256).toHex();
  const QString path =
      QDir(folder).filePath(QStringLiteral("mask-%1.png").arg(QLatin1String(hash.left(12))));
  QSaveFile file(path);
  if (!QDir().mkpath(folder) || !file.open(QIODevice::WriteOnly) || file.write(png) != png.size() ||
      !file.commit())
    return api::fail(api::ErrorCode::FileUnwritable,
                     {{"file", toStd(path)}, {"reason", "the system refused"}},
                     toStd(file.errorString()));
  return path;
}

}  // namespace likeness::ui
