// The queue in the window: what runs, what waits, what has ended, and what can be done with it.
#pragma once

#include "ui/models/queue_model.h"
#include "ui/widgets/dock.h"

class QLabel;
class QPushButton;
class QToolButton;

namespace likeness::ui {

class QueueList;

class QueueDock : public Dock {
  Q_OBJECT
 public:
  explicit QueueDock(QueueModel& queue, QWidget* parent = nullptr);

 private:
  int row() const;
  void move(int by);
  void showState();

  QueueModel& m_queue;
  QueueList* m_list;
  QLabel* m_summary;
  QPushButton *m_pause, *m_repeat, *m_clear;
  QToolButton *m_remove, *m_up, *m_down;
};

}  // namespace likeness::ui
