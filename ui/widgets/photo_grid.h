// The photos as squares, cropped as training will see them; while it is empty, the place to drop
// them.
#pragma once

#include <QListView>

namespace likeness::ui {

class PhotoGrid : public QListView {
  Q_OBJECT
 public:
  explicit PhotoGrid(QWidget* parent = nullptr);
  /// Drawn while something that can be taken hovers over the window.
  void setDropHighlight(bool on);
  QList<int> selectedRows() const;

 Q_SIGNALS:
  void removeRequested();   ///< Delete key
  void excludeRequested();  ///< Space key
  void addRequested();      ///< a click while it is empty

 protected:
  void paintEvent(QPaintEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;

 private:
  bool isEmpty() const;
  bool m_highlight = false;
};

}  // namespace likeness::ui
