#include "ui/widgets/loss_panel.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QPainter>
#include <QPixmap>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/loss_plot.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr double kSmoothing = 0.9;
constexpr QSize kLineSample(22, 12);

/// A line as the plot draws it.
QPixmap sampleOfLine(api::Series series) {
  const Colours& c = Palette::colours();
  const bool probe = series == api::Series::ProbeSubject || series == api::Series::ProbeClass;
  const bool subject = series == api::Series::SubjectLoss || series == api::Series::ProbeSubject;
  QPixmap pixmap(kLineSample);
  pixmap.fill(Qt::transparent);
  QPainter painter(&pixmap);
  painter.setPen(
      series == api::Series::LearningRate
          ? QPen(c.neutralCurve, 1)
          : QPen(subject ? c.accent : c.classCurve, 2, probe ? Qt::DashLine : Qt::SolidLine));
  const int middle = kLineSample.height() / 2;
  painter.drawLine(1, middle, kLineSample.width() - 1, middle);
  return pixmap;
}

}  // namespace

LossPanel::LossPanel(QWidget* parent)
    : QFrame(parent), m_title(makeSection({})), m_plot(new LossPlot) {
  setProperty("card", true);
  m_title->setObjectName("plotTitle");
  m_plot->setObjectName("lossPlot");
  m_plot->setSmoothing(kSmoothing);
  auto* smooth = new QCheckBox(tr("smooth"));
  smooth->setObjectName("plotSmooth");
  smooth->setChecked(true);
  smooth->setToolTip(tr("Averages the subject and class curves over neighbouring steps"));
  connect(smooth, &QCheckBox::toggled, this, [this](bool on) {
    m_plot->setSmoothing(on ? kSmoothing : 0);
  });
  auto* log = new QCheckBox(tr("log"));
  log->setObjectName("plotLog");
  log->setToolTip(tr("Logarithmic scale"));
  connect(log, &QCheckBox::toggled, m_plot, &LossPlot::setLogScale);
  auto* head = new QHBoxLayout;
  head->setSpacing(kGrid);
  head->addWidget(m_title, 1);
  head->addWidget(smooth);
  head->addWidget(log);
  auto* switches = new QHBoxLayout;
  switches->setSpacing(4);
  for (const api::Series series : kSeries) switches->addWidget(makeSwitch(series));
  switches->addStretch();
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(12, 12, 12, 12);
  column->setSpacing(kGrid);
  column->addLayout(head);
  column->addLayout(switches);
  column->addWidget(m_plot, 1);
}

QWidget* LossPanel::makeSwitch(api::Series series) {
  auto* button = new QToolButton;
  button->setObjectName(QStringLiteral("series%1").arg(static_cast<int>(series)));
  button->setProperty("series", true);
  button->setCheckable(true);
  button->setChecked(true);
  button->setText(Texts::forSeries(series));
  button->setToolTip(tr("Show or hide this curve"));
  button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  button->setIconSize(kLineSample);
  setTextRole(button, TextRole::Hint);
  const auto draw = [button, series] { button->setIcon(sampleOfLine(series)); };
  draw();
  connect(&Palette::instance(), &Palette::changed, button, draw);
  connect(button, &QToolButton::toggled, this, [this, series](bool on) {
    m_plot->setVisibleSeries(series, on);
  });
  // Of interest to experts only.
  button->setChecked(series != api::Series::LearningRate);
  return button;
}

void LossPanel::setTitle(const QString& title) { m_title->setText(title); }

void LossPanel::append(const std::vector<api::MetricSample>& samples) {
  for (const api::Series series : kSeries) {
    QVector<QPointF> points;
    for (const api::MetricSample& sample : samples)
      if (sample.series == series) points.append({static_cast<double>(sample.step), sample.value});
    m_plot->append(series, points);
  }
}

}  // namespace likeness::ui
