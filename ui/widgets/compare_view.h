// One cell of a contact sheet, large; or two of them with a line between that can be moved. What is
// enlarged by wheel or keys stays so while others take its place.
#pragma once

#include <QImage>
#include <QWidget>

namespace likeness::ui {

class CompareView : public QWidget {
  Q_OBJECT
 public:
  explicit CompareView(QWidget* parent = nullptr);
  /// `badge` says what is seen when that is not plain; empty for none. `words` stand in place of a
  /// picture that is not there.
  void setPicture(const QImage& image, const QString& badge, const QString& words);
  /// Drawn left of the line; a null image takes the line away.
  void setBefore(const QImage& image);
  bool isDivided() const { return !m_before.isNull(); }
  /// Of the picture, 0..1: where the line stands.
  double divider() const { return m_divider; }
  /// Where the picture is drawn; larger than the view where it was enlarged.
  QRectF place() const;
  QSize sizeHint() const override { return {360, 300}; }
  QSize minimumSizeHint() const override { return {120, 120}; }

 Q_SIGNALS:
  /// An arrow key: to a neighbour.
  void moved(int rows, int columns);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void focusInEvent(QFocusEvent* event) override;
  void focusOutEvent(QFocusEvent* event) override;

 private:
  void setDivider(double divider);
  /// `point` stays over the same part of the picture.
  void zoom(double factor, QPointF point);
  void drag(QPointF to);

  QImage m_image, m_before;
  QString m_badge, m_words;
  double m_divider = 0.5;
  double m_zoom = 1;  ///< by what it would be as a whole
  QPointF m_shift;    ///< of its middle from the view's
  QPointF m_grip;     ///< where the mouse holds it
};

}  // namespace likeness::ui
