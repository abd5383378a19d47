#include "ui/pages/loss_panel.h"

#include <QCheckBox>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QMenu>
#include <QPainter>
#include <QPixmap>
#include <QSlider>
#include <QToolButton>
#include <QVBoxLayout>
#include <cmath>
#include <set>

#include "ui/dialogs/dialog_service.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/curve_table.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/util/write_file.h"
#include "ui/widgets/flow_layout.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kSmoothest = 10, kSmooth = 4;  // positions of the slider
constexpr QSize kLineSample(22, 12);
constexpr QSize kPicture(1200, 600);

/// Every four positions average ten times as many steps.
double smoothing(int position) { return 1 - std::pow(10.0, -position / 4.0); }

QIcon sampleOfLine(const QPen& pen) {
  QPixmap pixmap(kLineSample);
  pixmap.fill(Qt::transparent);
  QPainter painter(&pixmap);
  painter.setPen(pen);
  const int middle = kLineSample.height() / 2;
  painter.drawLine(1, middle, kLineSample.width() - 1, middle);
  return pixmap;
}

/// What most people look at; the others are chosen from the menu.
bool isAlwaysOffered(api::Series series) {
  using enum api::Series;
  return series == SubjectLoss || series == ClassLoss || series == ProbeSubject ||
         series == ProbeClass;
}

QToolButton* makeChip(const QString& name, api::Series series, int run) {
  auto* chip = new QToolButton;
  chip->setObjectName(name);
  chip->setProperty("series", true);
  chip->setCheckable(true);
  chip->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  chip->setIconSize(kLineSample);
  setTextRole(chip, TextRole::Hint);
  const auto draw = [chip, series, run] {
    chip->setIcon(sampleOfLine(LossPlot::pen(series, run)));
  };
  draw();
  QObject::connect(&Palette::instance(), &Palette::changed, chip, draw);
  return chip;
}

}  // namespace

LossPanel::LossPanel(TrainingModel& training,
                     DialogService& dialogs,
                     MessageBar& message,
                     QWidget* parent)
    : QFrame(parent),
      m_training(training),
      m_dialogs(dialogs),
      m_message(message),
      m_title(makeSection({})),
      m_plot(new LossPlot),
      m_all(makeTool("plotAll", "zoom-all", tr("Show everything again (double click)"))),
      m_switches(new FlowLayout(4)) {
  setProperty("card", true);
  m_title->setObjectName("plotTitle");
  m_plot->setObjectName("lossPlot");
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(12, 12, 12, 12);
  column->setSpacing(kGrid);
  column->addLayout(makeHead());
  column->addLayout(m_switches);
  column->addWidget(m_plot, 1);
  for (const api::Series series : LossPlot::kLosses) addSwitch(series);
  m_curves->addSection(tr("On the right"));
  for (const api::Series series : LossPlot::kMeasures) addSwitch(series);
  addChips();
  connectModel();
  fillRuns();
  refill();
}

QToolButton* LossPanel::makeMenu(const char* name, const QString& text, QMenu** menu) {
  auto* button = new QToolButton;
  button->setObjectName(QLatin1String(name));
  button->setText(text);
  button->setIcon(icon("chevron-down"));
  button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  button->setPopupMode(QToolButton::InstantPopup);
  *menu = new QMenu(button);
  button->setMenu(*menu);
  return button;
}

