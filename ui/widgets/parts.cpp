#include "ui/widgets/parts.h"

#include <QBoxLayout>
#include <QPainter>
#include <QPainterPath>
#include <QResizeEvent>
#include <QScrollArea>
#include <QStyle>
#include <QTimer>
#include <QToolButton>

#include "ui/util/icons.h"
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

QToolButton* makeTool(const char* name, const char* iconName, const QString& words) {
  auto* button = new QToolButton;
  button->setObjectName(QLatin1String(name));
  button->setIcon(icon(iconName));
  button->setToolTip(words);
  button->setAccessibleName(words);
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

QPainterPath paintWell(QPainter& painter, const QRect& rect) {
  painter.setRenderHint(QPainter::Antialiasing);
  painter.setRenderHint(QPainter::SmoothPixmapTransform);
  QPainterPath well;
  well.addRoundedRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6);
  painter.fillPath(well, Palette::colours().sunken);
  return well;
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

Fold::Fold(const char* name, const QString& title, QWidget* content, QWidget* parent)
    : QWidget(parent), m_heading(new QToolButton), m_summary(new ElidedLabel), m_content(content) {
  m_heading->setObjectName(QLatin1String(name));
  m_heading->setCheckable(true);
  m_heading->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  m_heading->setText(title);
  m_heading->setProperty("fold", true);
  m_summary->setObjectName(QLatin1String(name) + QLatin1String("Summary"));
  setTextRole(m_summary, TextRole::Hint);
  auto* row = new QHBoxLayout;
  row->setSpacing(kGrid);
  row->addWidget(m_heading, 0, Qt::AlignLeft);
  row->addWidget(m_summary, 1);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  column->addLayout(row);
  column->addWidget(m_content);
  connect(m_heading, &QToolButton::toggled, this, &Fold::reveal);
  m_content->installEventFilter(this);
  reveal(false);
}

void Fold::setOpen(bool open) { m_heading->setChecked(open); }

void Fold::setSummary(const QString& text) {
  m_summary->setFullText(text);
  m_heading->setAccessibleDescription(text);
}

void Fold::reveal(bool open) {
  m_heading->setIcon(icon(open ? "chevron-down" : "chevron-right"));
  m_content->setVisible(open);
  m_summary->setVisible(!open);
}

bool Fold::eventFilter(QObject* watched, QEvent* event) {
  // Opened, or with more in it than before: seen, as soon as all of it has its place.
  if (event->type() == QEvent::Resize) {
    const auto* resize = static_cast<QResizeEvent*>(event);
    if (resize->size().height() > resize->oldSize().height())
      QTimer::singleShot(0, this, &Fold::scrollTo);
  }
  return QWidget::eventFilter(watched, event);
}

void Fold::scrollTo() {
  QWidget* around = parentWidget();
  while (around && !qobject_cast<QScrollArea*>(around)) around = around->parentWidget();
  auto* scroll = qobject_cast<QScrollArea*>(around);
  if (!scroll || !m_content->isVisible()) return;
  scroll->ensureWidgetVisible(m_content, 0, kGrid);
  scroll->ensureWidgetVisible(m_heading, 0, kGrid);  // of a long content its beginning
}

}  // namespace likeness::ui
