#include "app/application.h"

#include <QApplication>
#include <QLibraryInfo>
#include <QLocale>
#include <QThreadPool>
#include <QTranslator>

#include "core/base/file_system.h"
#include "core/base/log.h"
#include "core/config/config.h"
#include "core/remote/remote_engine.h"
#include "core/workspace/workspace.h"
#include "ui/util/convert.h"
#include "ui/util/palette.h"
#include "ui/util/setup.h"

namespace likeness::app {
namespace {

/// $LIKENESS_SETTINGS (a file) keeps tests and trials away from a person's own settings.
std::unique_ptr<QSettings> makeSettings() {
  const QString file = qEnvironmentVariable("LIKENESS_SETTINGS");
  return file.isEmpty() ? std::make_unique<QSettings>()
                        : std::make_unique<QSettings>(file, QSettings::IniFormat);
}

}  // namespace

Application::Application(QApplication& qt, const Arguments& arguments)
    : m_settings(makeSettings()) {
  base::setLogReceiver([this](base::LogLevel level, std::string_view message) {
    m_logLines.add(static_cast<ui::LogLevel>(level), message);
  });
  m_log = base::startLogging(base::defaultLogFolder(), false);
  translate(qt);
  ui::setUp(qt);
  ui::Palette::instance().start(*m_settings);
  m_workspace = workspace::makeWorkspace(base::findResources());
  m_engine = std::make_unique<ui::EngineBridge>(
      [resources = m_workspace->resources(),
       device = m_device]() -> api::Result<std::shared_ptr<api::Engine>> {
        api::EngineOptions options;
        options.resources = resources;
        options.log = [](int level, std::string_view message) {
          base::log(static_cast<base::LogLevel>(level), message);
        };
        auto engine = remote::startRemoteEngine(std::move(options));
        if (!engine) return api::fail(engine.error());
        device->take((*engine)->devices());
        return *engine;
      });
  m_window = std::make_unique<ui::MainWindow>(ui::Services{
      *m_workspace,
      *m_engine,
      *m_settings,
      m_dialogs,
      m_desktop,
      m_logLines,
      ui::fromPath(m_log.parent_path()),
      [device = m_device] { return machineState(*device); },
      {[](const api::GenerateRequest& request) { return config::toJson(request); },
       [](const std::string& text) { return config::generateRequestFromJson(text, "queue"); }}});
  if (!arguments.size.isEmpty()) m_window->resize(arguments.size);
  m_window->show();
  if (!arguments.widgetMap.isEmpty())
    m_widgetMap = std::make_unique<WidgetMap>(arguments.widgetMap);
  if (!arguments.project.isEmpty()) m_window->openProject(arguments.project);
}

Application::~Application() {
  ui::Palette::instance().forget();
  m_window.reset();
  m_engine.reset();
  QThreadPool::globalInstance()->waitForDone();
  base::setLogReceiver({});
}

void Application::translate(QApplication& qt) {
  // English too: its file holds the plural forms.
  auto* own = new QTranslator(&qt);
  if (own->load(
          QLocale(), QStringLiteral("likeness"), QStringLiteral("_"), QStringLiteral(":/i18n")) ||
      own->load(QStringLiteral(":/i18n/likeness_en.qm")))
    QApplication::installTranslator(own);
  auto* toolkit = new QTranslator(&qt);
  if (toolkit->load(QLocale(),
                    QStringLiteral("qtbase"),
                    QStringLiteral("_"),
                    QLibraryInfo::path(QLibraryInfo::TranslationsPath)))
    QApplication::installTranslator(toolkit);
}

}  // namespace likeness::app