QLayout* LossPanel::makeHead() {
  auto* smooth = new QSlider(Qt::Horizontal);
  smooth->setObjectName("plotSmooth");
  smooth->setRange(0, kSmoothest);
  smooth->setPageStep(2);
  smooth->setFixedWidth(84);
  smooth->setToolTip(tr("Averages what jumps about over neighbouring steps"));
  smooth->setAccessibleName(tr("Smoothing"));
  connect(smooth, &QSlider::valueChanged, this, [this](int position) {
    m_plot->setSmoothing(smoothing(position));
  });
  smooth->setValue(kSmooth);
  auto* caption = makeHint(tr("smooth"));
  caption->setWordWrap(false);
  caption->setBuddy(smooth);
  auto* log = new QCheckBox(tr("log"));
  log->setObjectName("plotLog");
  log->setToolTip(tr("Logarithmic scale"));
  connect(log, &QCheckBox::toggled, m_plot, &LossPlot::setLogScale);
  QToolButton* curves = makeMenu("plotCurves", tr("Curves"), &m_curves);
  curves->setToolTip(tr("Noise levels apart, memory, learning rate and more"));
  QToolButton* runs = makeMenu("plotRuns", tr("Runs"), &m_runs);
  runs->setToolTip(tr("Other runs of this project beside this one"));
  QMenu* saving = nullptr;
  QToolButton* save = makeMenu("plotSave", tr("Save"), &saving);
  save->setToolTip(tr("Keep the curves as a picture or as a table"));
  QAction* picture = saving->addAction(tr("As a picture (PNG)…"), this, &LossPanel::savePicture);
  picture->setObjectName("plotSavePicture");
  QAction* table = saving->addAction(tr("As a table (CSV)…"), this, &LossPanel::saveTable);
  table->setObjectName("plotSaveTable");
  // It keeps its place, so that nothing beside it moves when a person zooms.
  QSizePolicy keep = m_all->sizePolicy();
  keep.setRetainSizeWhenHidden(true);
  m_all->setSizePolicy(keep);
  m_all->hide();
  connect(m_all, &QToolButton::clicked, m_plot, &LossPlot::resetView);
  connect(m_plot, &LossPlot::zoomChanged, m_all, &QWidget::setVisible);
  auto* head = new QHBoxLayout;
  head->setSpacing(kGrid);
  head->addWidget(m_title, 1);
  for (QWidget* widget :
       std::initializer_list<QWidget*>{m_all, caption, smooth, log, curves, runs, save})
    head->addWidget(widget);
  return head;
}

/// A chip above the plot that hides its curve, and, of the rarer ones, an entry of the menu that
/// brings the chip.
void LossPanel::addSwitch(api::Series series) {
  const int id = static_cast<int>(series);
  auto* chip = makeChip(QStringLiteral("series%1").arg(id), series, 0);
  chip->setText(Texts::forSeries(series));
  chip->setToolTip(tr("Show or hide this curve"));
  m_switches->addWidget(chip);
  auto* shown = new QAction(Texts::forSeries(series), this);
  shown->setObjectName(QStringLiteral("curve%1").arg(id));
  shown->setCheckable(true);
  shown->setChecked(m_plot->isVisibleSeries(series));
  chip->setChecked(shown->isChecked());
  chip->setVisible(isAlwaysOffered(series));
  if (!isAlwaysOffered(series)) m_curves->addAction(shown);
  m_shown.insert(id, shown);
  connect(chip, &QToolButton::toggled, shown, &QAction::setChecked);
  connect(shown, &QAction::toggled, this, [this, series, chip](bool on) {
    chip->setChecked(on);
    if (!isAlwaysOffered(series)) chip->setVisible(on);
    m_plot->setVisibleSeries(series, on);
    if (!on || !LossPlot::isMeasure(series)) return;
    for (const api::Series other : LossPlot::kMeasures)
      if (other != series) m_shown[static_cast<int>(other)]->setChecked(false);
  });
}

void LossPanel::addChips() {
  for (int place = 1; place <= LossPlot::kOthers; ++place) {
    QToolButton* chip =
        makeChip(QStringLiteral("otherRun%1").arg(place), api::Series::SubjectLoss, place);
    chip->setCheckable(false);
    chip->setToolTip(tr("Take this run away from the plot"));
    chip->hide();
    m_switches->addWidget(chip);
    m_others[static_cast<std::size_t>(place)].chip = chip;
    connect(chip, &QToolButton::clicked, this, [this, place] {
      leave(m_others[static_cast<std::size_t>(place)].name);
    });
  }
}

