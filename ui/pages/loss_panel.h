// The plot with its title, a switch per curve and its scale: the card of the Train page.
#pragma once

#include <QFrame>
#include <array>

#include "core/api/events.h"

class QLabel;

namespace likeness::ui {

class LossPlot;

class LossPanel : public QFrame {
  Q_OBJECT
 public:
  /// The curves that are plotted.
  static constexpr std::array kSeries{api::Series::SubjectLoss,
                                      api::Series::ClassLoss,
                                      api::Series::ProbeSubject,
                                      api::Series::ProbeClass,
                                      api::Series::LearningRate};

  explicit LossPanel(QWidget* parent = nullptr);
  LossPlot& plot() { return *m_plot; }
  void setTitle(const QString& title);
  /// Adds to each curve what belongs to it; other series are left out.
  void append(const std::vector<api::MetricSample>& samples);

 private:
  QWidget* makeSwitch(api::Series series);
  QLabel* m_title;
  LossPlot* m_plot;
};

}  // namespace likeness::ui
