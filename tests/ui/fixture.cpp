#include "tests/ui/fixture.h"

#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QDir>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFile>
#include <QImage>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPainter>
#include <QRandomGenerator>
#include <QThreadPool>
#include <QUrl>

#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/weights/safetensors.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/metrics_file.h"
#include "core/workspace/run_folder.h"
#include "core/workspace/workspace.h"
#include "ui/util/convert.h"
#include "ui/util/palette.h"
#include "ui/util/setup.h"
#include "ui/widgets/message_bar.h"

namespace likeness::support {

using namespace ui;

bool FakeDesktop::moveToTrash(const QString& path) {
  return QDir().mkpath(m_trash) &&
         QFile::rename(path, QDir(m_trash).filePath(QFileInfo(path).fileName()));
}

WindowFixture::WindowFixture() {
  desktop = std::make_unique<FakeDesktop>(path("trash"));
  settings = std::make_unique<QSettings>(path("settings.ini"), QSettings::IniFormat);
  workspace = workspace::makeWorkspace(base::findResources());
  restart();
}

WindowFixture::~WindowFixture() {
  window.reset();
  bridge.reset();
  QThreadPool::globalInstance()->waitForDone();
}

void WindowFixture::restart() {
  window.reset();
  bridge = std::make_unique<EngineBridge>([this]() -> api::Result<std::shared_ptr<api::Engine>> {
    ++enginesMade;
    if (engineError) return api::fail(*engineError);
    return std::static_pointer_cast<api::Engine>(engine);
  });
  window = std::make_unique<MainWindow>(Services{
      *workspace,
      *bridge,
      *settings,
      dialogs,
      *desktop,
      log,
      path("log"),
      [this] { return machine; },
      {[](const api::GenerateRequest& request) { return config::toJson(request); },
       [](const std::string& text) { return config::generateRequestFromJson(text, "queue"); }}});
  window->resize(1240, 780);
  window->show();
  if (!QTest::qWaitForWindowExposed(window.get())) qFatal("the window does not show");
}

QString WindowFixture::makePhoto(const QString& name, int shade, QSize size) const {
  QImage image(size, QImage::Format_RGB888);
  QRandomGenerator random(static_cast<quint32>(shade + 1));
  image.fill(QColor::fromHsv((shade * 67) % 360, 90, 200));
  QPainter painter(&image);
  for (int i = 0; i < 60; ++i) {  // hard edges everywhere: sharp, and unlike any other shade
    painter.fillRect(random.bounded(size.width()),
                     random.bounded(size.height()),
                     10 + random.bounded(60),
                     10 + random.bounded(60),
                     QColor::fromRgb(random.generate()));
  }
  painter.end();
  const QString file = path(name);
  if (!image.save(file)) qFatal("cannot write %s", qPrintable(file));
  return file;
}

void WindowFixture::makeProject(int photos, const QString& classWord) {
  dialogs.nextProject = path("bo.likeness");
  trigger("actionNew");
  QStringList files;
  for (int i = 0; i < photos; ++i) files << makePhoto(QStringLiteral("photo%1.png").arg(i), i);
  window->photos().add(files);
  window->project().edit([&](api::TrainRequest& recipe) {
    recipe.subject.name = "Bo";
    recipe.subject.classWord = toStd(classWord);
  });
  const bool read = waitFor([&] {
    const PhotosModel& model = window->photos();
    if (model.rowCount() != photos) return false;
    for (int i = 0; i < photos; ++i)
      if (model.index(i).data(PhotosModel::SizeRole).toSize().isEmpty()) return false;
    return true;
  });
  if (!read) qFatal("the photos were not read");
}

QString WindowFixture::makeWeights(
    const QString& name,
    const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& shapes,
    const std::map<std::string, std::string>& metadata) const {
  std::vector<weights::TensorSource> sources;
  for (const auto& [key, shape] : shapes) {
    std::int64_t bytes = 4;
    for (const std::int64_t side : shape) bytes *= side;
    sources.push_back({key, weights::ScalarType::F32, shape, [bytes](const auto& sink) {
                         return sink(std::vector<std::byte>(static_cast<std::size_t>(bytes)));
                       }});
  }
  const QString file = path(name);
  if (!weights::writeSafetensors(toPath(file), std::move(sources), metadata))
    qFatal("cannot write %s", qPrintable(file));
  return file;
}

QString WindowFixture::makeLora(const QString& name) const {
  return makeWeights(
      name,
      {{"lora_unet_a_to_q.lora_down.weight", {8, 32}},
       {"lora_unet_a_to_q.lora_up.weight", {32, 8}}},
      {{"modelspec.trigger_phrase", "sks dog, a very good one"}, {"ss_network_dim", "8"}});
}

void WindowFixture::makeRun(const QString& name,
                            int checkpointStep,
                            int plannedSteps,
                            bool lora) const {
  api::TrainRequest request = window->project().recipe();
  request.runFolder = window->project().project().folder / "runs" / toPath(name);
  request.training.steps = plannedSteps;
  request.training.method = lora ? api::Method::Lora : api::Method::Full;
  std::filesystem::create_directories(request.runFolder);
  if (!workspace::writeRunRequest(request)) qFatal("cannot write the run");
  std::string rows = workspace::metricsHeader();
  for (int step = 1; step <= checkpointStep; ++step)
    rows += workspace::metricsRow(
        step,
        {{step, api::Series::SubjectLoss, 0.5 / step}, {step, api::Series::StepSeconds, 0.25}});
  const auto write = [](const std::filesystem::path& file, const std::string& text) {
    QFile out(fromPath(file));
    if (!out.open(QIODevice::WriteOnly)) qFatal("cannot write %s", qPrintable(out.fileName()));
    out.write(text.data(), static_cast<qint64>(text.size()));
  };
  write(request.runFolder / workspace::kMetricsFile, rows);
  const auto folder = workspace::checkpointFolder(request.runFolder, checkpointStep);
  std::filesystem::create_directories(folder);
  const std::string_view file = lora ? workspace::kAdapterFile : workspace::kUnetFile;
  write(folder / file, "weights");
  workspace::CheckpointManifest manifest;
  manifest.step = checkpointStep;
  manifest.kind = request.training.method;
  manifest.alpha = lora ? 16 : 0;
  manifest.finished = checkpointStep == plannedSteps;
  manifest.created = "2026-05-01T12:00:00Z";
  manifest.files = {{std::string(file), 7, std::string(64, '0')}};
  if (!workspace::writeManifest(folder, manifest)) qFatal("cannot write the manifest");
}

void WindowFixture::click(const char* name) const {
  auto* widget = find<QWidget>(name);
  if (!widget->isVisible() || !widget->isEnabled()) qFatal("%s cannot be clicked", name);
  QTest::mouseClick(widget, Qt::LeftButton);
}

void WindowFixture::type(const char* name, const QString& text) const {
  auto* widget = find<QWidget>(name);
  widget->setFocus();
  QTest::keyClicks(widget, text);
}

void WindowFixture::retype(const char* name, const QString& text) const {
  auto* widget = find<QWidget>(name);
  widget->setFocus();
  QTest::keyClick(widget, Qt::Key_A, Qt::ControlModifier);
  QTest::keyClick(widget, Qt::Key_Delete);
  QTest::keyClicks(widget, text);
}

QString WindowFixture::textOf(const char* name) const {
  auto* widget = find<QWidget>(name);
  if (widget->isHidden()) return {};
  return widget->property("text").toString();
}

bool WindowFixture::told(const QString& words) const {
  const auto bars = window->findChildren<MessageBar*>();
  return std::any_of(
      bars.begin(), bars.end(), [&](MessageBar* bar) { return bar->sentence().contains(words); });
}

bool WindowFixture::drop(const QStringList& paths, QWidget* target) const {
  if (!target) target = window.get();
  QMimeData data;
  QList<QUrl> urls;
  for (const QString& path : paths) urls << QUrl::fromLocalFile(path);
  data.setUrls(urls);
  QDragEnterEvent enter(
      QPoint(300, 300), Qt::CopyAction | Qt::MoveAction, &data, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(target, &enter);
  if (!enter.isAccepted()) return false;
  QDropEvent event(
      QPointF(300, 300), Qt::CopyAction | Qt::MoveAction, &data, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(target, &event);
  return event.isAccepted() && event.dropAction() == Qt::CopyAction;
}
void WindowFixture::trigger(const char* action) const { find<QAction>(action)->trigger(); }

void WindowFixture::settle() const {
  for (int i = 0; i < 3; ++i) {
    QThreadPool::globalInstance()->waitForDone();
    QCoreApplication::processEvents();
  }
}

void WindowFixture::shot(const QString& name) const {
  const QString folder = qEnvironmentVariable("LIKENESS_SCREENSHOTS");
  if (folder.isEmpty()) return;
  QDir().mkpath(folder);
  QCoreApplication::processEvents();
  window->grab().save(QDir(folder).filePath(name + QStringLiteral(".png")));
}

int runTests(int argc, char** argv, const std::function<int(int, char**)>& exec) {
  qputenv("QT_QPA_PLATFORM",
          qEnvironmentVariableIsSet("QT_QPA_PLATFORM") ? qgetenv("QT_QPA_PLATFORM") : "offscreen");
  QApplication application(argc, argv);
  QApplication::setApplicationName("likeness-tests");
  QLocale::setDefault(QLocale::c());
  ui::setUp(application);
  QTemporaryDir folder;
  QSettings settings(folder.filePath("theme.ini"), QSettings::IniFormat);
  settings.setValue("theme", qEnvironmentVariableIntValue("LIKENESS_THEME"));
  ui::Palette::instance().start(settings);
  const int failed = exec(argc, argv);
  ui::Palette::instance().forget();
  return failed;
}

}  // namespace likeness::support
