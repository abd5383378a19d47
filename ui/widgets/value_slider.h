// A slider and the number beside it, kept equal.
#pragma once

#include <QWidget>

class QDoubleSpinBox;
class QSlider;

namespace likeness::ui {

class ValueSlider : public QWidget {
  Q_OBJECT
 public:
  /// `name` becomes NAMESlider and NAMENumber of the two controls. `sliderMax` may be below `max`:
  /// the number reaches further than the slider.
  ValueSlider(const char* name,
              double min,
              double max,
              double step,
              double sliderMax,
              QWidget* parent = nullptr);
  double value() const { return m_value; }
  /// Emits nothing.
  void setValue(double value);
  void setAccessibleTexts(const QString& name, const QString& help);

 Q_SIGNALS:
  void edited(double value);  ///< by the person

 private:
  void take(double value);
  double m_min, m_step, m_value;
  QSlider* m_slider;
  QDoubleSpinBox* m_number;
};

}  // namespace likeness::ui
