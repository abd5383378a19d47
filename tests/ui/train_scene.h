// A window with a project on its Train page, and the hands for it: trainings, curves, pictures.
#pragma once

#include <QLabel>
#include <QMouseEvent>
#include <QWheelEvent>

#include "core/config/config.h"
#include "core/image/photo.h"
#include "core/workspace/class_images.h"
#include "tests/ui/fixture.h"
#include "ui/util/convert.h"
#include "ui/widgets/lightbox.h"
#include "ui/widgets/loss_plot.h"
#include "ui/widgets/picture_strip.h"
#include "ui/widgets/sample_matrix.h"

namespace likeness::support {

class TrainScene : public WindowFixture {
 public:
  TrainScene() { makeProject(4); }

  ui::LossPlot& plot() { return *find<ui::LossPlot>("lossPlot"); }
  QWidget* canvas() { return plot().childAt(plot().rect().center()); }
  ui::SampleMatrix& matrix() { return *find<ui::SampleMatrix>("sampleMatrix"); }
  ui::PictureStrip& strip() { return *find<ui::PictureStrip>("classStrip"); }
  ui::Lightbox* lightbox() { return window->findChild<ui::Lightbox*>(); }
  QString caption() { return lightbox()->findChild<QLabel*>("lightboxCaption")->text(); }
  void key(Qt::Key key) { QTest::keyClick(lightbox(), key); }

  /// A training that has begun and waits for its steps; its script has 40, with samples of three
  /// prompts every 10 and before the first.
  api::JobId startTraining(int steps = 0) {
    window->showPage(ui::Page::Train);
    const api::JobId before = engine->lastJob();
    click("trainStart");
    if (!waitFor([&] { return engine->lastJob() > before; })) qFatal("no job was submitted");
    const api::JobId job = engine->lastJob();
    TrainingScript script;
    script.steps = 40;
    script.samplePrompts = 3;
    engine->scriptTraining(job, script);
    engine->advance(job, 13);  // everything before the first step
    for (int i = 0; i < 3; ++i)
      engine->emit(job,
                   api::PictureReady{api::PictureKind::Sample,
                                     testImage(64, 64, i),
                                     {},
                                     0,
                                     i,
                                     3,
                                     "prompt " + std::to_string(i),
                                     1});
    if (steps > 0) engine->advance(job, steps);
    settle();
    return job;
  }
  /// The curves arrive by a clock.
  void waitForCurves(int points) {
    QTRY_COMPARE(plot().pointCount(api::Series::SubjectLoss), points);
    settle();
  }
  static void mouse(QWidget* widget,
                    QEvent::Type type,
                    const QPoint& at,
                    Qt::MouseButtons buttons = Qt::NoButton,
                    Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
    const Qt::MouseButton button = type == QEvent::MouseMove ? Qt::NoButton : Qt::LeftButton;
    QMouseEvent event(type, at, widget->mapToGlobal(at), button, buttons, modifiers);
    QApplication::sendEvent(widget, &event);
  }
  void drag(const QPoint& from, const QPoint& to, Qt::KeyboardModifiers modifiers = {}) {
    QWidget* on = canvas();
    mouse(on, QEvent::MouseButtonPress, from, Qt::LeftButton, modifiers);
    mouse(on, QEvent::MouseMove, (from + to) / 2, Qt::LeftButton, modifiers);
    mouse(on, QEvent::MouseMove, to, Qt::LeftButton, modifiers);
    mouse(on, QEvent::MouseButtonRelease, to, Qt::NoButton, modifiers);
    settle();
  }
  void wheel(int delta, Qt::KeyboardModifiers modifiers = {}) {
    const QPointF at = QRectF(canvas()->rect()).center();
    QWheelEvent event(at,
                      canvas()->mapToGlobal(at),
                      {},
                      {0, delta},
                      Qt::NoButton,
                      modifiers,
                      Qt::NoScrollPhase,
                      false);
    QApplication::sendEvent(canvas(), &event);
    settle();
  }

  /// Class pictures as the engine leaves them, with their request inside.
  void makeClassPictures(int count, const std::string& prompt = "a photo of dog") {
    const auto folder = window->project().project().folder / "class-images" / "0123456789abcdef";
    for (int i = 0; i < count; ++i) {
      api::GenerateRequest request;
      request.prompt = prompt;
      request.seed = i + 1;
      writePicture(folder / workspace::classImageFile(static_cast<std::size_t>(i)), request, i);
    }
  }
  void writePicture(const std::filesystem::path& file, const api::GenerateRequest& request, int i) {
    std::filesystem::create_directories(file.parent_path());
    if (!image::writePng(file, testImage(96, 96, i), {{"likeness", config::toJson(request)}}))
      qFatal("cannot write a picture");
  }
  /// The project again, as after a restart.
  void reopen() {
    restart();
    window->openProject(path("bo.likeness"));
    window->showPage(ui::Page::Train);
    settle();
  }
};

}  // namespace likeness::support
