#include "ui/pages/axis_panel.h"

#include <QComboBox>
#include <QLineEdit>
#include <QListWidget>
#include <QLocale>
#include <QPlainTextEdit>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <utility>

#include "ui/util/convert.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kLines = 5;  // of a list or of prompts, shown at once

bool hasNumbers(api::Axis axis) {
  return axis == api::Axis::Guidance || axis == api::Axis::Strength || axis == api::Axis::Seed;
}

template <class T>
void addOnce(AxisPanel::Values& values, T value, const QString& caption) {
  const api::AxisValue added(std::move(value));
  if (std::ranges::find(values.axis.values, added) != values.axis.values.end()) return;
  values.axis.values.push_back(added);
  values.captions << caption;
}

}  // namespace

AxisPanel::AxisPanel(const char* name,
                     const QString& title,
                     CompareChoices& choices,
                     api::Axis axis,
                     QWidget* parent)
    : QWidget(parent),
      m_choices(choices),
      m_axis(axis),
      m_kind(new QComboBox),
      m_weights(new QListWidget),
      m_numbers(new QLineEdit),
      m_prompts(new QPlainTextEdit) {
  const auto named = [name](QWidget* widget, const char* part, const QString& words) {
    widget->setObjectName(QLatin1String(name) + QLatin1String(part));
    widget->setAccessibleName(words);
  };
  for (const auto& [kind, text] : {std::pair(api::Axis::Checkpoint, tr("Checkpoint")),
                                   std::pair(api::Axis::Guidance, tr("Guidance")),
                                   std::pair(api::Axis::Prompt, tr("Prompt")),
                                   std::pair(api::Axis::Strength, tr("LoRA strength")),
                                   std::pair(api::Axis::Seed, tr("Seed"))})
    m_kind->addItem(text, static_cast<int>(kind));
  setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  addField(column, title, m_kind);
  named(m_kind, "Axis", title);
  named(m_weights, "Checkpoints", tr("%1: checkpoints").arg(title));
  named(m_numbers, "Numbers", tr("%1: values").arg(title));
  named(m_prompts, "Prompts", tr("%1: prompts").arg(title));
  m_weights->setProperty("field", true);
  m_weights->setTextElideMode(Qt::ElideMiddle);
  m_weights->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  m_prompts->setPlaceholderText(tr("A prompt on each line"));
  m_prompts->setTabChangesFocus(true);
  for (QWidget* list : {static_cast<QWidget*>(m_weights), static_cast<QWidget*>(m_prompts)})
    list->setFixedHeight(list->fontMetrics().lineSpacing() * kLines + 22);
  for (QWidget* editor : {static_cast<QWidget*>(m_weights),
                          static_cast<QWidget*>(m_numbers),
                          static_cast<QWidget*>(m_prompts)})
    column->addWidget(editor);

  connect(m_kind, &QComboBox::currentIndexChanged, this, [this] {
    const api::Axis before = std::exchange(m_axis, this->axis());
    showEditor();
    Q_EMIT axisChosen(before);
    Q_EMIT changed();
  });
  connect(m_weights, &QListWidget::itemChanged, this, [this](const QListWidgetItem* item) {
    m_choices.weights[static_cast<std::size_t>(m_weights->row(item))].chosen =
        item->checkState() == Qt::Checked;
    Q_EMIT changed();
  });
  connect(m_numbers, &QLineEdit::textChanged, this, [this](const QString& text) {
    m_choices.text(m_axis) = text;
    Q_EMIT changed();
  });
  connect(m_prompts, &QPlainTextEdit::textChanged, this, [this] {
    m_choices.prompts = m_prompts->toPlainText();
    Q_EMIT changed();
  });
  setAxis(axis);
}

api::Axis AxisPanel::axis() const { return static_cast<api::Axis>(m_kind->currentData().toInt()); }

void AxisPanel::setAxis(api::Axis axis) {
  const QSignalBlocker quiet(m_kind);
  m_kind->setCurrentIndex(m_kind->findData(static_cast<int>(axis)));
  m_axis = axis;
  showEditor();
}

void AxisPanel::refresh() { showEditor(); }

void AxisPanel::showEditor() {
  const QSignalBlocker weights(m_weights), numbers(m_numbers), prompts(m_prompts);
  m_weights->setVisible(m_axis == api::Axis::Checkpoint);
  m_numbers->setVisible(hasNumbers(m_axis));
  m_prompts->setVisible(m_axis == api::Axis::Prompt);
  const int row = m_weights->currentRow();
  m_weights->clear();
  for (const CompareWeights& choice : m_choices.weights) {
    auto* item = new QListWidgetItem(choice.label, m_weights);
    item->setToolTip(choice.label);
    item->setFlags(Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemIsUserCheckable);
    item->setCheckState(choice.chosen ? Qt::Checked : Qt::Unchecked);
  }
  m_weights->setCurrentRow(std::min(std::max(row, 0), m_weights->count() - 1));
  if (hasNumbers(m_axis)) m_numbers->setText(m_choices.text(m_axis));
  m_numbers->setToolTip(tr("Numbers with commas between them."));
  m_prompts->setPlainText(m_choices.prompts);
}

AxisPanel::Values AxisPanel::values(const api::SubjectOptions& subject) const {
  Values values{{m_axis, {}}, {}, {}};
  if (m_axis == api::Axis::Checkpoint) {
    for (const CompareWeights& choice : m_choices.weights)
      if (choice.chosen) addOnce(values, choice.weights, choice.label);
    if (values.captions.isEmpty()) values.problem = tr("Tick at least one checkpoint.");
  } else if (m_axis == api::Axis::Prompt) {
    for (const QString& line : m_choices.prompts.split(QLatin1Char('\n'))) {
      const std::string prompt = toStd(line.trimmed());
      if (!prompt.empty()) addOnce(values, prompt, fromStd(api::renderPrompt(prompt, subject)));
    }
    if (values.captions.isEmpty()) values.problem = tr("Write at least one prompt.");
  } else {
    const std::optional<std::vector<double>> numbers = readNumbers(m_choices.text(m_axis));
    for (const double number : numbers.value_or(std::vector<double>{})) {
      const QString text = QLocale().toString(number, 'g', 12);
      if (m_axis == api::Axis::Guidance)
        addOnce(values, number, tr("guidance %1").arg(text));
      else if (m_axis == api::Axis::Strength)
        addOnce(values, number, tr("strength %1").arg(text));
      else
        addOnce(values, static_cast<std::int64_t>(number), tr("seed %1").arg(text));
    }
    if (m_axis == api::Axis::Seed && numbers && std::ranges::any_of(*numbers, [](double seed) {
          return seed < 0 || seed != std::floor(seed);
        }))
      values.problem = tr("Seeds are whole numbers from 0 on.");
    if (!numbers || values.captions.isEmpty())
      values.problem =
          tr("“%1” is no list of numbers such as 2, 4, 7.5.").arg(m_choices.text(m_axis));
  }
  return values;
}

}  // namespace likeness::ui
