// The cells of the Compare page: looked at by keys and mouse, and what they are good for.
#include <QAbstractButton>
#include <QApplication>
#include <QDir>
#include <QSpinBox>
#include <QWheelEvent>

#include "tests/ui/compare_fixture.h"
#include "ui/util/picture_file.h"
#include "ui/widgets/compare_view.h"

using namespace likeness;
using namespace likeness::support;
using ui::CellState;
using ui::CompareModel;
using ui::Page;

class TestCompareCells : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<CompareFixture> f;

 private Q_SLOTS:
  void init() { f = std::make_unique<CompareFixture>(); }
  void cleanup() { f.reset(); }

  void cellsAreLookedAtByKeysAndMouse() {
    f->begin();
    f->retype("compareColumnsNumbers", "2, 4");
    f->compare();
    f->drawAll();
    auto* large = f->find<ui::CompareView>("compareLarge");
    QTest::mouseClick(f->sheet()->viewport(),
                      Qt::LeftButton,
                      {},
                      f->sheet()->visualRect(f->model().index(0, 0)).center());
    QVERIFY(large->isVisible());
    QVERIFY(large->hasFocus());
    f->press(Qt::Key_M);
    f->press(Qt::Key_Right);
    QCOMPARE(f->sheet()->currentIndex(), f->model().index(0, 1));
    f->press(Qt::Key_Right);  // the edge
    f->press(Qt::Key_Down);
    QCOMPARE(f->sheet()->currentIndex(), f->model().index(1, 1));
    QVERIFY(f->textOf("compareCaption").contains("step 40"));
    f->shot("compare-large");
    f->press(Qt::Key_Space);
    QVERIFY(f->textOf("compareCaption").contains("step 20"));
    f->press(Qt::Key_Space);
    QVERIFY(f->textOf("compareCaption").contains("step 40"));
    QVERIFY(!large->isDivided());
    f->press(Qt::Key_D);
    QVERIFY(large->isDivided());
    f->press(Qt::Key_Right, Qt::ShiftModifier);
    QVERIFY(large->divider() > 0.5);
    QTest::mouseClick(large, Qt::LeftButton, {}, large->rect().center());
    QVERIFY(qAbs(large->divider() - 0.5) < 0.01);
    f->shot("compare-divided");
    f->press(Qt::Key_D);
    QVERIFY(!large->isDivided());
    f->press(Qt::Key_Escape);
    QVERIFY(f->sheet()->isVisible());
    QVERIFY(f->sheet()->hasFocus());
    f->press(Qt::Key_Left);
    QCOMPARE(f->sheet()->currentIndex(), f->model().index(1, 0));
    f->press(Qt::Key_Space);  // in its place on the sheet, too
    QVERIFY(f->textOf("compareCaption").contains("step 20"));
    f->shot("compare-flicked");
    f->press(Qt::Key_Left);
    f->press(Qt::Key_Return);
    QVERIFY(large->isVisible());
    f->click("compareBack");
    QVERIFY(f->sheet()->isVisible());
  }

  void whatIsEnlargedStaysSoForOtherCells() {
    f->begin();
    f->retype("compareColumnsNumbers", "2, 4");
    f->compare();
    f->drawAll();
    f->sheet()->setFocus();
    f->press(Qt::Key_Return);
    auto* large = f->find<ui::CompareView>("compareLarge");
    const QRectF whole = large->place();
    QVERIFY(QRectF(large->rect()).contains(whole));
    const QPointF middle = QRectF(large->rect()).center(), point(middle + QPointF(60, 30));
    QWheelEvent wheel(point,
                      large->mapToGlobal(point),
                      {},
                      {0, 600},
                      Qt::NoButton,
                      Qt::NoModifier,
                      Qt::NoScrollPhase,
                      false);
    QApplication::sendEvent(large, &wheel);
    const QRectF enlarged = large->place();
    QVERIFY(enlarged.width() > 2 * whole.width());
    // The part under the pointer is where it was.
    const auto part = [&](const QRectF& place) { return (point.x() - place.x()) / place.width(); };
    QVERIFY(qAbs(part(enlarged) - part(whole)) < 1e-6);
    f->press(Qt::Key_Right);
    QCOMPARE(large->place(), enlarged);
    QTest::mousePress(large, Qt::LeftButton, {}, middle.toPoint());
    QTest::mouseMove(large, middle.toPoint() + QPoint(20, 0));
    QCOMPARE(large->place().x(), enlarged.x() + 20);
    QTest::mouseMove(large, middle.toPoint() + QPoint(9999, 0));  // to its edge
    QTest::mouseRelease(large, Qt::LeftButton, {}, middle.toPoint());
    QVERIFY(large->place().x() < 8.1 && large->place().right() > large->width() - 8.1);
    f->press(Qt::Key_Minus);
    QVERIFY(large->place().width() < enlarged.width());
    f->press(Qt::Key_0);
    QCOMPARE(large->place(), whole);
    f->press(Qt::Key_Plus);
    QVERIFY(large->place().width() > whole.width());
  }

  void spaceMarksWhereNothingIsMarked() {
    f->begin();
    f->retype("compareColumnsNumbers", "2, 4");
    f->compare();
    f->drawAll();
    f->sheet()->setFocus();
    f->press(Qt::Key_Space);
    f->press(Qt::Key_Right);
    f->press(Qt::Key_Space);
    QCOMPARE(f->textOf("compareCaption"), QString("Run 0001, step 20 · guidance 2"));
    f->press(Qt::Key_Right);
    f->click("compareStart");  // a new sheet has no mark
    f->settle();
    QVERIFY(!f->find("compareDivide")->isEnabled());
  }

  void theBestIsChosenAndOfferedEverywhere() {
    f->begin();
    f->retype("compareColumnsNumbers", "2");
    f->compare();
    f->drawAll();
    f->sheet()->setCurrentIndex(f->model().index(0, 0));
    f->click("compareBest");
    QVERIFY(f->told("Step 20 is the best of run 0001"));
    QCOMPARE(f->window->training().runs().front().best, std::optional<std::int64_t>(20));
    auto* weights = f->find<QComboBox>("weights");
    QVERIFY(weights->findText("Run 0001, best (step 20)") >= 0);
    QVERIFY(f->textOf("railTrain").contains("best at 20"));
    f->click("compareExport");
    QCOMPARE(f->find<QComboBox>("exportCheckpoint")->currentText(), QString("best, step 20"));
    f->click("exportClose");
    f->restart();
    f->window->openProject(f->path("bo.likeness"));
    QTRY_COMPARE(f->window->training().runs().size(), std::size_t{1});
    QCOMPARE(f->window->training().runs().front().best, std::optional<std::int64_t>(20));
  }

  void aCellGoesOnInCreate() {
    f->begin();
    f->find<QSpinBox>("compareSeed")->setValue(77);
    f->retype("compareColumnsNumbers", "3.5");
    f->choose("compareRowsAxis", api::Axis::Checkpoint);
    f->compare();
    const api::GenerateRequest first = f->asked();
    f->drawAll();
    f->sheet()->setCurrentIndex(f->model().index(0, 0));
    f->click("compareCreate");
    QCOMPARE(f->window->currentPage(), Page::Create);
    QVERIFY(f->told("chosen cell"));
    const api::JobId before = f->engine->lastJob();
    f->click("generate");
    QTRY_VERIFY(f->engine->lastJob() > before);
    api::GenerateRequest again = f->asked();
    QCOMPARE(ui::fromPath(again.outFolder), f->path("bo.likeness/outputs"));
    QCOMPARE(again.model.path, first.model.path);
    again.outFolder = first.outFolder;
    again.previewEvery = first.previewEvery;
    again.model = first.model;  // "20" may be called latest or best there
    QVERIFY(again == first);
    f->engine->emit(f->engine->lastJob(), api::JobFinished{api::Completed{}});
    f->settle();
  }

  void picturesAndTheSheetAreSaved() {
    f->begin();
    f->retype("compareColumnsNumbers", "2, 4");
    f->compare();
    f->draw(1);
    f->draw(2);
    f->click("compareCancel");
    f->cancelled();
    f->sheet()->setCurrentIndex(f->model().index(0, 1));
    f->dialogs.nextFile = f->path("cell.png");
    f->click("compareSave");
    QTRY_VERIFY(f->told("Saved as cell.png"));
    // The engine's file, with what it carries.
    QFile made(f->path("made2.png")), copy(f->path("cell.png"));
    QVERIFY(made.open(QIODevice::ReadOnly) && copy.open(QIODevice::ReadOnly));
    QCOMPARE(copy.readAll(), made.readAll());
    f->dialogs.nextFile = f->path("sheet.png");
    f->click("compareSaveSheet");
    QTRY_VERIFY(f->told("Saved as sheet.png"));
    const QImage whole(f->path("sheet.png"));
    QVERIFY(whole.width() > 3 * 64 && whole.height() > 2 * 64);
    QCOMPARE(QDir(f->path(".")).entryList({"sheet*"}).size(), 1);
    f->dialogs.nextFile = f->path("nowhere/sheet.png");
    f->click("compareSaveSheet");
    QTRY_VERIFY(f->told("nowhere"));
    QCOMPARE(QFileInfo::exists(f->path("nowhere")), false);
  }

  void aSheetShowsItsPicturesAndFitsItsBound() {
    QImage red(40, 40, QImage::Format_RGB888);
    red.fill(Qt::red);
    const QImage sheet = ui::drawSheet({"a", QString(400, 'b')}, {"c"}, {red, {}});
    int pixels = 0;
    for (int y = 0; y < sheet.height(); ++y)
      for (int x = 0; x < sheet.width(); ++x) pixels += sheet.pixelColor(x, y) == QColor(Qt::red);
    QCOMPARE(pixels, 40 * 40);
    const QImage big(2048, 1024, QImage::Format_RGB888);
    const QImage bounded =
        ui::drawSheet({"a"}, {"1", "2", "3", "4", "5", "6", "7"}, std::vector<QImage>(7, big));
    QVERIFY(bounded.width() <= ui::kMostSheetSide);
    QVERIFY(bounded.width() > ui::kMostSheetSide / 2);
    QVERIFY(ui::drawSheet({"a"}, {"b"}, {{}}).isNull());
  }

  void severalPicturesShareACell() {
    f->begin();
    f->retype("compareColumnsNumbers", "2");
    f->find<QSpinBox>("comparePictures")->setValue(3);
    f->compare();
    QCOMPARE(f->asked().count, std::int64_t{3});
    f->draw(4);
    const QModelIndex cell = f->model().index(0, 0);
    QCOMPARE(cell.data(CompareModel::ImageRole).value<QImage>().size(), QSize(128, 128));
    QVERIFY(cell.data(CompareModel::FileRole).toString().isEmpty());
    f->drawAll();
  }

  void aCellFormsBeforeItIsThere() {
    f->begin();
    f->compare();
    QVERIFY(f->asked().previewEvery > 0);
    f->show(api::PictureKind::Preview, testImage(32, 32));
    QCOMPARE(f->model().index(0, 0).data(CompareModel::ImageRole).value<QImage>().width(), 32);
    QCOMPARE(f->state(0, 0), CellState::Forming);
    f->click("compareCancel");
    f->cancelled();
    QCOMPARE(f->state(0, 0), CellState::Waiting);
    QVERIFY(f->model().index(0, 0).data(CompareModel::ImageRole).value<QImage>().isNull());
  }

  void nothingIsCutInTheSmallestWindow() {
    f->begin();
    f->retype("compareColumnsNumbers", "2, 4");
    f->compare();
    f->drawAll();
    f->window->resize(f->window->minimumSize());
    f->settle();
    f->shot("compare-smallest");
    for (auto* button : f->window->findChildren<QAbstractButton*>()) {
      if (!button->isVisible() || !button->objectName().startsWith("compare")) continue;
      QVERIFY2(button->width() >= button->minimumSizeHint().width(),
               qPrintable(button->objectName()));
      const QWidget* window = f->window.get();
      QVERIFY2(button->mapTo(window, QPoint(button->width(), 0)).x() <= window->width(),
               qPrintable(button->objectName()));
    }
  }
};

LIKENESS_UI_TESTS(TestCompareCells)
#include "test_compare_cells.moc"
