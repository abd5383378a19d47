// The one file that sees QCustomPlot (compiled with its bare `signals:` keyword allowed).
#include "ui/widgets/loss_plot.h"

#include <qcustomplot.h>

#include <array>
#include <cmath>

#include "ui/util/palette.h"
#include "ui/util/texts.h"

namespace likeness::ui {
namespace {

constexpr std::array kShown{api::Series::SubjectLoss,
                            api::Series::ClassLoss,
                            api::Series::ProbeSubject,
                            api::Series::ProbeClass,
                            api::Series::LearningRate};

int slot(api::Series series) {
  for (std::size_t i = 0; i < kShown.size(); ++i)
    if (kShown[i] == series) return static_cast<int>(i);
  return -1;
}
bool isRaw(int index) { return index < 2; }

}  // namespace

struct LossPlot::Private {
  QCustomPlot* plot = nullptr;
  std::array<QCPGraph*, kShown.size()> line{};
  std::array<QCPGraph*, 2> raw{};  ///< unsmoothed subject and class, drawn faintly behind
  QCPGraph* checkpoints = nullptr;
  QCPItemText* empty = nullptr;
  std::array<QVector<QPointF>, 2> points;
  double smoothing = 0.6;
  qint64 steps = 0;
  bool pending = false;

  void colours() {
    const Colours& c = Palette::colours();
    const auto pen = [](QColor colour, double width, Qt::PenStyle style, double alpha = 1) {
      colour.setAlphaF(static_cast<float>(alpha));
      QPen p(colour, width, style);
      p.setCapStyle(Qt::RoundCap);
      p.setJoinStyle(Qt::RoundJoin);
      return p;
    };
    line[0]->setPen(pen(c.accent, 2, Qt::SolidLine));
    line[1]->setPen(pen(c.classCurve, 2, Qt::SolidLine));
    line[2]->setPen(pen(c.accent, 1.8, Qt::DashLine));
    line[3]->setPen(pen(c.classCurve, 1.8, Qt::DashLine));
    line[4]->setPen(pen(c.neutralCurve, 1, Qt::SolidLine));
    line[2]->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssDisc, c.accent, c.accent, 5));
    line[3]->setScatterStyle(
        QCPScatterStyle(QCPScatterStyle::ssDisc, c.classCurve, c.classCurve, 5));
    raw[0]->setPen(pen(c.accent, 1, Qt::SolidLine, 0.25));
    raw[1]->setPen(pen(c.classCurve, 1, Qt::SolidLine, 0.25));
    empty->setColor(c.muted);
    checkpoints->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssTriangle, c.muted, c.muted, 7));
    plot->setBackground(QBrush(c.surface));
    for (QCPAxis* axis : {plot->xAxis, plot->yAxis, plot->yAxis2}) {
      axis->setBasePen(QPen(c.border));
      axis->setTickPen(QPen(c.border));
      axis->setSubTickPen(QPen(c.border));
      axis->setTickLabelColor(c.muted);
      axis->setLabelColor(c.muted);
      axis->grid()->setPen(QPen(c.border, 0.5, Qt::DotLine));
      axis->grid()->setZeroLinePen(Qt::NoPen);
      axis->grid()->setSubGridVisible(false);
    }
    replot();
  }

  void resmooth(int index, qsizetype from) {
    // Bias-corrected exponential mean: the first points are not pulled towards zero.
    const double beta = std::min(0.995, smoothing);
    double mean = 0, weight = 0;
    QVector<double> x, y;
    for (const QPointF& p : points[static_cast<std::size_t>(index)]) {
      mean = beta * mean + (1 - beta) * p.y();
      weight = beta * weight + (1 - beta);
      x << p.x();
      y << mean / weight;
    }
    auto* graph = line[static_cast<std::size_t>(index)];
    if (from == 0) {
      graph->setData(x, y, true);
    } else {
      graph->addData(x.mid(from), y.mid(from), true);
    }
  }

  void rescale() {
    QCPRange range;
    bool any = false;
    double last = 1;
    for (std::size_t i = 0; i < 4; ++i) {
      if (!line[i]->visible() || line[i]->data()->isEmpty()) continue;
      bool found = false;
      const QCPRange r = line[i]->data()->valueRange(
          found,
          plot->yAxis->scaleType() == QCPAxis::stLogarithmic ? QCP::sdPositive : QCP::sdBoth);
      if (!found) continue;
      range = any ? range.expanded(r) : r;
      any = true;
      last = std::max(last, (line[i]->data()->constEnd() - 1)->key);
    }
    plot->xAxis->setRange(0, steps > 0 ? std::max(last, static_cast<double>(steps)) : last * 1.02);
    if (!any) range = {0, 0.5};
    if (plot->yAxis->scaleType() == QCPAxis::stLogarithmic) {
      plot->yAxis->setRange(range.lower / 1.2, range.upper * 1.2);
    } else {
      const double margin = std::max(0.08 * range.size(), 1e-3);
      plot->yAxis->setRange(std::max(0.0, range.lower - margin), range.upper + margin);
    }
    if (line[4]->visible()) {
      line[4]->rescaleValueAxis();
      plot->yAxis2->setRange(0, plot->yAxis2->range().upper * 1.1);
    }
    auto marks = checkpoints->data();
    for (auto it = marks->begin(); it != marks->end(); ++it)
      it->value = plot->yAxis->range().lower + 0.02 * plot->yAxis->range().size();
  }

  void replot() {
    if (pending) return;
    pending = true;
    QMetaObject::invokeMethod(
        plot,
        [this] {
          pending = false;
          rescale();
          plot->replot(QCustomPlot::rpQueuedReplot);
        },
        Qt::QueuedConnection);
  }
};

