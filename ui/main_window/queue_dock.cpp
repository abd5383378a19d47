#include "ui/main_window/queue_dock.h"

#include <QLabel>
#include <QPushButton>
#include <QToolButton>

#include "ui/util/icons.h"
#include "ui/util/texts.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/queue_list.h"

namespace likeness::ui {
namespace {

template <class W>
W* named(W* widget, const char* name, const QString& words) {
  widget->setObjectName(QLatin1String(name));
  widget->setAccessibleName(words);
  return widget;
}

QLabel* makeSummary() {
  QLabel* summary = makeHint();
  summary->setObjectName("queueSummary");
  summary->setWordWrap(false);
  summary->setProperty("wide", true);
  return summary;
}

}  // namespace

QueueDock::QueueDock(QueueModel& queue, QWidget* parent)
    : Dock("queueDock",
           tr("Queue"),
           named(new QueueList, "queueList", tr("Jobs in their order")),
           {makeSummary(),
            makeTool("queueUp", "move-up", tr("Earlier (Alt+Up)")),
            makeTool("queueDown", "move-down", tr("Later (Alt+Down)")),
            makeTool("queueRemove", "remove", tr("Take it away; what runs is stopped (Delete)")),
            makeButton("queueRepeat", tr("Repeat")),
            makeButton("queueClear", tr("Clear ended")),
            makeButton("queuePause", {})},
           parent),
      m_queue(queue),
      m_list(findChild<QueueList*>("queueList")),
      m_summary(findChild<QLabel*>("queueSummary")),
      m_pause(findChild<QPushButton*>("queuePause")),
      m_repeat(findChild<QPushButton*>("queueRepeat")),
      m_clear(findChild<QPushButton*>("queueClear")),
      m_remove(findChild<QToolButton*>("queueRemove")),
      m_up(findChild<QToolButton*>("queueUp")),
      m_down(findChild<QToolButton*>("queueDown")) {
  m_list->setModel(&queue);
  m_repeat->setIcon(icon("repeat"));
  m_clear->setIcon(icon("erase"));
  m_repeat->setToolTip(tr("The same once more, at the end; pictures with the next seeds"));
  m_pause->setToolTip(tr("What runs goes on, and nothing else begins"));
  connect(m_up, &QToolButton::clicked, this, [this] { move(-1); });
  connect(m_down, &QToolButton::clicked, this, [this] { move(1); });
  connect(m_remove, &QToolButton::clicked, this, [this] { m_queue.remove(row()); });
  connect(m_repeat, &QPushButton::clicked, this, [this] { m_queue.repeat(row()); });
  connect(m_clear, &QPushButton::clicked, &m_queue, &QueueModel::clearEnded);
  connect(m_pause, &QPushButton::clicked, this, [this] { m_queue.setPaused(!m_queue.paused()); });
  connect(m_list, &QueueList::removeRequested, this, [this] { m_queue.remove(row()); });
  connect(m_list, &QueueList::moveRequested, this, &QueueDock::move);
  connect(
      m_list->selectionModel(), &QItemSelectionModel::currentChanged, this, &QueueDock::showState);
  connect(&queue, &QueueModel::summaryChanged, this, &QueueDock::showState);
  showState();
}

int QueueDock::row() const {
  const QModelIndex current = m_list->currentIndex();
  return current.isValid() ? current.row() : -1;
}

void QueueDock::move(int by) {
  const int from = row();
  if (from >= 0 && m_queue.move(from, by)) m_list->scrollTo(m_list->currentIndex());
}

void QueueDock::showState() {
  QStringList parts;
  if (m_queue.active() > 0) parts << tr("%n running", nullptr, m_queue.active());
  if (m_queue.waiting() > 0) parts << tr("%n waiting", nullptr, m_queue.waiting());
  if (const QString left = Texts::duration(m_queue.secondsLeft()); !left.isEmpty())
    parts << tr("%1 left").arg(left);
  if (m_queue.paused()) parts << tr("paused");
  m_summary->setText(parts.join(QStringLiteral(" · ")));
  const int at = row();
  const bool any = at >= 0;
  const auto state = any ? m_queue.at(at).state : QueueEntry::State::Ended;
  const bool waits = any && state == QueueEntry::State::Waiting;
  const int first = m_queue.active(), last = first + m_queue.waiting() - 1;
  m_up->setEnabled(waits && at > first);
  m_down->setEnabled(waits && at < last);
  m_remove->setEnabled(any);
  m_repeat->setEnabled(m_queue.canRepeat(at));
  m_clear->setEnabled(m_queue.rowCount() > last + 1);
  m_pause->setText(m_queue.paused() ? tr("Go on") : tr("Pause"));
  m_pause->setIcon(icon(m_queue.paused() ? "play" : "pause"));
}

}  // namespace likeness::ui
