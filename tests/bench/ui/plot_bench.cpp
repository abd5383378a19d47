// Times the loss plot while a person drags it:
//   plot_bench [POINTS]     each of 4 curves, 100000 unless told
// Milliseconds of a redraw, painting included, on a plot of 1200 x 500 pixels; offscreen unless
// QT_QPA_PLATFORM says otherwise. Goal: under 16 ms.
#include <QApplication>
#include <QElapsedTimer>
#include <QMouseEvent>
#include <QRandomGenerator>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "ui/util/setup.h"
#include "ui/widgets/loss_plot.h"

using namespace likeness;

namespace {

constexpr int kRedraws = 100;

void time(const char* what, const std::function<void(int)>& redraw) {
  std::vector<double> ms;
  QElapsedTimer clock;
  for (int i = 0; i < kRedraws; ++i) {
    clock.start();
    redraw(i);
    ms.push_back(static_cast<double>(clock.nsecsElapsed()) / 1e6);
  }
  std::sort(ms.begin(), ms.end());
  std::printf("%-28s median %6.2f ms   slowest %6.2f ms\n", what, ms[ms.size() / 2], ms.back());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM")) qputenv("QT_QPA_PLATFORM", "offscreen");
  QApplication application(argc, argv);
  ui::setUp(application);
  const int points = argc > 1 ? QByteArray(argv[1]).toInt() : 100000;
  if (points <= 0) {
    std::fprintf(stderr, "usage: plot_bench [POINTS]\n");
    return 2;
  }
  ui::LossPlot plot;
  plot.resize(1200, 500);
  QRandomGenerator random(1);
  for (const api::Series series : {api::Series::SubjectLoss,
                                   api::Series::ClassLoss,
                                   api::Series::LossBand1,
                                   api::Series::LossBand2}) {
    QVector<QPointF> curve;
    for (int step = 1; step <= points; ++step)
      curve.append({static_cast<double>(step),
                    0.1 + 0.2 * std::exp(-3.0 * step / points) + 0.1 * random.generateDouble()});
    plot.append(series, curve);
    plot.setVisibleSeries(series, true);
  }
  plot.show();
  QCoreApplication::processEvents();
  std::printf("4 curves of %d points\n", points);
  QWidget* canvas = plot.childAt(plot.rect().center());
  const QPoint middle = canvas->rect().center();
  const auto mouse = [&](QEvent::Type type, const QPoint& at) {
    QMouseEvent event(type,
                      at,
                      canvas->mapToGlobal(at),
                      type == QEvent::MouseMove ? Qt::NoButton : Qt::LeftButton,
                      Qt::LeftButton,
                      Qt::NoModifier);
    QApplication::sendEvent(canvas, &event);
    QCoreApplication::processEvents();
  };
  const auto dragged = [&](int i) {
    mouse(QEvent::MouseMove, middle + QPoint(i % 2 ? 20 : -20, 0));
  };
  mouse(QEvent::MouseButtonPress, middle);
  time("dragging, everything seen", dragged);
  mouse(QEvent::MouseButtonRelease, middle);
  for (const bool smooth : {false, true}) {
    plot.setSmoothing(smooth ? 0.99 : 0);
    plot.resetView();
    QCoreApplication::processEvents();
    time(smooth ? "at rest, smooth" : "at rest, raw", [&](int i) {
      plot.setSteps(points + i);
      QCoreApplication::processEvents();
    });
  }
  return 0;
}
