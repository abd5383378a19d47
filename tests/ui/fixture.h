// A whole window on a temporary project, with an engine that does what a test says and dialogs that
// a test answers.
#pragma once

#include <QSettings>
#include <QTemporaryDir>
#include <QTest>
#include <functional>
#include <map>
#include <memory>

#include "tests/support/fake_engine.h"
#include "ui/dialogs/dialog_service.h"
#include "ui/main_window/main_window.h"
#include "ui/models/log_model.h"
#include "ui/util/desktop.h"

namespace likeness::support {

/// Answers what was put in beforehand and records what was asked.
class FakeDialogs : public ui::DialogService {
 public:
  QString newProject(QWidget*) override { return nextProject; }
  QString openProject(QWidget*) override { return nextProject; }
  QStringList photos(QWidget*) override { return nextPhotos; }
  QString picture(QWidget*, const QString&) override { return nextPicture; }
  QString textFile(QWidget*, const QString&) override { return nextText; }
  QString modelFolder(QWidget*) override { return nextModel; }
  QStringList modelFiles(QWidget*, const QString&, bool) override { return nextModels; }
  QString savePicture(QWidget*, const QString& suggestion) override {
    suggested = suggestion;
    return nextFile;
  }
  QString saveTable(QWidget*, const QString& suggestion) override {
    suggested = suggestion;
    return nextFile;
  }
  QString exportTarget(QWidget*, const QString& suggestion, bool) override {
    suggested = suggestion;
    return nextFile;
  }
  int ask(QWidget*, const ui::Question& question) override {
    questions.push_back(question);
    return nextAnswer;
  }
  void showFolder(const QString& folder) override { shown = folder; }

  QString nextProject, nextModel, nextFile, nextPicture, nextText, suggested, shown;
  QStringList nextPhotos, nextModels;
  int nextAnswer = 0;
  std::vector<ui::Question> questions;
};

/// Records what the desktop was told; its trash is a folder.
class FakeDesktop : public ui::Desktop {
 public:
  explicit FakeDesktop(QString trash) : m_trash(std::move(trash)) {}
  void notify(const QString& title, const QString& text) override {
    notes.push_back(title + QLatin1Char('\n') + text);
  }
  void keepAwake(bool awake) override { keptAwake = awake; }
  bool moveToTrash(const QString& path) override;

  QStringList notes;
  bool keptAwake = false;

 private:
  QString m_trash;
};

class WindowFixture {
 public:
  WindowFixture();
  ~WindowFixture();

  /// A new window over the same folder and settings, as after a restart.
  void restart();
  /// A project with `photos` sharp photos and the class word filled in; waits until they were read.
  void makeProject(int photos = 4, const QString& classWord = QStringLiteral("dog"));
  QString path(const QString& name) const { return m_folder.filePath(name); }
  /// A sharp picture, different for every `shade`.
  QString makePhoto(const QString& name, int shade = 0, QSize size = {320, 240}) const;
  /// A file of weights, all zero, with the given tensors.
  QString makeWeights(const QString& name,
                      const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& shapes,
                      const std::map<std::string, std::string>& metadata = {}) const;
  QString makeLora(const QString& name) const;
  /// A valid run of the open project on disk, as a training leaves it.
  void makeRun(const QString& name, int checkpointStep, int plannedSteps, bool lora = false) const;

  template <class W = QWidget>
  W* find(const char* name) const {
    W* widget = window->findChild<W*>(QLatin1String(name));
    if (!widget) qFatal("no widget %s", name);
    return widget;
  }
  /// Real mouse and key events.
  void click(const char* name) const;
  void type(const char* name, const QString& text) const;
  /// Clears the field first.
  void retype(const char* name, const QString& text) const;
  QString textOf(const char* name) const;
  /// True when any message bar says something with `words` in it.
  bool told(const QString& words) const;
  void trigger(const char* action) const;
  /// Drags files over the window, or over one of its controls, and lets go. True when they were
  /// taken, as a copy.
  bool drop(const QStringList& paths, QWidget* target = nullptr) const;
  /// Lets queued events arrive.
  void settle() const;
  bool waitFor(const std::function<bool()>& condition) const {
    return QTest::qWaitFor(condition, 10000);
  }
  /// Saves a picture of the window when $LIKENESS_SCREENSHOTS names a folder.
  void shot(const QString& name) const;

  std::shared_ptr<FakeEngine> engine = std::make_shared<FakeEngine>();
  int enginesMade = 0;
  std::optional<api::Error> engineError;
  FakeDialogs dialogs;
  ui::MachineState machine{"Test(R) processor CPU @ 2.00GHz", 200, 500, 4096};
  ui::LogModel log;
  std::unique_ptr<FakeDesktop> desktop;
  std::unique_ptr<QSettings> settings;
  std::unique_ptr<api::Workspace> workspace;
  std::unique_ptr<ui::EngineBridge> bridge;
  std::unique_ptr<ui::MainWindow> window;

 private:
  QTemporaryDir m_folder;
};

/// main() of a test program: offscreen application, resources, then the class's slots.
int runTests(int argc, char** argv, const std::function<int(int, char**)>& exec);

}  // namespace likeness::support

#define LIKENESS_UI_TESTS(Class)                                                     \
  int main(int argc, char** argv) {                                                  \
    return likeness::support::runTests(argc, argv, [](int count, char** arguments) { \
      Class tests;                                                                   \
      return QTest::qExec(&tests, count, arguments);                                 \
    });                                                                              \
  }
