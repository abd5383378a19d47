// How often training draws each noise level, as bars from clear to noisy.
#pragma once

#include <QWidget>
#include <vector>

#include "core/api/train_options.h"

namespace likeness::ui {

class TimestepPlot : public QWidget {
  Q_OBJECT
 public:
  explicit TimestepPlot(QWidget* parent = nullptr);
  /// Redraws, and says the same in words: "Mostly middle noise levels".
  void setLoss(const api::LossOptions& loss);
  const QString& words() const { return m_words; }
  const std::vector<double>& shares() const { return m_shares; }
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override { return sizeHint(); }

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  std::vector<double> m_shares;  ///< of each bar, 0..1
  QString m_words;
};

}  // namespace likeness::ui
