// The live curves: subject and class loss as they come, smoothed, and the probe that means
// something.
#pragma once

#include <QPointF>
#include <QVector>
#include <QWidget>
#include <memory>

#include "core/api/events.h"

namespace likeness::ui {

class LossPlot : public QWidget {
  Q_OBJECT
 public:
  explicit LossPlot(QWidget* parent = nullptr);
  ~LossPlot() override;

  void clear();
  /// Points must come with rising x.
  void append(api::Series series, const QVector<QPointF>& points);
  /// Steps of the whole run, so that the axis does not creep; 0 = follow the data.
  void setSteps(qint64 steps);
  /// A mark on the axis, where a checkpoint was saved.
  void addCheckpoint(qint64 step);
  void setVisibleSeries(api::Series series, bool visible);
  void setLogScale(bool log);
  /// 0 = raw, 1 = very smooth; of the subject and class losses.
  void setSmoothing(double amount);
  int pointCount(api::Series series) const;
  QSize minimumSizeHint() const override { return {240, 140}; }

 private:
  struct Private;
  std::unique_ptr<Private> d;
};

}  // namespace likeness::ui
