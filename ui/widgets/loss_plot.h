// The live curves of a run, with those of other runs behind them: losses as they come, smoothed,
// and the probes that mean something.
#pragma once

#include <QImage>
#include <QPen>
#include <QPointF>
#include <QVector>
#include <QWidget>
#include <array>
#include <memory>
#include <optional>

#include "core/api/events.h"

namespace likeness::ui {

/// Wheel = zoom along the steps (with Ctrl along the values), drag = move, Shift and drag = zoom
/// into a rectangle, double click = everything again; by keys: +, -, left, right, 0.
class LossPlot : public QWidget {
  Q_OBJECT
 public:
  /// Drawn on the left axis.
  static constexpr std::array kLosses{api::Series::SubjectLoss,
                                      api::Series::ClassLoss,
                                      api::Series::ProbeSubject,
                                      api::Series::ProbeClass,
                                      api::Series::LossBand1,
                                      api::Series::LossBand2,
                                      api::Series::LossBand3,
                                      api::Series::LossBand4};
  /// Each has a unit of its own: drawn on the right axis, one at a time makes sense.
  static constexpr std::array kMeasures{api::Series::LearningRate,
                                        api::Series::GradNorm,
                                        api::Series::StepSeconds,
                                        api::Series::MemoryMiB,
                                        api::Series::ClassDrift,
                                        api::Series::DinoLikeness,
                                        api::Series::ClipLikeness,
                                        api::Series::ClipPrompt};
  static bool isMeasure(api::Series series);
  /// How a curve is drawn: `run` 0 is the run itself, 1.. are those beside it.
  static QPen pen(api::Series series, int run = 0);
  /// So many runs can stand beside the run itself.
  static constexpr int kOthers = 4;

  explicit LossPlot(QWidget* parent = nullptr);
  ~LossPlot() override;

  /// Without the run itself; those beside it stay.
  void clear();
  /// Points must come with rising x.
  void append(api::Series series, const QVector<QPointF>& points);
  /// Steps of the whole run, so that the axis does not creep; 0 = follow the data.
  void setSteps(qint64 steps);
  /// Marks on the axis: where samples were made, and where checkpoints were saved.
  void addSample(qint64 step);
  void addCheckpoint(qint64 step);
  void setCheckpoints(const std::vector<std::int64_t>& steps);
  void setBest(std::optional<qint64> step);
  void setVisibleSeries(api::Series series, bool visible);
  bool isVisibleSeries(api::Series series) const;
  void setLogScale(bool log);
  /// 0 = raw, 1 = very smooth; of what is measured anew in every step.
  void setSmoothing(double amount);
  int pointCount(api::Series series, int run = 0) const;

  /// Another run in place 1 .. kOthers; it replaces the one that was there.
  void setOther(int place, const QString& name, const std::vector<api::MetricSample>& samples);
  void removeOther(int place);

  /// What is seen: steps from left() to right(), values from top() to bottom().
  QRectF view() const;
  void resetView();
  /// Where the mark of a sample is drawn, in pixels of this widget.
  QPoint sampleMark(qint64 step) const;
  /// What is seen with a legend, at twice the size; not the hovered values.
  QImage picture(const QSize& size);
  QSize minimumSizeHint() const override { return {240, 140}; }

 Q_SIGNALS:
  /// Whether less than everything is seen.
  void zoomChanged(bool zoomed);
  void sampleClicked(qint64 step);

 protected:
  void keyPressEvent(QKeyEvent* event) override;
  void focusInEvent(QFocusEvent* event) override;
  void focusOutEvent(QFocusEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  struct Private;
  std::unique_ptr<Private> d;
};

}  // namespace likeness::ui
