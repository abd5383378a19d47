// The jobs under each other, two lines each; waiting ones are moved by dragging.
#pragma once

#include <QListView>

namespace likeness::ui {

class QueueList : public QListView {
  Q_OBJECT
 public:
  explicit QueueList(QWidget* parent = nullptr);

 Q_SIGNALS:
  void removeRequested();      ///< Delete key
  void moveRequested(int by);  ///< Alt and an arrow: -1 up, 1 down

 protected:
  void paintEvent(QPaintEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
};

}  // namespace likeness::ui