LossPlot::LossPlot(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>()) {
  d->plot = new QCustomPlot(this);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(d->plot);
  for (auto& graph : d->raw) graph = d->plot->addGraph();
  for (std::size_t i = 0; i < kShown.size(); ++i) {
    d->line[i] = i == 4 ? d->plot->addGraph(d->plot->xAxis, d->plot->yAxis2) : d->plot->addGraph();
    d->line[i]->setAdaptiveSampling(true);
  }
  d->checkpoints = d->plot->addGraph();
  d->checkpoints->setLineStyle(QCPGraph::lsNone);
  d->empty = new QCPItemText(d->plot);
  d->empty->position->setType(QCPItemPosition::ptAxisRectRatio);
  d->empty->position->setCoords(0.5, 0.45);
  d->empty->setFont(font());
  d->empty->setText(
      tr("The curves grow here while it trains.\nA falling subject probe means that it learns;\n"
         "a level class probe means that nothing else was forgotten."));
  d->line[4]->setVisible(false);
  d->plot->xAxis->setLabel(tr("step"));
  d->plot->yAxis->setLabel(tr("loss"));
  for (QCPAxis* axis : {d->plot->xAxis, d->plot->yAxis, d->plot->yAxis2}) {
    axis->setTickLabelFont(font());
    axis->setLabelFont(font());
    axis->setSubTicks(false);
    axis->ticker()->setTickCount(5);
  }
  d->plot->axisRect()->setMinimumMargins({8, 8, 16, 4});
  setAccessibleName(tr("Loss curves"));
  connect(&Palette::instance(), &Palette::changed, this, [this] { d->colours(); });
  d->colours();
}

LossPlot::~LossPlot() = default;

void LossPlot::clear() {
  for (auto* graph : d->line) graph->data()->clear();
  for (auto* graph : d->raw) graph->data()->clear();
  for (auto& points : d->points) points.clear();
  d->checkpoints->data()->clear();
  d->steps = 0;
  d->empty->setVisible(true);
  d->replot();
}

void LossPlot::append(api::Series series, const QVector<QPointF>& points) {
  const int index = slot(series);
  if (index < 0 || points.isEmpty()) return;
  d->empty->setVisible(false);
  QVector<double> x, y;
  for (const QPointF& p : points) {
    x << p.x();
    y << p.y();
  }
  if (isRaw(index)) {
    const auto i = static_cast<std::size_t>(index);
    const qsizetype from = d->points[i].size();
    d->points[i] += points;
    d->raw[i]->addData(x, y, true);
    d->resmooth(index, from);
  } else {
    d->line[static_cast<std::size_t>(index)]->addData(x, y, true);
  }
  d->replot();
}

void LossPlot::setSteps(qint64 steps) {
  d->steps = steps;
  d->replot();
}

void LossPlot::addCheckpoint(qint64 step) {
  d->checkpoints->addData(static_cast<double>(step), 0);
  d->replot();
}

void LossPlot::setVisibleSeries(api::Series series, bool visible) {
  const int index = slot(series);
  if (index < 0) return;
  d->line[static_cast<std::size_t>(index)]->setVisible(visible);
  if (isRaw(index)) d->raw[static_cast<std::size_t>(index)]->setVisible(visible);
  if (index == 4) {
    d->plot->yAxis2->setVisible(visible);
    d->plot->yAxis2->setLabel(Texts::forSeries(series));
  }
  d->replot();
}

void LossPlot::setLogScale(bool log) {
  d->plot->yAxis->setScaleType(log ? QCPAxis::stLogarithmic : QCPAxis::stLinear);
  const QSharedPointer<QCPAxisTicker> ticker(log ? new QCPAxisTickerLog : new QCPAxisTicker);
  ticker->setTickCount(5);
  d->plot->yAxis->setTicker(ticker);
  d->replot();
}

void LossPlot::setSmoothing(double amount) {
  d->smoothing = amount;
  for (int i = 0; i < 2; ++i) d->resmooth(i, 0);
  d->replot();
}

int LossPlot::pointCount(api::Series series) const {
  const int index = slot(series);
  return index < 0 ? 0 : d->line[static_cast<std::size_t>(index)]->dataCount();
}

}  // namespace likeness::ui
