#include "ui/widgets/option_form.h"

#include <QCoreApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/option_editors.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr qsizetype kSeenAtOnce = 12;  // fewer options are found without a search

QString sectionTitle(const std::string& section) {
  static const QHash<QString, const char*> titles{
      {"subject", QT_TRANSLATE_NOOP("OptionForm", "Words")},
      {"training", QT_TRANSLATE_NOOP("OptionForm", "Training")},
      {"lora", QT_TRANSLATE_NOOP("OptionForm", "Adapter")},
      {"embedding", QT_TRANSLATE_NOOP("OptionForm", "New word")},
      {"loss", QT_TRANSLATE_NOOP("OptionForm", "Loss and noise")},
      {"data", QT_TRANSLATE_NOOP("OptionForm", "Pictures")},
      {"prior", QT_TRANSLATE_NOOP("OptionForm", "Class pictures")},
      {"optimizer", QT_TRANSLATE_NOOP("OptionForm", "Optimizer")},
      {"memory", QT_TRANSLATE_NOOP("OptionForm", "Memory")},
      {"watch", QT_TRANSLATE_NOOP("OptionForm", "Samples and probe")},
      {"checkpoints", QT_TRANSLATE_NOOP("OptionForm", "Checkpoints")},
      {"compute", QT_TRANSLATE_NOOP("OptionForm", "Computing")},
      {"picture", QT_TRANSLATE_NOOP("OptionForm", "Pictures")},
      {"sampling", QT_TRANSLATE_NOOP("OptionForm", "Sampling")}};
  const auto title = titles.constFind(fromStd(section));
  return title == titles.constEnd() ? fromStd(section)
                                    : QCoreApplication::translate("OptionForm", *title);
}

}  // namespace

OptionForm::OptionForm(const std::vector<OptionField>& options,
                       const QStringList& skip,
                       QWidget* parent)
    : QWidget(parent), m_search(new QLineEdit) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  m_search->setObjectName("optionSearch");
  m_search->setPlaceholderText(tr("Find an option"));
  m_search->setAccessibleName(tr("Find an option"));
  m_search->setClearButtonEnabled(true);
  column->addWidget(m_search);
  connect(m_search, &QLineEdit::textChanged, this, &OptionForm::filter);
  std::vector<OptionField> section;  // in one piece, without what is skipped
  for (const OptionField& field : options) {
    if (skip.contains(fromStd(field.path))) continue;
    if (!section.empty() && section.back().section != field.section) {
      addSection(column, section);
      section.clear();
    }
    section.push_back(field);
  }
  if (!section.empty()) addSection(column, section);
  m_search->setHidden(m_order.size() <= kSeenAtOnce);
}

void OptionForm::addSection(QVBoxLayout* column, const std::vector<OptionField>& fields) {
  auto* box = new QWidget;
  auto* rows = new QVBoxLayout(box);
  rows->setContentsMargins(0, kGrid, 0, 0);
  rows->setSpacing(kGrid);
  rows->addWidget(makeSection(sectionTitle(fields.front().section)));
  QStringList paths;
  for (const OptionField& field : fields) {
    const Row row = makeRow(field);
    rows->addWidget(row.box);
    paths << fromStd(field.path);
    m_rows.insert(paths.last(), row);
  }
  m_order << paths;
  column->addWidget(box);
  m_sections.emplace_back(box, paths);
}

OptionForm::Row OptionForm::makeRow(const OptionField& field) {
  const QString path = fromStd(field.path);
  const api::FieldInfo& info = *field.info;
  const QString label = Texts::option(info.label);
  const QString help = Texts::option(info.help);
  OptionEditor editor =
      makeOptionEditor(info, [this, path](const api::FieldValue& value) { take(path, value); });

  Row row;
  row.show = std::move(editor.show);
  row.editor = editor.widget;
  row.editor->setObjectName(QStringLiteral("option:") + path);
  row.editor->setAccessibleName(label);
  row.editor->setAccessibleDescription(help);
  row.editor->setToolTip(help);
  row.words = QStringList{label, help, path}.join(QLatin1Char(' ')).toLower();
  row.reset = new QToolButton;
  row.reset->setObjectName(QStringLiteral("reset:") + path);
  row.reset->setIcon(icon("reset", Tint::Muted));
  row.reset->setToolTip(tr("Back to the recommended value"));
  row.reset->setAccessibleName(tr("Reset %1").arg(label));
  QSizePolicy keep = row.reset->sizePolicy();
  keep.setRetainSizeWhenHidden(true);
  row.reset->setSizePolicy(keep);
  connect(row.reset, &QToolButton::clicked, this, [this, path] {
    const Row& it = m_rows[path];
    it.show(it.recommended);
    take(path, it.recommended);
  });

  row.box = new QWidget;
  auto* caption = new QLabel(label);
  caption->setWordWrap(true);
  caption->setBuddy(row.editor);
  caption->setToolTip(help);
  const bool wide = info.kind == api::FieldKind::Text || info.kind == api::FieldKind::TextList ||
                    info.kind == api::FieldKind::Path;
  auto* line = new QHBoxLayout;
  line->setSpacing(4);
  line->addWidget(caption, 1);
  if (!wide) line->addWidget(row.editor);
  line->addWidget(row.reset);
  auto* column = new QVBoxLayout(row.box);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(2);
  column->addLayout(line);
  if (wide) column->addWidget(row.editor);
  return row;
}

void OptionForm::take(const QString& path, const api::FieldValue& value) {
  Row& row = m_rows[path];
  if (row.value == value) return;
  row.value = value;
  row.reset->setVisible(!(value == row.recommended));
  Q_EMIT edited(path, value);
}

void OptionForm::setValues(const Values& values, const Values& recommended) {
  for (auto it = m_rows.begin(); it != m_rows.end(); ++it) {
    const std::string path = toStd(it.key());
    it->value = values(path);
    it->recommended = recommended(path);
    it->show(it->value);
    it->reset->setVisible(!(it->value == it->recommended));
  }
}

void OptionForm::setProblems(const std::vector<api::FieldError>& problems) {
  for (auto it = m_rows.begin(); it != m_rows.end(); ++it) {
    const auto problem =
        std::find_if(problems.begin(), problems.end(), [&](const api::FieldError& p) {
          return fromStd(p.path) == it.key();
        });
    const bool bad = problem != problems.end();
    auto* caption = it->box->findChild<QLabel*>();
    if (caption->property("tone").toString().isEmpty() == !bad) continue;
    setTone(caption, bad ? "error" : "");
    caption->setToolTip(bad ? Texts::forError(problem->error).sentence : it->editor->toolTip());
  }
}

void OptionForm::illustrate(const QString& path, QWidget* picture) {
  m_rows[path].box->layout()->addWidget(picture);
}

QStringList OptionForm::paths() const { return m_order; }

void OptionForm::filter(const QString& words) {
  const QStringList wanted = words.toLower().split(QLatin1Char(' '), Qt::SkipEmptyParts);
  for (const auto& [box, paths] : m_sections) {
    bool any = false;
    for (const QString& path : paths) {
      const Row& row = m_rows[path];
      const bool hit = std::all_of(wanted.begin(), wanted.end(), [&](const QString& word) {
        return row.words.contains(word);
      });
      row.box->setVisible(hit);
      any = any || hit;
    }
    box->setVisible(any);
  }
}

}  // namespace likeness::ui
