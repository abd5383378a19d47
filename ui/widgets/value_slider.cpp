#include "ui/widgets/value_slider.h"

#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QSlider>
#include <cmath>

namespace likeness::ui {

ValueSlider::ValueSlider(
    const char* name, double min, double max, double step, double sliderMax, QWidget* parent)
    : QWidget(parent),
      m_min(min),
      m_step(step),
      m_value(min),
      m_slider(new QSlider(Qt::Horizontal)),
      m_number(new QDoubleSpinBox) {
  m_slider->setObjectName(QLatin1String(name) + QLatin1String("Slider"));
  m_slider->setRange(0, static_cast<int>(std::lround((sliderMax - min) / step)));
  m_slider->setPageStep(std::max(1, m_slider->maximum() / 10));
  m_number->setObjectName(QLatin1String(name) + QLatin1String("Number"));
  m_number->setRange(min, max);
  m_number->setSingleStep(step);
  const auto isWhole = [](double number) { return std::abs(number - std::round(number)) < 1e-9; };
  m_number->setDecimals(isWhole(step) ? 0 : isWhole(step * 10) ? 1 : 2);
  m_number->setKeyboardTracking(false);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(8);
  row->addWidget(m_slider, 1);
  row->addWidget(m_number);
  setFocusProxy(m_slider);
  connect(m_slider, &QSlider::valueChanged, this, [this](int position) {
    // 0.95, not 0.9500000000000002: what is stored and shown elsewhere is what stands here.
    take(std::round((m_min + position * m_step) * 1e6) / 1e6);
  });
  connect(m_number, &QDoubleSpinBox::valueChanged, this, &ValueSlider::take);
}

void ValueSlider::setValue(double value) {
  m_value = value;
  const QSignalBlocker slider(m_slider), number(m_number);
  m_slider->setValue(static_cast<int>(std::lround((value - m_min) / m_step)));
  m_number->setValue(value);
}

void ValueSlider::setAccessibleTexts(const QString& name, const QString& help) {
  for (QWidget* widget : {static_cast<QWidget*>(m_slider), static_cast<QWidget*>(m_number)}) {
    widget->setAccessibleName(name);
    widget->setAccessibleDescription(help);
    widget->setToolTip(help);
  }
}

void ValueSlider::take(double value) {
  if (value == m_value) return;
  setValue(value);
  Q_EMIT edited(value);
}

}  // namespace likeness::ui
