// The menus of the main window.
#include <QActionGroup>
#include <QApplication>
#include <QFileInfo>
#include <QMenuBar>

#include "ui/dialogs/dialog_service.h"
#include "ui/dialogs/info_dialogs.h"
#include "ui/main_window/main_window.h"
#include "ui/util/convert.h"
#include "ui/util/palette.h"

namespace likeness::ui {

QAction* MainWindow::addAction(QMenu* menu,
                               const char* name,
                               const QString& text,
                               const QKeySequence& keys,
                               std::function<void()> act) {
  QAction* action = menu->addAction(text);
  action->setObjectName(QLatin1String(name));
  action->setShortcut(keys);
  connect(action, &QAction::triggered, this, [act = std::move(act)] { act(); });
  return action;
}

void MainWindow::makeMenus() {
  QMenu* file = menuBar()->addMenu(tr("&File"));
  addAction(file, "actionNew", tr("&New project…"), QKeySequence::New, [this] { newProject(); });
  addAction(file, "actionOpen", tr("&Open…"), QKeySequence::Open, [this] { chooseProject(); });
  QMenu* recent = file->addMenu(tr("Open &recent"));
  recent->setObjectName("menuRecent");
  connect(recent, &QMenu::aboutToShow, this, [this, recent] { fillRecent(recent); });
  fillRecent(recent);
  addAction(file, "actionSample", tr("New &sample project…"), {}, [this] { newSample(); });
  file->addSeparator();
  addAction(file, "actionInspect", tr("&What is this file?…"), QKeySequence(tr("Ctrl+I")), [this] {
    chooseInspected();
  });
  file->addSeparator();
  m_projectActions << addAction(file, "actionSave", tr("&Save"), QKeySequence::Save, [this] {
    tell(m_project.save());
  }) << addAction(file, "actionFolder", tr("Open the project &folder"), {}, [this] {
    m_services.dialogs.showFolder(fromPath(m_project.project().folder));
  }) << addAction(file, "actionExport", tr("&Export…"), QKeySequence(tr("Ctrl+E")), [this] {
    showExport();
  }) << addAction(file, "actionClose", tr("&Close project"), QKeySequence::Close, [this] {
    if (letGo(tr("Stop it before the project is closed?"))) m_project.close();
  });
  file->addSeparator();
  addAction(file, "actionQuit", tr("&Quit"), QKeySequence::Quit, [this] {
    close();
  })->setMenuRole(QAction::QuitRole);

  QMenu* view = menuBar()->addMenu(tr("&View"));
  const std::pair<const char*, QString> pages[] = {{"actionPhotos", tr("&Photos")},
                                                   {"actionTrain", tr("&Train")},
                                                   {"actionCompare", tr("Co&mpare")},
                                                   {"actionCreate", tr("&Create")},
                                                   {"actionLibrary", tr("L&ibrary")}};
  for (int i = 0; i < static_cast<int>(std::size(pages)); ++i) {
    m_projectActions << addAction(view,
                                  pages[i].first,
                                  pages[i].second,
                                  QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_1 + i)),
                                  [this, i] { showPage(static_cast<Page>(i)); });
  }
  view->addSeparator();
  m_projectActions << addAction(view,
                                "actionRun",
                                tr("&Next action of this page"),
                                QKeySequence(Qt::CTRL | Qt::Key_Return),
                                [this] { runCurrent(); });
  m_projectActions << addAction(view,
                                "actionEnqueue",
                                tr("&Add it to the queue"),
                                QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_Return),
                                [this] { enqueueCurrent(); });
  view->addSeparator();
  addDockActions(view);
  view->addSeparator();
  addThemes(view->addMenu(tr("&Look")));

  QMenu* help = menuBar()->addMenu(tr("&Help"));
  addAction(help, "actionLog", tr("Open the &log folder"), {}, [this] {
    m_services.dialogs.showFolder(m_services.logFolder);
  });
  addAction(help, "actionAbout", tr("&About Likeness"), {}, [this] {
    showAbout(this, m_services.dialogs, m_services.logFolder);
  })->setMenuRole(QAction::AboutRole);
}

void MainWindow::fillRecent(QMenu* menu) {
  menu->clear();
  const QStringList folders = m_project.recent();
  for (const QString& folder : folders) {
    QAction* action = menu->addAction(QFileInfo(folder).completeBaseName());
    action->setToolTip(folder);
    connect(action, &QAction::triggered, this, [this, folder] { openProject(folder); });
  }
  if (folders.isEmpty()) menu->addAction(tr("No recent projects"))->setEnabled(false);
}

void MainWindow::addThemes(QMenu* menu) {
  auto* group = new QActionGroup(this);
  const std::pair<Theme, QString> themes[] = {{Theme::System, tr("Like the &system")},
                                              {Theme::Light, tr("&Light")},
                                              {Theme::Dark, tr("&Dark")},
                                              {Theme::HighContrast, tr("&High contrast")}};
  for (const auto& [theme, text] : themes) {
    QAction* action = menu->addAction(text);
    action->setObjectName(QStringLiteral("actionTheme%1").arg(static_cast<int>(theme)));
    action->setCheckable(true);
    action->setChecked(Palette::instance().theme() == theme);
    group->addAction(action);
    connect(action, &QAction::triggered, this, [theme = theme] {
      Palette::instance().setTheme(theme);
    });
  }
}

}  // namespace likeness::ui
