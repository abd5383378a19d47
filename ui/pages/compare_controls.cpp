#include "ui/pages/compare_controls.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QPushButton>
#include <QSpinBox>
#include <algorithm>

#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/texts.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr qsizetype kMostCells = 200;
constexpr int kMostSeed = 999'999'999;
constexpr int kMostPerCell = 4;

}  // namespace

CompareControls::CompareControls(ProjectModel& project,
                                 TrainingModel& training,
                                 Common common,
                                 QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_training(training),
      m_common(std::move(common)),
      m_rows(new AxisPanel("compareRows", tr("Rows"), m_choices, api::Axis::Checkpoint)),
      m_columns(new AxisPanel("compareColumns", tr("Columns"), m_choices, api::Axis::Guidance)),
      m_seed(new QSpinBox),
      m_pictures(new QSpinBox),
      m_rough(new QCheckBox(tr("A rough look of all first"))),
      m_rest(makeHint()) {
  setObjectName("scrolled");
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(12, 12, 12, 12);
  column->setSpacing(kGrid);
  column->addWidget(m_rows);
  column->addSpacing(kGrid);
  column->addWidget(m_columns);
  column->addSpacing(kGrid);
  addRest(column);
  column->addStretch();
  connectFields();
}

void CompareControls::addRest(QVBoxLayout* layout) {
  m_seed->setObjectName("compareSeed");
  m_seed->setRange(0, kMostSeed);
  m_seed->setValue(1);
  m_pictures->setObjectName("comparePictures");
  m_pictures->setRange(1, kMostPerCell);
  m_rough->setObjectName("compareRough");
  m_rough->setChecked(true);
  m_rough->setToolTip(
      tr("All cells in few steps before the first one is finished. Shows sooner "
         "what is worth waiting for, and takes about a third longer."));
  auto* numbers = new QHBoxLayout;
  numbers->setSpacing(kGrid);
  addField(numbers, tr("Seed"), m_seed, tr("The same in every cell."), 1);
  addField(numbers,
           tr("Pictures per cell"),
           m_pictures,
           tr("Each with the next seed, the same ones in every cell."),
           1);
  layout->addLayout(numbers);
  layout->addWidget(m_rough);
  m_rest->setObjectName("compareRest");
  m_rest->setTextFormat(Qt::PlainText);
  layout->addWidget(m_rest);
  auto* change = makeButton("compareChange", tr("Change that in Create"));
  change->setProperty("flat", true);
  change->setIcon(icon("create"));
  layout->addWidget(change, 0, Qt::AlignLeft);
  connect(change, &QPushButton::clicked, this, &CompareControls::createRequested);
}

void CompareControls::connectFields() {
  for (const auto& [panel, other] : {std::pair(m_rows, m_columns), std::pair(m_columns, m_rows)}) {
    // Rows and columns differ: what the other one had is given in exchange.
    connect(panel, &AxisPanel::axisChosen, this, [panel = panel, other = other](api::Axis before) {
      if (other->axis() == panel->axis()) other->setAxis(before);
    });
    connect(panel, &AxisPanel::changed, this, &CompareControls::changed);
  }
  for (QSpinBox* spin : {m_seed, m_pictures})
    connect(spin, &QSpinBox::valueChanged, this, &CompareControls::changed);
  connect(&m_training, &TrainingModel::runsChanged, this, &CompareControls::refresh);
  connect(&m_project, &ProjectModel::recipeChanged, this, &CompareControls::refresh);
}

void CompareControls::reset() {
  m_choices = {{},
               QStringLiteral("2, 4, 7, 10"),
               QStringLiteral("0, 0.5, 1"),
               QStringLiteral("1, 2, 3, 4"),
               QStringLiteral("a photo of {subject}\n{subject} on the beach\na photo of {class}")};
  m_rows->setAxis(api::Axis::Checkpoint);
  m_columns->setAxis(api::Axis::Guidance);
  m_seed->setValue(1);
  m_pictures->setValue(1);
  refresh();
}

void CompareControls::refresh() {
  if (!m_project.isOpen()) return;
  refreshWeights(m_choices, m_project.recipe().base, m_training.runs());
  for (AxisPanel* panel : {m_rows, m_columns}) panel->refresh();
  Q_EMIT changed();
}

bool CompareControls::isAxis(api::Axis axis) const {
  return m_rows->axis() == axis || m_columns->axis() == axis;
}

bool CompareControls::roughFirst() const { return m_rough->isChecked(); }

api::GenerateRequest CompareControls::common() const {
  api::GenerateRequest request = m_common();
  if (!request.prompts.empty()) request.prompt = request.prompts.front();
  request.prompts.clear();
  request.seed = m_seed->value();
  request.count = m_pictures->value();
  request.grid = false;
  request.outFolder = m_project.project().folder / "outputs" / "compare";
  return request;
}

CompareControls::Plan CompareControls::plan() const {
  Plan plan;
  const api::GenerateRequest request = common();
  plan.pictures = static_cast<int>(request.count);
  const AxisPanel::Values rows = m_rows->values(request.subject),
                          columns = m_columns->values(request.subject);
  const qsizetype count = rows.captions.size() * columns.captions.size();
  plan.problem =
      !rows.problem.isEmpty()      ? rows.problem
      : !columns.problem.isEmpty() ? columns.problem
      : count > kMostCells
          ? tr("These are %1 cells; at most %2 fit on a sheet.").arg(count).arg(kMostCells)
          : QString();
  if (!plan.problem.isEmpty()) return plan;
  plan.sheet = {rows.captions,
                columns.captions,
                api::sheetRequests(request, m_choices.of(request.model), rows.axis, columns.axis)};
  if (std::ranges::none_of(plan.sheet.cells, [](const auto& cell) { return cell.has_value(); })) {
    const ErrorText text = Texts::forError(plan.sheet.cells.front().error());
    plan.problem = text.sentence + QLatin1Char(' ') + text.hint;
  }
  for (const auto& cell : plan.sheet.cells) {
    if (!cell || !plan.problem.isEmpty()) continue;
    if (const auto errors = api::validate(*cell); !errors.empty())
      plan.problem = Texts::forError(errors.front().error).sentence;
  }
  return plan;
}

void CompareControls::showRest() {
  const api::GenerateRequest request = common();
  m_seed->setEnabled(!isAxis(api::Axis::Seed));
  QStringList parts;
  if (!isAxis(api::Axis::Checkpoint)) parts << m_choices.words(request.model);
  if (!isAxis(api::Axis::Prompt))
    parts << tr("“%1”").arg(fromStd(api::renderPrompt(request.prompt, request.subject)));
  if (!request.negativePrompt.empty())
    parts << tr("without “%1”").arg(fromStd(request.negativePrompt));
  if (!isAxis(api::Axis::Guidance))
    parts << tr("guidance %1").arg(QLocale().toString(request.sampling.guidance, 'g', 4));
  parts << tr("%1, %n step(s)", nullptr, static_cast<int>(request.sampling.steps))
               .arg(Texts::option(api::samplerInfo(request.sampling.sampler).label));
  if (!request.adapters.empty())
    parts << tr("%n LoRA(s)", nullptr, static_cast<int>(request.adapters.size()));
  m_rest->setText(
      breakable(tr("The rest is as in Create: %1.").arg(parts.join(QStringLiteral(", ")))));
}

}  // namespace likeness::ui