QString LossPanel::methodWords(api::Method method) {
  switch (method) {
    case api::Method::Full:
      return tr("whole model");
    case api::Method::Lora:
      return tr("adapter (LoRA)");
    case api::Method::TextualInversion:
      return tr("new word");
  }
  return {};
}

void LossPanel::connectModel() {
  connect(&m_training, &TrainingModel::curvesReset, this, &LossPanel::refill);
  connect(&m_training, &TrainingModel::curvesGrew, this, &LossPanel::append);
  connect(&m_training, &TrainingModel::checkpointSaved, m_plot, &LossPlot::addCheckpoint);
  connect(&m_training, &TrainingModel::advised, this, [this](const api::Advice& advice) {
    m_plot->setBest(advice.bestStep > 0 ? std::optional<qint64>(advice.bestStep) : std::nullopt);
  });
  connect(&m_training, &TrainingModel::runsChanged, this, &LossPanel::fillRuns);
  connect(&m_training, &TrainingModel::runsChanged, this, &LossPanel::showMarks);
  connect(&m_training, &TrainingModel::problemsChanged, this, &LossPanel::showSteps);
  connect(&m_training.job(), &Job::changed, this, &LossPanel::showSteps);
  connect(&m_training.samples(),
          &QAbstractItemModel::rowsInserted,
          this,
          [this](const QModelIndex&, int first, int last) {
            for (int row = first; row <= last; ++row) {
              const PictureItem& sample = m_training.samples().at(row);
              if (sample.index == 0) m_plot->addSample(sample.step);
            }
          });
  connect(m_plot, &LossPlot::sampleClicked, this, &LossPanel::samplesChosen);
}

void LossPanel::append(const std::vector<api::MetricSample>& samples) {
  std::array<QVector<QPointF>, LossPlot::kLosses.size() + LossPlot::kMeasures.size()> points;
  for (const api::MetricSample& sample : samples)
    points[static_cast<std::size_t>(sample.series)].append(
        {static_cast<double>(sample.step), sample.value});
  for (std::size_t i = 0; i < points.size(); ++i)
    m_plot->append(static_cast<api::Series>(i), points[i]);
}

void LossPanel::refill() {
  m_plot->clear();
  for (auto it = m_shown.cbegin(); it != m_shown.cend(); ++it) {
    const auto series = static_cast<api::Series>(it.key());
    m_plot->append(series, m_training.curve(series));
  }
  showSteps();
}

void LossPanel::showSteps() {
  const Job& job = m_training.job();
  const QString& name = m_training.runName();
  m_title->setText(name.isEmpty() ? tr("Loss") : tr("Loss, run %1").arg(name));
  if (job.active()) {
    if (job.stage() == api::Stage::Train && job.progress().total > 0)
      m_plot->setSteps(job.progress().total);
  } else if (const api::RunSummary* run = m_training.shownRun()) {
    m_plot->setSteps(run->steps);
  } else {
    m_plot->setSteps(m_training.plannedSteps());
  }
}

/// Of a run that is read from its folder; one under way tells its marks as they come.
void LossPanel::showMarks() {
  showSteps();
  const api::RunSummary* run = m_training.shownRun();
  if (!run || m_training.job().active()) return;
  m_plot->setCheckpoints(run->checkpoints);
  m_plot->setBest(run->best ? std::optional<qint64>(*run->best) : std::nullopt);
}

// ---- other runs

int LossPanel::placeOf(const QString& name) const {
  for (int place = 1; place <= LossPlot::kOthers; ++place)
    if (m_others[static_cast<std::size_t>(place)].name == name) return place;
  return 0;
}

QAction* LossPanel::entryOf(const QString& name) const {
  return m_runs->findChild<QAction*>(QStringLiteral("run:") + name);
}

