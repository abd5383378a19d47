// The docks of the main window and the foot of its rail: queue, log, device; and what the desktop
// is told about jobs.
#include <QMenu>
#include <QToolButton>

#include "ui/main_window/device_chip.h"
#include "ui/main_window/log_dock.h"
#include "ui/main_window/main_window.h"
#include "ui/main_window/queue_dock.h"
#include "ui/pages/create_page.h"
#include "ui/util/convert.h"
#include "ui/util/desktop.h"
#include "ui/util/icons.h"

namespace likeness::ui {

void MainWindow::makeDocks() {
  m_queue.watch(m_export);
  m_queue.watch(m_comparison.job(), false);  // cell by cell, as its page shows it
  m_queueDock = new QueueDock(m_queue, this);
  m_logDock = new LogDock(
      m_services.log,
      [this] {
        return m_project.isOpen() ? fromStd(m_services.workspace.toYaml(m_project.recipe()))
                                  : QString();
      },
      this);
  for (Dock* dock : {static_cast<Dock*>(m_queueDock), m_logDock}) {
    addDockWidget(Qt::BottomDockWidgetArea, dock);
    dock->hide();
  }
  m_queueButton = new QToolButton;
  m_queueButton->setObjectName("railQueue");
  m_queueButton->setProperty("rail", true);
  m_queueButton->setIcon(icon("queue"));
  m_queueButton->setIconSize({22, 22});
  m_queueButton->setToolButtonStyle(Qt::ToolButtonTextUnderIcon);
  m_queueButton->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  m_queueButton->setToolTip(tr("What runs and what waits (Ctrl+J)"));
  connect(m_queueButton, &QToolButton::clicked, this, [this] {
    m_queueDock->setVisible(m_queueDock->isHidden());
  });
  m_rail->addFoot(m_queueButton);
  m_rail->addFoot(new DeviceChip(m_services.machine));
  connect(&m_queue, &QueueModel::summaryChanged, this, &MainWindow::showQueueNote);
  connect(&m_queue, &QueueModel::ended, this, &MainWindow::tellEnd);
  showQueueNote();
}

void MainWindow::addDockActions(QMenu* menu) {
  const std::tuple<Dock*, const char*, QString, Qt::Key> docks[] = {
      {m_queueDock, "actionQueueDock", tr("&Queue"), Qt::Key_J},
      {m_logDock, "actionLogDock", tr("L&og"), Qt::Key_L}};
  for (const auto& [dock, name, text, key] : docks) {
    QAction* action = dock->toggleViewAction();
    action->setObjectName(QLatin1String(name));
    action->setText(text);
    action->setShortcut(QKeySequence(Qt::CTRL | key));
    menu->addAction(action);
  }
}

void MainWindow::showQueueNote() {
  const int jobs = m_queue.active() + m_queue.waiting();
  m_queueButton->setText(jobs > 0 ? tr("Queue %1").arg(jobs) : tr("Queue"));
  m_queueButton->setAccessibleName(jobs > 0 ? tr("Queue: %n job(s)", nullptr, jobs) : tr("Queue"));
  m_services.desktop.keepAwake(m_queue.active() > 0);
}

void MainWindow::enqueueCurrent() {
  if (m_page == Page::Train) enqueueTraining();
  if (m_page == Page::Create) m_createPage->enqueue();
}

void MainWindow::enqueueTraining() {
  if (!m_project.isOpen() || !m_training.problems().empty()) return;
  const auto& plan = m_training.plan();
  m_queue.add(m_training.request(), plan ? plan->seconds : 0);
  m_queueDock->show();
}

void MainWindow::enqueuePictures(const api::GenerateRequest& request) {
  m_queue.add(request);
  m_queueDock->show();
}

void MainWindow::tellEnd(const QueueEntry& entry) {
  // Who looks at the window sees it; who has stopped it knows it.
  if (isActiveWindow() || entry.outcome == JobState::Cancelled) return;
  const bool train = std::holds_alternative<api::TrainRequest>(entry.request);
  const bool exported = std::holds_alternative<api::ExportRequest>(entry.request);
  if (entry.outcome == JobState::Failed) {
    m_services.desktop.notify(tr("A job has failed"), entry.sentence);
    return;
  }
  m_services.desktop.notify(train      ? tr("Training is done")
                            : exported ? tr("The export is done")
                                       : tr("The pictures are done"),
                            m_project.name());
}

}  // namespace likeness::ui
