// One picture, as large as it fits, or a sentence saying what will be there.
#pragma once

#include <QImage>
#include <QWidget>
#include <optional>

namespace likeness::ui {

class ImageView : public QWidget {
  Q_OBJECT
 public:
  explicit ImageView(QWidget* parent = nullptr);
  void setImage(const QImage& image);
  const QImage& image() const { return m_image; }
  /// Shown while there is no picture.
  void setPlaceholder(const QString& text, const char* icon);
  /// Frame around what training sees: fractions of the picture; none = no frame.
  void setFrame(std::optional<QRectF> frame);
  /// A small word in the corner, "rough look"; empty for none.
  void setBadge(const QString& text);
  QSize sizeHint() const override { return {360, 300}; }
  QSize minimumSizeHint() const override { return {120, 120}; }

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QImage m_image;
  QString m_placeholder, m_badge;
  QByteArray m_icon;
  std::optional<QRectF> m_frame;
};

}  // namespace likeness::ui
