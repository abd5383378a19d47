#include "ui/widgets/timestep_plot.h"

#include <QPainter>
#include <QPainterPath>
#include <algorithm>

#include "core/api/timesteps.h"
#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr std::size_t kBars = 40;
constexpr int kBarsHeight = 56;  // pixels
constexpr double kAlike = 0.01;  // a difference that nobody sees
constexpr double kMostly = 0.5;

}  // namespace

TimestepPlot::TimestepPlot(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("timestepPlot"));
  setAccessibleName(tr("How often each noise level is trained"));
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  setTextRole(this, TextRole::Hint);
  connect(&Palette::instance(), &Palette::changed, this, qOverload<>(&QWidget::update));
  setLoss({});
}

void TimestepPlot::setLoss(const api::LossOptions& loss) {
  m_shares = api::timestepShares(loss, kBars);
  const std::vector<double> thirds = api::timestepShares(loss, 3);
  const auto largest = std::max_element(thirds.begin(), thirds.end());
  const double smallest = *std::min_element(thirds.begin(), thirds.end());
  const QString preferred[] = {
      tr("low noise levels"), tr("middle noise levels"), tr("high noise levels")};
  if (*largest <= 0) {
    m_words = tr("No noise level is left to train");
  } else if (*largest - smallest < kAlike) {
    m_words = tr("All noise levels alike");
  } else {
    m_words = (*largest >= kMostly ? tr("Mostly %1") : tr("More %1 than others"))
                  .arg(preferred[largest - thirds.begin()]);
  }
  const bool whole = loss.timestepMin <= 0 && loss.timestepMax >= 1000;
  if (!whole && *largest > 0)
    m_words =
        tr("%1, from %2 to %3 of 1000").arg(m_words).arg(loss.timestepMin).arg(loss.timestepMax);
  setAccessibleDescription(m_words);
  setToolTip(m_words);
  update();
}

QSize TimestepPlot::sizeHint() const {
  return {160, kBarsHeight + 4 + 3 * fontMetrics().lineSpacing()};
}

void TimestepPlot::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  const Colours& c = Palette::colours();
  const QRect bars(0, 0, width(), kBarsHeight);
  const QPainterPath well = paintWell(painter, bars);
  painter.setClipPath(well);
  const double most = *std::max_element(m_shares.begin(), m_shares.end());
  const double step = static_cast<double>(width()) / static_cast<double>(kBars);
  const bool mirrored = layoutDirection() == Qt::RightToLeft;
  for (std::size_t i = 0; i < kBars && most > 0; ++i) {
    const double height = m_shares[i] / most * (kBarsHeight - kGrid);
    const auto place = static_cast<double>(mirrored ? kBars - 1 - i : i);
    painter.fillRect(QRectF(place * step, kBarsHeight - height, step - 1, height), c.accent);
  }
  painter.setClipping(false);
  painter.setPen(c.muted);
  const int line = fontMetrics().lineSpacing();
  const QRect ends(0, kBarsHeight + 2, width(), line);
  painter.drawText(ends, Qt::AlignLeading, tr("clear"));
  painter.drawText(ends, Qt::AlignTrailing, tr("noisy"));
  painter.drawText(
      QRect(0, ends.bottom() + 2, width(), 2 * line), Qt::AlignLeading | Qt::TextWordWrap, m_words);
}

}  // namespace likeness::ui
