// The curves and marks as they are drawn.
#include <cmath>

#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/loss_plot_private.h"

namespace likeness::ui {
namespace {

constexpr double kMostSmooth = 0.998;
constexpr double kClose = 1.5;       // pixels between points that one can stand for
constexpr double kMuchTravel = 8;    // pixels up and down for each column
constexpr double kMarkRoom = 0.012;  // of the steps, so that marks at both ends are whole

/// Measured anew in every step, so it jumps about.
bool isNoisy(api::Series series) {
  using enum api::Series;
  switch (series) {
    case SubjectLoss:
    case ClassLoss:
    case GradNorm:
    case StepSeconds:
    case LossBand1:
    case LossBand2:
    case LossBand3:
    case LossBand4:
      return true;
    default:
      return false;
  }
}
bool isProbe(api::Series series) {
  return series == api::Series::ProbeSubject || series == api::Series::ProbeClass;
}

/// A curve of any number of points, drawn in the time of a few thousand.
class Curve : public QCPGraph {
 public:
  using QCPGraph::QCPGraph;

 protected:
  /// Of the points of each column of pixels the lowest and the highest, or one where they are
  /// close.
  void getOptimizedLineData(QVector<QCPGraphData>* drawn,
                            const QCPGraphDataContainer::const_iterator& begin,
                            const QCPGraphDataContainer::const_iterator& end) const override {
    const qsizetype columns = std::max(1, keyAxis()->axisRect()->width());
    const qsizetype count = end - begin;
    if (count <= 2 * columns) return QCPGraph::getOptimizedLineData(drawn, begin, end);
    for (qsizetype column = 0; column < columns; ++column) {
      const auto first = begin + column * count / columns;
      const auto [low, high] = std::minmax_element(
          first, begin + (column + 1) * count / columns, [](const auto& a, const auto& b) {
            return a.value < b.value;
          });
      const double height =
          valueAxis()->coordToPixel(low->value) - valueAxis()->coordToPixel(high->value);
      if (height > kClose)
        *drawn << *std::min(low, high) << *std::max(low, high);
      else
        *drawn << *first;
    }
  }
  /// What fills the plot with strokes is drawn thin: the outline of a thick line that turns at
  /// every pixel takes a second.
  void drawLinePlot(QCPPainter* painter, const QVector<QPointF>& lines) const override {
    double travel = 0;
    for (qsizetype i = 1; i < lines.size(); ++i)
      travel += std::abs(lines[i].y() - lines[i - 1].y());
    const bool moving = parentPlot()->notAntialiasedElements().testFlag(QCP::aePlottables);
    const int width = keyAxis()->axisRect()->width();
    if (travel < kMuchTravel * width && !(moving && lines.size() > width / 2))
      return QCPGraph::drawLinePlot(painter, lines);
    QPen pen = painter->pen();
    pen.setWidth(1);
    painter->setPen(pen);
    painter->setAntialiasing(false);
    drawPolyline(painter, lines);
  }
};

}  // namespace

QString LossPlot::Private::Run::label(std::size_t place) const {
  const QString series = Texts::forSeries(seriesAt(place));
  return name.isEmpty() ? series : name + QLatin1Char(' ') + series;
}

bool LossPlot::isMeasure(api::Series series) {
  return std::find(kMeasures.begin(), kMeasures.end(), series) != kMeasures.end();
}

QPen LossPlot::pen(api::Series series, int run) {
  using enum api::Series;
  const Colours& c = Palette::colours();
  QColor colour = c.neutralCurve;
  if (series == SubjectLoss || series == ProbeSubject) colour = c.accent;
  if (series == ClassLoss || series == ProbeClass) colour = c.classCurve;
  if (series >= LossBand1 && series <= LossBand4) colour = c.more[slot(series) - slot(LossBand1)];
  if (run > 0) colour = c.more[static_cast<std::size_t>(run - 1)];
  const double width = isMeasure(series) ? 1 : run > 0 ? 1.3 : isProbe(series) ? 1.8 : 2;
  QPen pen(colour, width, isProbe(series) ? Qt::DashLine : Qt::SolidLine);
  // Beside each other in one colour: the halves of another run.
  if (run > 0 && series == ClassLoss) pen.setStyle(Qt::DotLine);
  if (run > 0 && series == ProbeClass) pen.setStyle(Qt::DashDotLine);
  pen.setCapStyle(Qt::RoundCap);
  pen.setJoinStyle(Qt::RoundJoin);
  return pen;
}

// ---- drawing

void LossPlot::Private::build() {
  plot->setAutoAddPlottableToLegend(false);
  QObject::connect(plot, &QCustomPlot::beforeReplot, self, [this] { placeBest(); });
  plot->addLayer(
      QStringLiteral("behind"), plot->layer(QStringLiteral("main")), QCustomPlot::limBelow);
  plot->addLayer(QStringLiteral("hover"));
  plot->layer(QStringLiteral("hover"))->setMode(QCPLayer::lmBuffered);
  plot->axisRect()->setMinimumMargins({8, 8, 16, 4});
  plot->xAxis->setLabel(LossPlot::tr("step"));
  plot->yAxis->setLabel(LossPlot::tr("loss"));
  for (QCPAxis* axis : {plot->xAxis, plot->yAxis, plot->yAxis2}) {
    axis->setTickLabelFont(self->font());
    axis->setLabelFont(self->font());
    axis->setSubTicks(false);
    axis->ticker()->setTickCount(5);
  }
  for (QCPGraph*& graph : raw) {
    graph = new Curve(plot->xAxis, plot->yAxis);
    graph->setLayer(QStringLiteral("behind"));
  }
  markAxis = plot->axisRect()->addAxis(QCPAxis::atRight);
  markAxis->setVisible(false);
  markAxis->setRange(0, 1);
  for (QCPGraph** marks : {&checkpoints, &samples}) {
    *marks = plot->addGraph(plot->xAxis, markAxis);
    (*marks)->setLineStyle(QCPGraph::lsNone);
  }
  for (QCPItemStraightLine** line : {&bestLine, &cursor}) {
    *line = new QCPItemStraightLine(plot);
    (*line)->point1->setTypeY(QCPItemPosition::ptAxisRectRatio);
    (*line)->point2->setTypeY(QCPItemPosition::ptAxisRectRatio);
  }
  cursor->setLayer(QStringLiteral("hover"));
  cursor->setVisible(false);
  bestText = new QCPItemText(plot);
  bestText->position->setTypeX(QCPItemPosition::ptPlotCoords);
  bestText->position->setTypeY(QCPItemPosition::ptAxisRectRatio);
  bestText->setFont(self->font());
  bestText->setPadding({6, 2, 6, 2});
  empty = new QCPItemText(plot);
  empty->position->setType(QCPItemPosition::ptAxisRectRatio);
  empty->position->setCoords(0.5, 0.45);
  empty->setFont(self->font());
  empty->setText(
      LossPlot::tr("The curves grow here while it trains.\nA falling subject probe means that it "
                   "learns;\na level class probe means that nothing else was forgotten."));
  plot->legend->setFont(self->font());
}

void LossPlot::Private::colours() {
  const Colours& c = Palette::colours();
  for (std::size_t run = 0; run < runs.size(); ++run)
    for (std::size_t i = 0; i < kPlotSeries; ++i) {
      QCPGraph* graph = runs[run].line[i];
      if (!graph) continue;
      const QPen pen = LossPlot::pen(seriesAt(i), static_cast<int>(run));
      graph->setPen(pen);
      if (isProbe(seriesAt(i)) && run == 0)
        graph->setScatterStyle({QCPScatterStyle::ssDisc, pen.color(), pen.color(), 5});
    }
  for (std::size_t i = 0; i < raw.size(); ++i) {
    QPen faint = LossPlot::pen(seriesAt(i));
    QColor colour = faint.color();
    colour.setAlphaF(0.25F);
    raw[i]->setPen(QPen(colour, 1));
  }
  samples->setScatterStyle({QCPScatterStyle::ssDiamond, c.accent, c.accent, 8});
  checkpoints->setScatterStyle({QCPScatterStyle::ssTriangle, c.muted, c.muted, 7});
  bestLine->setPen(QPen(c.success, 1, Qt::DashLine));
  bestText->setColor(c.success);
  bestText->setBrush(c.surface);
  cursor->setPen(QPen(c.muted, 1, Qt::DotLine));
  empty->setColor(c.muted);
  plot->setBackground(QBrush(c.surface));
  plot->selectionRect()->setPen(QPen(c.accent, 1));
  QColor inside = c.accent;
  inside.setAlphaF(0.15F);
  plot->selectionRect()->setBrush(inside);
  plot->legend->setBrush(c.surface);
  plot->legend->setBorderPen(QPen(c.border));
  plot->legend->setTextColor(c.text);
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

QCPGraph* LossPlot::Private::graph(int run, api::Series series) {
  QCPGraph*& line = runs[static_cast<std::size_t>(run)].line[slot(series)];
  if (!line) {
    line = new Curve(plot->xAxis, isMeasure(series) ? plot->yAxis2 : plot->yAxis);
    if (run > 0) line->setLayer(QStringLiteral("behind"));
    line->setVisible(shown[slot(series)]);
    colours();
  }
  return line;
}

void LossPlot::Private::append(int run, api::Series series, const QVector<QPointF>& points) {
  Run& to = runs[static_cast<std::size_t>(run)];
  const std::size_t i = slot(series);
  QVector<double> x, y, measured;
  for (const QPointF& p : points) {
    if (!std::isfinite(p.y())) continue;
    x << p.x();
    measured << p.y();
    y << (isNoisy(series) ? to.mean[i].add(smoothing, p.y()) : p.y());
  }
  graph(run, series)->addData(x, y, true);
  if (isNoisy(series)) to.points[i] += points;
  if (run == 0 && i < raw.size()) raw[i]->addData(x, measured, true);
}

void LossPlot::Private::resmooth() {
  for (Run& run : runs)
    for (std::size_t i = 0; i < kPlotSeries; ++i) {
      if (!run.line[i] || !isNoisy(seriesAt(i))) continue;
      run.mean[i] = {};
      QVector<double> x, y;
      for (const QPointF& p : run.points[i]) {
        if (!std::isfinite(p.y())) continue;
        x << p.x();
        y << run.mean[i].add(smoothing, p.y());
      }
      run.line[i]->setData(x, y, true);
    }
}

void LossPlot::Private::rescale() {
  const bool log = plot->yAxis->scaleType() == QCPAxis::stLogarithmic;
  QCPRange losses, measures;
  bool anyLoss = false, anyMeasure = false;
  double last = 1;
  eachLine([&](const Run&, std::size_t i, QCPGraph* line) {
    last = std::max(last, (line->data()->constEnd() - 1)->key);
    const bool measure = isMeasure(seriesAt(i));
    bool found = false;
    const QCPRange r =
        line->data()->valueRange(found, log && !measure ? QCP::sdPositive : QCP::sdBoth);
    if (!found) return;
    bool& any = measure ? anyMeasure : anyLoss;
    QCPRange& range = measure ? measures : losses;
    range = any ? range.expanded(r) : r;
    any = true;
  });
  const double end = std::max(last, static_cast<double>(steps));
  plot->xAxis->setRange(-kMarkRoom * end, (1 + kMarkRoom) * end);
  if (!anyLoss) losses = {log ? 1e-3 : 0, 0.5};
  if (log) {
    plot->yAxis->setRange(losses.lower / 1.2, losses.upper * 1.2);
  } else {
    const double margin = std::max(0.08 * losses.size(), 1e-3);
    plot->yAxis->setRange(std::max(0.0, losses.lower - margin), losses.upper + margin);
  }
  if (anyMeasure) plot->yAxis2->setRange(0, measures.upper > 0 ? measures.upper * 1.1 : 1);
}

void LossPlot::Private::placeBest() {
  const bool seen = best && plot->xAxis->range().contains(static_cast<double>(*best));
  bestLine->setVisible(seen);
  bestText->setVisible(seen);
  if (!seen) return;
  const auto step = static_cast<double>(*best);
  bestLine->point1->setCoords(step, 0);
  bestLine->point2->setCoords(step, 1);
  bestText->setText(LossPlot::tr("◆ best so far: %1").arg(*best));
  bestText->position->setCoords(step, 0.02);
  const bool right = step > plot->xAxis->range().center();
  bestText->setPositionAlignment((right ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignTop);
}

void LossPlot::Private::replotNow() {
  pending = false;
  if (!zoomed) rescale();
  plot->replot(QCustomPlot::rpQueuedRefresh);
}

void LossPlot::Private::replot() {
  if (pending) return;
  pending = true;
  QMetaObject::invokeMethod(
      plot,
      [this] {
        if (pending) replotNow();
      },
      Qt::QueuedConnection);
}

// ---- the widget

LossPlot::LossPlot(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>()) {
  d->self = this;
  d->plot = new QCustomPlot(this);
  d->plot->setFocusPolicy(Qt::NoFocus);
  d->hover = new QLabel(d->plot);
  d->hover->setObjectName(QStringLiteral("plotHover"));
  d->hover->setProperty("hover", true);
  d->hover->setTextFormat(Qt::RichText);
  d->hover->setAttribute(Qt::WA_TransparentForMouseEvents);
  d->hover->hide();
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(d->plot);
  setFocusPolicy(Qt::StrongFocus);
  setAccessibleName(tr("Loss curves"));
  setAccessibleDescription(tr(
      "The wheel zooms, dragging moves, Shift and dragging zooms into a rectangle, a double click "
      "shows everything; keys: plus, minus, left, right and 0."));
  d->build();
  d->listen();
  for (const api::Series series : kLosses)
    d->shown[slot(series)] = series < api::Series::LearningRate;
  connect(&Palette::instance(), &Palette::changed, this, [this] { d->colours(); });
  d->colours();
}

LossPlot::~LossPlot() = default;

void LossPlot::clear() {
  Private::Run& run = d->runs.front();
  for (QCPGraph* line : run.line)
    if (line) line->data()->clear();
  for (auto& points : run.points) points.clear();
  run.mean = {};
  for (QCPGraph* graph : {d->raw[0], d->raw[1], d->samples, d->checkpoints}) graph->data()->clear();
  d->steps = 0;
  d->best.reset();
  d->empty->setVisible(true);
  d->unhover();
  resetView();
}

void LossPlot::append(api::Series series, const QVector<QPointF>& points) {
  if (points.isEmpty()) return;
  d->empty->setVisible(false);
  d->append(0, series, points);
  d->replot();
}

void LossPlot::setSteps(qint64 steps) {
  d->steps = steps;
  d->replot();
}

void LossPlot::addSample(qint64 step) {
  d->samples->addData(static_cast<double>(step), kSampleHeight);
  d->replot();
}

void LossPlot::addCheckpoint(qint64 step) {
  d->checkpoints->addData(static_cast<double>(step), kCheckpointHeight);
  d->replot();
}

void LossPlot::setCheckpoints(const std::vector<std::int64_t>& steps) {
  d->checkpoints->data()->clear();
  for (const std::int64_t step : steps) addCheckpoint(step);
  d->replot();
}

void LossPlot::setBest(std::optional<qint64> step) {
  d->best = step;
  d->replot();
}

void LossPlot::setVisibleSeries(api::Series series, bool visible) {
  const std::size_t i = slot(series);
  d->shown[i] = visible;
  for (Private::Run& run : d->runs)
    if (run.line[i]) run.line[i]->setVisible(visible);
  if (i < d->raw.size()) d->raw[i]->setVisible(visible);
  if (isMeasure(series)) {
    const auto seen = std::find_if(
        kMeasures.begin(), kMeasures.end(), [this](api::Series s) { return isVisibleSeries(s); });
    d->plot->yAxis2->setVisible(seen != kMeasures.end());
    if (seen != kMeasures.end()) d->plot->yAxis2->setLabel(Texts::forSeries(*seen));
  }
  d->replot();
}

bool LossPlot::isVisibleSeries(api::Series series) const { return d->shown[slot(series)]; }

void LossPlot::setLogScale(bool log) {
  d->plot->yAxis->setScaleType(log ? QCPAxis::stLogarithmic : QCPAxis::stLinear);
  const QSharedPointer<QCPAxisTicker> ticker(log ? new QCPAxisTickerLog : new QCPAxisTicker);
  ticker->setTickCount(5);
  d->plot->yAxis->setTicker(ticker);
  resetView();
}

void LossPlot::setSmoothing(double amount) {
  d->smoothing = qBound(0.0, amount, kMostSmooth);
  d->resmooth();
  d->replot();
}

int LossPlot::pointCount(api::Series series, int run) const {
  const QCPGraph* line = d->runs[static_cast<std::size_t>(run)].line[slot(series)];
  return line ? line->dataCount() : 0;
}

void LossPlot::setOther(int place,
                        const QString& name,
                        const std::vector<api::MetricSample>& samples) {
  removeOther(place);
  std::array<QVector<QPointF>, kPlotSeries> curves;
  for (const api::MetricSample& sample : samples)
    curves[slot(sample.series)].append({static_cast<double>(sample.step), sample.value});
  d->runs[static_cast<std::size_t>(place)].name = name;
  for (std::size_t i = 0; i < kPlotSeries; ++i)
    if (!curves[i].isEmpty()) d->append(place, seriesAt(i), curves[i]);
  d->replot();
}

void LossPlot::removeOther(int place) {
  Private::Run& run = d->runs[static_cast<std::size_t>(place)];
  for (QCPGraph* line : run.line)
    if (line) d->plot->removeGraph(line);
  run = {};
  d->replot();
}

}  // namespace likeness::ui
