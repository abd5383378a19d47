// What LossPlot is made of. Only loss_plot.cpp and loss_plot_view.cpp include it: they alone see
// QCustomPlot, and are compiled with its bare `signals:` keyword allowed.
#pragma once

#include <qcustomplot.h>

#include "ui/widgets/loss_plot.h"

namespace likeness::ui {

constexpr std::size_t kPlotSeries = LossPlot::kLosses.size() + LossPlot::kMeasures.size();
constexpr double kSampleHeight = 0.09, kCheckpointHeight = 0.03;  // of marks, part of the plot
constexpr std::size_t slot(api::Series series) { return static_cast<std::size_t>(series); }
constexpr api::Series seriesAt(std::size_t slot) { return static_cast<api::Series>(slot); }

struct LossPlot::Private {
  /// Bias-corrected exponential mean: the first points are not pulled towards zero.
  struct Mean {
    double sum = 0, weight = 0;
    double add(double beta, double value) {
      sum = beta * sum + (1 - beta) * value;
      weight = beta * weight + (1 - beta);
      return sum / weight;
    }
  };
  struct Run {
    QString name;                               ///< empty: the run itself
    std::array<QCPGraph*, kPlotSeries> line{};  ///< made when the first point comes
    std::array<QVector<QPointF>, kPlotSeries>
        points{};  ///< as measured, of those that are smoothed
    std::array<Mean, kPlotSeries> mean{};
    /// Of a curve in the legend.
    QString label(std::size_t place) const;
  };

  LossPlot* self = nullptr;
  QCustomPlot* plot = nullptr;
  std::array<Run, 1 + kOthers> runs;
  std::array<QCPGraph*, 2> raw{};  ///< unsmoothed subject and class, drawn faintly behind
  std::array<bool, kPlotSeries> shown{};
  QCPAxis* markAxis = nullptr;  ///< 0 bottom .. 1 top, never moved
  QCPGraph *samples = nullptr, *checkpoints = nullptr;
  QCPItemStraightLine *bestLine = nullptr, *cursor = nullptr;
  QCPItemText *bestText = nullptr, *empty = nullptr;
  QLabel* hover = nullptr;
  std::optional<qint64> best;
  double smoothing = 0.9;
  qint64 steps = 0;
  QPoint pressed;
  bool pending = false, zoomed = false;

  // loss_plot.cpp: what is drawn
  void build();
  void colours();
  QCPGraph* graph(int run, api::Series series);
  void append(int run, api::Series series, const QVector<QPointF>& points);
  void resmooth();
  void rescale();
  void placeBest();
  void replotNow();
  void replot();  ///< once for all changes until the event loop is reached
  /// The curves that are seen, each with its run and place.
  template <class F>
  void eachLine(F f) const {
    for (const Run& run : runs)
      for (std::size_t i = 0; i < kPlotSeries; ++i)
        if (QCPGraph* line = run.line[i]; line && line->visible() && !line->data()->isEmpty())
          f(run, i, line);
  }

  // loss_plot_view.cpp: what is seen of it
  void listen();
  void setZoomed(bool on);
  void zoom(double factor);
  void move(double part);
  void hoverAt(const QPoint& place);
  void unhover();
  std::optional<qint64> sampleAt(const QPoint& place) const;
};

}  // namespace likeness::ui
