// The curves of the Train page under a person's hands: view, values, marks, other runs, keeping
// them.
#include <QAction>
#include <QCheckBox>
#include <QSlider>

#include "tests/ui/train_scene.h"
#include "ui/util/palette.h"

using namespace likeness;
using namespace likeness::support;
using api::Series;

class TestCurves : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<TrainScene> f;

 private Q_SLOTS:
  void init() { f = std::make_unique<TrainScene>(); }
  void cleanup() { f.reset(); }

  void theViewIsZoomedMovedAndReset() {
    f->startTraining(40);
    f->waitForCurves(40);
    const QRectF whole = f->plot().view();
    QVERIFY(!f->find("plotAll")->isVisible());
    f->wheel(120);
    const QRectF closer = f->plot().view();
    QVERIFY(closer.width() < whole.width());
    QCOMPARE(closer.height(), whole.height());
    QVERIFY(f->find("plotAll")->isVisible());
    f->wheel(120, Qt::ControlModifier);
    QVERIFY(f->plot().view().height() < closer.height());
    QCOMPARE(f->plot().view().width(), closer.width());

    const QPoint middle = f->canvas()->rect().center();
    f->drag(middle, middle + QPoint(60, 0));
    QVERIFY(f->plot().view().left() < closer.left());
    QVERIFY(std::abs(f->plot().view().width() - closer.width()) < 1e-9);
    f->click("plotAll");
    f->settle();
    QCOMPARE(f->plot().view(), whole);
    QVERIFY(!f->find("plotAll")->isVisible());

    f->drag(middle, middle + QPoint(80, 40), Qt::ShiftModifier);
    QVERIFY(f->plot().view().width() < whole.width() / 2);
    QVERIFY(f->plot().view().height() < whole.height());
    QVERIFY(f->find("plotAll")->isVisible());
    f->mouse(f->canvas(), QEvent::MouseButtonDblClick, middle, Qt::LeftButton);
    f->mouse(f->canvas(), QEvent::MouseButtonRelease, middle);
    f->settle();
    QCOMPARE(f->plot().view(), whole);
    // A hand that trembles while it clicks does not zoom.
    f->drag(middle, middle + QPoint(1, 1));
    QVERIFY(!f->find("plotAll")->isVisible());
  }

  void theViewIsMovedByKeys() {
    f->startTraining(20);
    f->waitForCurves(20);
    const QRectF whole = f->plot().view();
    f->plot().setFocus();
    QTest::keyClick(&f->plot(), Qt::Key_Plus);
    f->settle();
    QCOMPARE(f->plot().view().width(), whole.width() * 0.8);
    QTest::keyClick(&f->plot(), Qt::Key_Right);
    f->settle();
    QVERIFY(f->plot().view().left() > whole.left());
    QTest::keyClick(&f->plot(), Qt::Key_0);
    f->settle();
    QCOMPARE(f->plot().view(), whole);
  }

  void whatIsLookedAtStaysWhileTheRunGrows() {
    const api::JobId job = f->startTraining(20);
    f->waitForCurves(20);
    f->wheel(240);
    const QRectF seen = f->plot().view();
    f->engine->advance(job, 10);
    f->waitForCurves(30);
    QCOMPARE(f->plot().view(), seen);
    // A new run begins with everything.
    f->engine->playToEnd(job);
    f->settle();
    f->startTraining();
    f->settle();
    QVERIFY(!f->find("plotAll")->isVisible());
  }

  void hoveringTellsStepAndValues() {
    f->startTraining(30);
    f->waitForCurves(30);
    auto* hover = f->find<QLabel>("plotHover");
    f->mouse(f->canvas(), QEvent::MouseMove, f->canvas()->rect().center());
    QVERIFY(hover->isVisible());
    for (const char* words : {"step ", "subject", "class", "subject probe", "class probe"})
      QVERIFY2(hover->text().contains(words), words);
    QVERIFY(!hover->text().contains("learning rate"));
    f->settle();
    f->shot("train-hover");
    f->trigger("curve4");  // the learning rate
    f->click("series0");
    f->mouse(f->canvas(), QEvent::MouseMove, f->canvas()->rect().center() + QPoint(5, 0));
    QVERIFY(hover->text().contains("learning rate"));
    QVERIFY(!hover->text().contains("> subject<"));
    // Beyond the curves their last step is told.
    const QPoint beyond(f->canvas()->width() - 20, f->canvas()->height() / 2);
    f->mouse(f->canvas(), QEvent::MouseMove, beyond);
    QVERIFY(hover->text().contains("step 30<"));
    QEvent leave(QEvent::Leave);
    QApplication::sendEvent(f->canvas(), &leave);
    QVERIFY(!hover->isVisible());
  }

  void rarerCurvesAreChosenFromTheMenu() {
    const api::JobId job = f->startTraining();
    for (int step = 1; step <= 4; ++step)
      f->engine->pushMetric(job, {step, static_cast<Series>(7 + step), 0.1 * step});
    f->engine->advance(job, 10);
    f->waitForCurves(10);
    QCOMPARE(f->plot().pointCount(Series::LossBand2), 1);
    QVERIFY(!f->find("series9")->isVisible());
    f->trigger("curve9");
    QVERIFY(f->find("series9")->isVisible());
    QVERIFY(f->plot().isVisibleSeries(Series::LossBand2));
    // The right axis has one unit at a time.
    f->trigger("curve4");
    f->trigger("curve7");
    QVERIFY(f->plot().isVisibleSeries(Series::MemoryMiB));
    QVERIFY(!f->plot().isVisibleSeries(Series::LearningRate));
    QVERIFY(!f->find("series4")->isVisible());
    f->settle();
    f->shot("train-curves");
    f->click("series9");  // its chip takes it away again
    QVERIFY(!f->find<QAction>("curve9")->isChecked());
    QVERIFY(!f->plot().isVisibleSeries(Series::LossBand2));
    // Smoothing and scale keep every point.
    f->find<QSlider>("plotSmooth")->setValue(0);
    f->find<QCheckBox>("plotLog")->click();
    f->settle();
    QCOMPARE(f->plot().pointCount(Series::SubjectLoss), 10);
    QVERIFY(f->plot().view().top() > 0);
  }

  void aSampleMarkOpensItsSamples() {
    f->startTraining(25);
    f->waitForCurves(25);
    const QPoint mark = f->canvas()->mapFrom(&f->plot(), f->plot().sampleMark(20));
    f->mouse(f->canvas(), QEvent::MouseMove, mark);
    QVERIFY(f->find<QLabel>("plotHover")->text().contains("samples"));
    f->mouse(f->canvas(), QEvent::MouseButtonPress, mark, Qt::LeftButton);
    f->mouse(f->canvas(), QEvent::MouseButtonRelease, mark);
    QVERIFY(f->lightbox());
    QVERIFY2(f->caption().contains("Step 20"), qPrintable(f->caption()));
    // Between the marks nothing opens.
    f->key(Qt::Key_Escape);
    QTRY_VERIFY(!f->lightbox());
    const QPoint between = f->canvas()->mapFrom(&f->plot(), f->plot().sampleMark(15));
    f->mouse(f->canvas(), QEvent::MouseButtonPress, between, Qt::LeftButton);
    f->mouse(f->canvas(), QEvent::MouseButtonRelease, between);
    QVERIFY(!f->lightbox());
  }

  void theBestStepIsMarked() {
    const api::JobId job = f->startTraining(20);
    f->waitForCurves(20);
    const auto seen = [&] {
      f->settle();
      return f->plot().grab().toImage();
    };
    const QImage without = seen();
    f->engine->emit(job, api::Advice{api::AdviceState::Learning, 20, 0, 0, {}, {}, {}});
    QCOMPARE(seen(), without);  // the untrained model is no best one
    f->engine->emit(job, api::Advice{api::AdviceState::Enough, 20, 15, 0.3, {}, {}, {}});
    QVERIFY(seen() != without);
    f->shot("train-best");
    // Out of view, the words go with the line.
    const auto green = [&] {
      const QImage image = seen();
      int count = 0;
      for (int y = 0; y < image.height(); ++y)
        for (int x = 0; x < image.width(); ++x)
          count += image.pixelColor(x, y) == ui::Palette::colours().success;
      return count;
    };
    QVERIFY(green() > 0);
    f->plot().setFocus();
    for (int i = 0; i < 12; ++i) QTest::keyClick(&f->plot(), Qt::Key_Right);
    QCOMPARE(green(), 0);
  }

  void aDenseCurveIsDrawnThinAndWhole() {
    ui::LossPlot plot;
    plot.resize(600, 300);
    plot.setSmoothing(0);
    QVector<QPointF> curve;
    for (int step = 1; step <= 20000; ++step) curve.append({1.0 * step, step % 2 ? 0.1 : 0.9});
    plot.append(Series::SubjectLoss, curve);
    plot.show();
    f->settle();
    const QImage drawn = plot.grab().toImage();
    const QColor line = ui::Palette::colours().accent;
    int columns = 0;
    for (int x = 0; x < drawn.width(); ++x) {
      int ink = 0;
      for (int y = 0; y < drawn.height(); ++y) ink += drawn.pixelColor(x, y) == line;
      columns += ink > drawn.height() / 2;
    }
    QVERIFY2(columns > 400, qPrintable(QString::number(columns)));
  }

  void otherRunsAreLaidBeside() {
    for (const char* name : {"0001", "0002", "0003"}) f->makeRun(name, 12, 12);
    f->reopen();
    QTRY_COMPARE(f->plot().pointCount(Series::SubjectLoss), 12);  // the latest
    QVERIFY(!f->window->findChild<QAction*>("run:0003"));
    f->trigger("run:0001");
    QTRY_COMPARE(f->plot().pointCount(Series::SubjectLoss, 1), 12);
    f->trigger("run:0002");
    QTRY_COMPARE(f->plot().pointCount(Series::SubjectLoss, 2), 12);
    QCOMPARE(f->textOf("otherRun1"), QString("0001"));
    f->mouse(f->canvas(), QEvent::MouseMove, f->canvas()->rect().center());
    QVERIFY(f->find<QLabel>("plotHover")->text().contains("0001 subject"));
    f->settle();
    f->shot("train-runs");
    f->click("otherRun1");
    QCOMPARE(f->plot().pointCount(Series::SubjectLoss, 1), 0);
    QVERIFY(!f->find("otherRun1")->isVisible());
    QVERIFY(!f->find<QAction>("run:0001")->isChecked());
    f->trigger("run:0002");  // and by the menu
    QCOMPARE(f->plot().pointCount(Series::SubjectLoss, 2), 0);
    f->trigger("run:0002");
    QTRY_COMPARE(f->plot().pointCount(Series::SubjectLoss, 1), 12);
    // They belong to their project.
    f->dialogs.nextProject = f->path("second");
    f->trigger("actionNew");
    QCOMPARE(f->plot().pointCount(Series::SubjectLoss, 1), 0);
    QVERIFY(!f->find("otherRun1")->isVisible());
  }

  void moreRunsThanPlacesAreASentence() {
    for (int i = 1; i <= 6; ++i) f->makeRun(QStringLiteral("000%1").arg(i), 4, 4);
    f->reopen();
    QTRY_VERIFY(f->window->findChild<QAction*>("run:0001"));
    for (int i = 1; i <= 5; ++i) f->trigger(qPrintable(QStringLiteral("run:000%1").arg(i)));
    QVERIFY(f->told("beside this one already"));
    QVERIFY(!f->find<QAction>("run:0005")->isChecked());
  }

  void curvesAreKeptAsPictureAndTable() {
    f->startTraining(10);
    f->waitForCurves(10);
    f->dialogs.nextFile = f->path("kept.png");
    f->trigger("plotSavePicture");
    QTRY_VERIFY(f->told("kept.png"));
    QCOMPARE(f->dialogs.suggested, QString("curves 0001.png"));
    const QImage kept(f->path("kept.png"));
    QCOMPARE(kept.size(), QSize(2400, 1200));
    QVERIFY(kept.pixelColor(0, 0) == ui::Palette::colours().surface);
    f->dialogs.nextFile = f->path("kept.csv");
    f->trigger("plotSaveTable");
    QTRY_VERIFY(f->told("kept.csv"));
    QFile table(f->path("kept.csv"));
    QVERIFY(table.open(QIODevice::ReadOnly));
    const QList<QByteArray> lines = table.readAll().trimmed().split('\n');
    QCOMPARE(lines.size(), 11);
    QCOMPARE(lines[0], QByteArray("step,\"subject\",\"class\",\"subject probe\",\"class probe\""));
    QVERIFY(lines[5].startsWith("5,"));
    QVERIFY(lines[4].endsWith(",,"));  // no probe there
    QCOMPARE(lines[5].split(',').size(), 5);
    const double value = lines[3].split(',')[1].toDouble();
    QCOMPARE(value, f->window->training().curve(Series::SubjectLoss)[2].y());
    // Changing one's mind writes nothing; what cannot be written is a sentence.
    f->dialogs.nextFile.clear();
    f->trigger("plotSaveTable");
    f->dialogs.nextFile = f->path("no/folder/kept.csv");
    f->trigger("plotSaveTable");
    QTRY_VERIFY(f->told("could not be written"));
  }
};

LIKENESS_UI_TESTS(TestCurves)
#include "test_curves.moc"
