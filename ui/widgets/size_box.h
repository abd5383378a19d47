// The size of a picture: one of the usual ones, or width × height as it is written.
#pragma once

#include <QComboBox>

namespace likeness::ui {

class SizeBox : public QComboBox {
  Q_OBJECT
 public:
  /// `automatic` are the words for no size of one's own.
  explicit SizeBox(const QString& automatic, QWidget* parent = nullptr);
  /// Multiples of 8; 0 × 0 where no size is given.
  QSize pixels() const;
  void setPixels(QSize pixels);
};

}  // namespace likeness::ui
