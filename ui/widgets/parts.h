// Small pieces that every page is put together from, so that spacing and roles stay the same
// everywhere.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QPushButton>
#include <QString>
#include <initializer_list>

class QBoxLayout;
class QPainter;
class QPainterPath;
class QRect;
class QFormLayout;
class QToolButton;
class QVBoxLayout;

namespace likeness::ui {

constexpr int kGrid = 8;     ///< the page's grid, pixels
constexpr int kMargin = 16;  ///< around a page

/// A framed surface with padding and a vertical layout.
QFrame* makeCard(QVBoxLayout** layout, QWidget* parent = nullptr);
QLabel* makeSection(const QString& text, QWidget* parent = nullptr);
QLabel* makeHint(const QString& text = {}, QWidget* parent = nullptr);
/// Plain text that wraps and can be marked and copied.
QLabel* makeSelectable(const QString& text);
/// The same text with invisible places to break a line in its long words, for labels that wrap: a
/// path or a name of 300 letters would widen the window.
QString breakable(const QString& text);
/// Verb on a button; `name` is the object name that tests and accessibility rely on.
QPushButton* makeButton(const char* name, const QString& text, QWidget* parent = nullptr);
QPushButton* makePrimary(const char* name, const QString& text, QWidget* parent = nullptr);
/// A button that is an icon alone; `words` say what it does, as tooltip and to screen readers.
QToolButton* makeTool(const char* name, const char* iconName, const QString& words);
/// Label above its field, both known to screen readers as belonging together.
void addField(QBoxLayout* layout,
              const QString& label,
              QWidget* field,
              const QString& help = {},
              int stretch = 0);
/// Widgets beside each other without margins, as one field; the first takes the room.
QWidget* makeRow(std::initializer_list<QWidget*> widgets, int spacing);
/// The sunken ground that a picture lies in; smooth drawing is on afterwards. Its outline.
QPainterPath paintWell(QPainter& painter, const QRect& rect);
/// Colours a label by what it says: "", "warning", "error", "success".
void setTone(QWidget* widget, const char* tone);

/// Shows one of two that stand for each other (Train, Stop) and keeps the keyboard's place.
void showInstead(QWidget* shown, QWidget* hidden);

/// One line that gives way: cuts its text in the middle and shows all of it as tooltip.
class ElidedLabel : public QLabel {
  Q_OBJECT
 public:
  explicit ElidedLabel(const QString& text = {}, QWidget* parent = nullptr);
  void setFullText(const QString& text);
  QString fullText() const { return m_text; }
  QSize minimumSizeHint() const override;
  QSize sizeHint() const override;

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  void elide();
  QString m_text;
};

/// A heading that opens and closes what belongs to it; closed, it says in a few words what is set
/// there.
class Fold : public QWidget {
  Q_OBJECT
 public:
  /// `name` is the object name of the heading; NAMESummary is that of the words beside it.
  Fold(const char* name, const QString& title, QWidget* content, QWidget* parent = nullptr);
  void setOpen(bool open);
  /// Empty = nothing is set.
  void setSummary(const QString& text);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void reveal(bool open);
  void scrollTo();
  QToolButton* m_heading;
  ElidedLabel* m_summary;
  QWidget* m_content;
};

}  // namespace likeness::ui
