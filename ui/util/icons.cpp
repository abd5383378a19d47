#include "ui/util/icons.h"

#include <QFile>
#include <QIconEngine>
#include <QPainter>
#include <QSvgRenderer>

#include "ui/util/palette.h"

namespace likeness::ui {
namespace {

QColor colourOf(Tint tint) {
  const Colours& c = Palette::colours();
  switch (tint) {
    case Tint::Text:
      return c.text;
    case Tint::Muted:
      return c.muted;
    case Tint::Accent:
      return c.accent;
    case Tint::OnAccent:
      return c.onAccent;
    case Tint::Warning:
      return c.warning;
    case Tint::Error:
      return c.error;
    case Tint::Success:
      return c.success;
  }
  return c.text;
}

class TintedEngine : public QIconEngine {
 public:
  TintedEngine(QByteArray svg, Tint tint) : m_svg(std::move(svg)), m_tint(tint) {}

  void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State) override {
    QByteArray svg = m_svg;
    const Tint tint = mode == QIcon::Disabled ? Tint::Muted : m_tint;
    svg.replace("currentColor", colourOf(tint).name().toLatin1());
    QSvgRenderer renderer(svg);
    painter->save();
    if (mode == QIcon::Disabled) painter->setOpacity(painter->opacity() * 0.6);
    renderer.render(painter, rect);
    painter->restore();
  }
  QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override {
    if (size.isEmpty()) return {};  // of a button that has no place yet
    QPixmap pixmap(size);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    paint(&painter, QRect(QPoint(), size), mode, state);
    return pixmap;
  }
  QIconEngine* clone() const override { return new TintedEngine(m_svg, m_tint); }

 private:
  QByteArray m_svg;
  Tint m_tint;
};

}  // namespace

QIcon icon(const char* name, Tint tint) {
  QFile file(QStringLiteral(":/icons/%1.svg").arg(QLatin1String(name)));
  if (!file.open(QIODevice::ReadOnly)) return {};
  return QIcon(new TintedEngine(file.readAll(), tint));
}

}  // namespace likeness::ui