void LossPanel::fillRuns() {
  std::set<QString> names;
  m_runs->clear();
  for (const api::RunSummary& run : m_training.runs()) {
    const QString name = fromStd(run.name);
    if (name == m_training.runName()) continue;
    names.insert(name);
    QAction* action =
        m_runs->addAction(tr("%1: %n step(s), %2", nullptr, static_cast<int>(run.steps))
                              .arg(name, methodWords(run.request.training.method)));
    action->setObjectName(QStringLiteral("run:") + name);
    action->setCheckable(true);
    action->setChecked(placeOf(name) > 0);
    connect(action, &QAction::triggered, this, [this, run, name](bool on) {
      on ? compare(run) : leave(name);
    });
  }
  if (names.empty())
    m_runs->addAction(tr("Every further run of this project is listed here"))->setEnabled(false);
  // Of another project, deleted, or shown itself by now.
  for (const Other& other : m_others)
    if (!other.name.isEmpty() && !names.contains(other.name)) leave(other.name);
}

void LossPanel::compare(const api::RunSummary& run) {
  const QString name = fromStd(run.name);
  const int place = placeOf({});
  if (place == 0) {
    if (QAction* action = entryOf(name)) action->setChecked(false);
    return m_message.showNote(
        tr("%n run(s) are beside this one already.", nullptr, LossPlot::kOthers),
        tr("Take one away: click its name above the plot."));
  }
  Other& other = m_others[static_cast<std::size_t>(place)];
  other.name = name;
  m_training.readCurves(run, this, [this, name](const std::vector<api::MetricSample>& samples) {
    const int at = placeOf(name);
    if (at == 0) return;  // taken away meanwhile
    Other& read = m_others[static_cast<std::size_t>(at)];
    read.samples = samples;
    read.chip->setText(samples.empty() ? tr("%1: no curves").arg(name) : name);
    read.chip->setAccessibleName(tr("Run %1 beside this one").arg(name));
    read.chip->show();
    m_plot->setOther(at, name, samples);
  });
}

void LossPanel::leave(QString name) {
  const int place = placeOf(name);
  if (place == 0 || name.isEmpty()) return;
  Other& other = m_others[static_cast<std::size_t>(place)];
  other.name.clear();
  other.samples.clear();
  other.chip->hide();
  m_plot->removeOther(place);
  if (QAction* action = entryOf(name)) action->setChecked(false);
}

// ---- keeping

QString LossPanel::suggestion() const {
  const QString& run = m_training.runName();
  return run.isEmpty() ? tr("curves") : tr("curves %1").arg(run);
}

void LossPanel::savePicture() {
  const QString file = m_dialogs.savePicture(this, suggestion() + QLatin1String(".png"));
  if (file.isEmpty()) return;
  inBackground(
      this,
      [file, image = m_plot->picture(kPicture)] { return writePng(file, image); },
      [this, file](const api::Result<void>& written) { tell(file, written); });
}

void LossPanel::saveTable() {
  const QString file = m_dialogs.saveTable(this, suggestion() + QLatin1String(".csv"));
  if (file.isEmpty()) return;
  std::vector<CurveColumn> columns;
  for (int i = 0; i < m_shown.size(); ++i) {
    const auto series = static_cast<api::Series>(i);
    if (!m_plot->isVisibleSeries(series)) continue;
    columns.push_back({Texts::forSeries(series), m_training.curve(series)});
    for (const Other& other : m_others) {
      if (other.name.isEmpty()) continue;
      CurveColumn column{other.name + QLatin1Char(' ') + Texts::forSeries(series), {}};
      for (const api::MetricSample& sample : other.samples)
        if (sample.series == series)
          column.points.append({static_cast<double>(sample.step), sample.value});
      columns.push_back(std::move(column));
    }
  }
  inBackground(
      this,
      [file, columns = std::move(columns)] { return writeWhole(file, curveTable(columns)); },
      [this, file](const api::Result<void>& written) { tell(file, written); });
}

void LossPanel::tell(const QString& file, const api::Result<void>& written) {
  if (written)
    m_message.showNote(tr("Saved as %1.").arg(QFileInfo(file).fileName()));
  else
    m_message.showError(written.error());
}

}  // namespace likeness::ui
