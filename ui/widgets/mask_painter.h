// Paints a mask over a picture: where it shall be drawn anew.
#pragma once

#include <QImage>
#include <QWidget>

#include "core/api/result.h"

class QPushButton;
class QToolButton;

namespace likeness::ui {

class MaskCanvas;
class ValueSlider;

/// The picture with a veil in the accent's colour where the mask, as large as it, is white.
QImage veiled(const QImage& picture, const QImage& mask);

/// By mouse: the left button paints, the right one erases. By keys: arrows move the brush, Space
/// paints, E erases, [ and ] change the brush, Ctrl+Z takes back, Escape is done.
class MaskPainter : public QWidget {
  Q_OBJECT
 public:
  explicit MaskPainter(QWidget* parent = nullptr);
  /// Begins on a picture with what was painted before: a mask of the same shape and any size, or
  /// null.
  void begin(const QImage& picture, const QImage& mask);
  /// Grey, as large as the picture: white = drawn anew. Null when nothing is at least half white.
  QImage mask() const;
  /// Writes mask() as a PNG into `folder`, which is made, and returns its path; empty without a
  /// mask. The name follows from the content, so no earlier mask, to which made pictures refer, is
  /// overwritten.
  api::Result<QString> save(const QString& folder) const;

 Q_SIGNALS:
  void done();

 protected:
  void keyPressEvent(QKeyEvent* event) override;

 private:
  void showState();

  MaskCanvas* m_canvas;
  ValueSlider* m_brush;
  QToolButton* m_erase;
  QPushButton *m_undo, *m_clear, *m_done;
};

}  // namespace likeness::ui
