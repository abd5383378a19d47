// Every colour of the window. No other file names a colour.
#pragma once

#include <QColor>
#include <QObject>
#include <array>

class QSettings;

namespace likeness::ui {

enum class Theme { System, Light, Dark, HighContrast };

/// One set of colours; text pairs keep a contrast of 4.5:1 at least (tests/ui checks it).
struct Colours {
  QColor window, surface, sunken, border;  ///< page, card, well behind pictures, hairline
  QColor text, muted;                      ///< body, hint
  QColor accent, onAccent, accentSoft;     ///< the one next action; the subject curve; selection
  QColor classCurve, neutralCurve;         ///< class loss; learning rate
  QColor warning, error, success;
  std::array<QColor, 4> more;  ///< further curves beside each other: noise levels, other runs
  bool dark = false;
};

/// The current theme: sets the application's palette and style sheet, and follows the system.
class Palette : public QObject {
  Q_OBJECT
 public:
  static Palette& instance();
  static const Colours& colours() { return instance().m_colours; }
  static const Colours& set(Theme theme);  ///< Light, Dark or HighContrast

  /// Reads the remembered theme and applies it; call once after the QApplication exists.
  void start(QSettings& settings);
  /// The settings are about to go.
  void forget() { m_settings = nullptr; }
  void setTheme(Theme theme);
  Theme theme() const { return m_theme; }

 Q_SIGNALS:
  void changed();

 private:
  Palette() = default;
  void apply();
  bool systemIsDark() const;

  QSettings* m_settings = nullptr;
  Theme m_theme = Theme::System;
  Colours m_colours = set(Theme::Light);
  bool m_systemDark = false;
};

/// Sizes of text beside the body size.
enum class TextRole { Body, Title, Section, Hint };
void setTextRole(QWidget* widget, TextRole role);

}  // namespace likeness::ui
