#include "ui/util/palette.h"

#include <QApplication>
#include <QFile>
#include <QPalette>
#include <QSettings>
#include <QStyle>
#include <QStyleFactory>
#include <QStyleHints>
#include <QWidget>
#include <utility>

namespace likeness::ui {
namespace {

Colours lightColours() {
  Colours c;
  c.window = 0xf3f3f1U, c.surface = 0xfdfdfcU, c.sunken = 0xe6e6e3U, c.border = 0xd2d2ceU;
  c.text = 0x1f1f1dU, c.muted = 0x5d5d59U;
  c.accent = 0xb0451aU, c.onAccent = 0xffffffU, c.accentSoft = 0xf5e2d8U;
  c.classCurve = 0x54708aU, c.neutralCurve = 0x8a8a86U;
  c.warning = 0x855400U, c.error = 0xb3261eU, c.success = 0x2b6a39U;
  c.more = {0x257480U, 0x6b57b8U, 0x786b00U, 0xa0397aU};
  return c;
}

Colours darkColours() {
  Colours c;
  c.window = 0x1c1c1dU, c.surface = 0x262628U, c.sunken = 0x161617U, c.border = 0x3c3c40U;
  c.text = 0xeaeae8U, c.muted = 0xa6a6a3U;
  c.accent = 0xf0905fU, c.onAccent = 0x1c1c1dU, c.accentSoft = 0x46332aU;
  c.classCurve = 0x93abc0U, c.neutralCurve = 0x7c7c78U;
  c.warning = 0xe2b34aU, c.error = 0xff8f85U, c.success = 0x80c68dU;
  c.more = {0x6cc5d4U, 0xb0a2f0U, 0xcdbf55U, 0xe58cc4U};
  c.dark = true;
  return c;
}

Colours highContrastColours() {
  Colours c;
  c.window = 0x000000U, c.surface = 0x000000U, c.sunken = 0x000000U, c.border = 0xffffffU;
  c.text = 0xffffffU, c.muted = 0xe8e8e8U;
  c.accent = 0xffd800U, c.onAccent = 0x000000U, c.accentSoft = 0x3d3500U;
  c.classCurve = 0x7fd4ffU, c.neutralCurve = 0xbdbdbdU;
  c.warning = 0xffd800U, c.error = 0xffa29aU, c.success = 0x8cf09cU;
  c.more = {0x66ffffU, 0xc8b6ffU, 0xffff99U, 0xff9be0U};
  c.dark = true;
  return c;
}

QString styleSheet(const Colours& c) {
  QFile file(QStringLiteral(":/styles/likeness.qss"));
  if (!file.open(QIODevice::ReadOnly)) return {};
  QString sheet = QString::fromUtf8(file.readAll());
  // Longer names first, so that @accentSoft is not taken for @accent.
  const std::pair<const char*, QColor> names[] = {{"@accentSoft", c.accentSoft},
                                                  {"@onAccent", c.onAccent},
                                                  {"@accent", c.accent},
                                                  {"@window", c.window},
                                                  {"@surface", c.surface},
                                                  {"@sunken", c.sunken},
                                                  {"@border", c.border},
                                                  {"@text", c.text},
                                                  {"@muted", c.muted},
                                                  {"@warning", c.warning},
                                                  {"@error", c.error},
                                                  {"@success", c.success}};
  for (const auto& [name, colour] : names) sheet.replace(QLatin1String(name), colour.name());
  // The style sheet cannot tint a picture: the tick on the accent comes in two.
  return sheet.replace(QLatin1String("@tick"), QLatin1String(c.dark ? "tick-dark" : "tick-light"));
}

QPalette qtPalette(const Colours& c) {
  QPalette p;
  p.setColor(QPalette::Window, c.window);
  p.setColor(QPalette::WindowText, c.text);
  p.setColor(QPalette::Base, c.surface);
  p.setColor(QPalette::AlternateBase, c.sunken);
  p.setColor(QPalette::Text, c.text);
  p.setColor(QPalette::PlaceholderText, c.muted);
  p.setColor(QPalette::Button, c.surface);
  p.setColor(QPalette::ButtonText, c.text);
  p.setColor(QPalette::BrightText, c.error);
  p.setColor(QPalette::Highlight, c.accent);
  p.setColor(QPalette::HighlightedText, c.onAccent);
  p.setColor(QPalette::Link, c.accent);
  p.setColor(QPalette::LinkVisited, c.accent);
  p.setColor(QPalette::ToolTipBase, c.surface);
  p.setColor(QPalette::ToolTipText, c.text);
  p.setColor(QPalette::Light, c.surface);
  p.setColor(QPalette::Midlight, c.border);
  p.setColor(QPalette::Mid, c.border);
  p.setColor(QPalette::Dark, c.border);
  p.setColor(QPalette::Shadow, c.sunken);
  for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) {
    QColor faint = c.muted;
    faint.setAlphaF(0.55F);
    p.setColor(QPalette::Disabled, role, faint);
  }
  p.setColor(QPalette::Disabled, QPalette::Highlight, c.border);
  return p;
}

}  // namespace

Palette& Palette::instance() {
  static Palette palette;
  return palette;
}

const Colours& Palette::set(Theme theme) {
  static const Colours light = lightColours(), dark = darkColours(), high = highContrastColours();
  return theme == Theme::Dark ? dark : theme == Theme::HighContrast ? high : light;
}

bool Palette::systemIsDark() const {
#if QT_VERSION >= QT_VERSION_CHECK(6, 5, 0)
  return QGuiApplication::styleHints()->colorScheme() == Qt::ColorScheme::Dark;
#else
  return m_systemDark;
#endif
}

void Palette::start(QSettings& settings) {
  m_settings = &settings;
  // Before Qt 6.5 the platform theme's own palette tells, so look before it is replaced.
  const QPalette system = QGuiApplication::palette();
  m_systemDark =
      system.color(QPalette::Window).lightness() < system.color(QPalette::WindowText).lightness();
#if QT_VERSION >= QT_VERSION_CHECK(6, 5, 0)
  connect(QGuiApplication::styleHints(), &QStyleHints::colorSchemeChanged, this, &Palette::apply);
#endif
  QApplication::setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
  m_theme = static_cast<Theme>(qBound(0, settings.value("theme", 0).toInt(), 3));
  apply();
}

void Palette::setTheme(Theme theme) {
  m_theme = theme;
  if (m_settings) m_settings->setValue("theme", static_cast<int>(theme));
  apply();
}

void Palette::apply() {
  m_colours =
      set(m_theme == Theme::System ? (systemIsDark() ? Theme::Dark : Theme::Light) : m_theme);
  QApplication::setPalette(qtPalette(m_colours));
  qApp->setStyleSheet(styleSheet(m_colours));
  Q_EMIT changed();
}

void setTextRole(QWidget* widget, TextRole role) {
  QFont font = QApplication::font();
  const double size = font.pointSizeF();
  if (role == TextRole::Title) font.setPointSizeF(size * 1.4);
  if (role == TextRole::Section || role == TextRole::Title) font.setWeight(QFont::DemiBold);
  if (role == TextRole::Hint) font.setPointSizeF(size * 0.92);
  widget->setFont(font);
  widget->setProperty("hint", role == TextRole::Hint);
}

}  // namespace likeness::ui
