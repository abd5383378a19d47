#include "ui/widgets/parts.h"

#include <QBoxLayout>
#include <QResizeEvent>
#include <QStyle>

#include "ui/util/palette.h"

namespace likeness::ui {

QFrame* makeCard(QVBoxLayout** layout, QWidget* parent) {
  auto* frame = new QFrame(parent);
  frame->setProperty("card", true);
  *layout = new QVBoxLayout(frame);
  (*layout)->setContentsMargins(12, 12, 12, 12);
  (*layout)->setSpacing(kGrid);
  return frame;
}

QLabel* makeSection(const QString& text, QWidget* parent) {
  auto* label = new QLabel(text, parent);
  setTextRole(label, TextRole::Section);
  return label;
}

QLabel* makeHint(const QString& text, QWidget* parent) {
  auto* label = new QLabel(text, parent);
  setTextRole(label, TextRole::Hint);
  label->setWordWrap(true);
  return label;
}

QLabel* makeSelectable(const QString& text) {
  auto* label = new QLabel(text);
  label->setTextFormat(Qt::PlainText);
  label->setWordWrap(true);
  label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  return label;
}

QString breakable(const QString& text) {
  constexpr int longest = 30;
  QString out;
  int run = 0;
  for (const QChar letter : text) {
    run = letter.isSpace() ? 0 : run + 1;
    if (run > longest && !letter.isLowSurrogate()) {
      out += QChar(0x200b);
      run = 1;
    }
    out += letter;
  }
  return out;
}

QPushButton* makeButton(const char* name, const QString& text, QWidget* parent) {
  auto* button = new QPushButton(text, parent);
  button->setObjectName(QLatin1String(name));
  button->setIconSize({18, 18});
  return button;
}

QPushButton* makePrimary(const char* name, const QString& text, QWidget* parent) {
  QPushButton* button = makeButton(name, text, parent);
  button->setProperty("primary", true);
  return button;
}

void addField(
    QBoxLayout* layout, const QString& label, QWidget* field, const QString& help, int stretch) {
  auto* caption = new QLabel(label);
  setTextRole(caption, TextRole::Hint);
  caption->setBuddy(field);
  field->setAccessibleName(QString(label).remove(QLatin1Char('&')));
  if (!help.isEmpty()) {
    caption->setToolTip(help);
    field->setToolTip(help);
    field->setAccessibleDescription(help);
  }
  auto* column = new QVBoxLayout;
  column->setSpacing(3);
  column->addWidget(caption);
  column->addWidget(field);
  layout->addLayout(column, stretch);
}

QWidget* makeRow(std::initializer_list<QWidget*> widgets, int spacing) {
  auto* row = new QWidget;
  auto* layout = new QHBoxLayout(row);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(spacing);
  for (QWidget* widget : widgets) layout->addWidget(widget, layout->isEmpty() ? 1 : 0);
  return row;
}

void setTone(QWidget* widget, const char* tone) {
  widget->setProperty("tone", QLatin1String(tone));
  widget->style()->unpolish(widget);
  widget->style()->polish(widget);
}

void showInstead(QWidget* shown, QWidget* hidden) {
  const bool focus = hidden->hasFocus();
  shown->show();
  if (focus) shown->setFocus();
  hidden->hide();
}

ElidedLabel::ElidedLabel(const QString& text, QWidget* parent) : QLabel(parent) {
  setTextFormat(Qt::PlainText);
  setFullText(text);
}

void ElidedLabel::setFullText(const QString& text) {
  m_text = text;
  setAccessibleName(text);
  updateGeometry();
  elide();
}

QSize ElidedLabel::minimumSizeHint() const {
  return {std::min(sizeHint().width(), fontMetrics().averageCharWidth() * 6), sizeHint().height()};
}

QSize ElidedLabel::sizeHint() const {
  return {fontMetrics().horizontalAdvance(m_text) + 4, fontMetrics().height() + 4};
}

void ElidedLabel::resizeEvent(QResizeEvent* event) {
  QLabel::resizeEvent(event);
  elide();
}

void ElidedLabel::elide() {
  const QString shown = fontMetrics().elidedText(m_text, Qt::ElideMiddle, width());
  setText(shown);
  setToolTip(shown == m_text ? QString() : m_text);
}

}  // namespace likeness::ui
