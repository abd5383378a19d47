// The window's composition root: the only place that sees the window, the workspace and the
// engine.
#pragma once

#include <QSettings>
#include <filesystem>
#include <memory>

#include "app/machine_state.h"
#include "app/widget_map.h"
#include "ui/dialogs/dialog_service.h"
#include "ui/main_window/main_window.h"
#include "ui/models/log_model.h"
#include "ui/util/desktop.h"

class QApplication;
class QTranslator;

namespace likeness::app {

struct Arguments {
  QString project;    ///< folder to open
  QSize size;         ///< of the window; empty = as it was last
  QString widgetMap;  ///< file for WidgetMap; empty = none
};

class Application {
 public:
  Application(QApplication& qt, const Arguments& arguments);
  /// Waits for work under way off the GUI thread, which uses the workspace.
  ~Application();

 private:
  void translate(QApplication& qt);

  ui::LogModel m_logLines;
  std::filesystem::path m_log;
  std::unique_ptr<QSettings> m_settings;
  std::unique_ptr<api::Workspace> m_workspace;
  ui::DialogService m_dialogs;
  ui::Desktop m_desktop;
  std::shared_ptr<ComputeDevice> m_device = std::make_shared<ComputeDevice>();
  std::unique_ptr<ui::EngineBridge> m_engine;
  std::unique_ptr<ui::MainWindow> m_window;
  std::unique_ptr<WidgetMap> m_widgetMap;
};

}  // namespace likeness::app
