// The Train page while it is looked at: noise levels, samples, class pictures, and what can be
// asked of a training that runs.
#include <QAbstractItemModelTester>
#include <QAction>
#include <QComboBox>
#include <QLineEdit>
#include <QPushButton>
#include <QTableView>
#include <QToolButton>

#include "core/workspace/run_folder.h"
#include "tests/ui/train_scene.h"
#include "ui/util/palette.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/timestep_plot.h"

using namespace likeness;
using namespace likeness::support;
using ui::JobState;
using ui::Page;

class TestTrain : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<TrainScene> f;

 private Q_SLOTS:
  void init() { f = std::make_unique<TrainScene>(); }
  void cleanup() { f.reset(); }

  // ---- noise levels

  void theNoiseLevelsAreDrawnAsTheyAreChosen() {
    f->window->showPage(Page::Train);
    f->click("expertToggle");
    auto* search = f->find("recipe")->findChild<QLineEdit*>("optionSearch");
    QTest::keyClicks(search, "noise levels");
    auto& levels = *f->find<ui::TimestepPlot>("timestepPlot");
    QVERIFY(levels.isVisible());
    QCOMPARE(levels.words(), QString("All noise levels alike"));
    auto* choice = f->find<QComboBox>("option:loss.timesteps");
    choice->setCurrentIndex(choice->findData("logit-normal"));
    QCOMPARE(levels.words(), QString("Mostly middle noise levels"));
    const std::vector<double> before = levels.shares();
    f->window->project().edit([](api::TrainRequest& recipe) { recipe.loss.timestepMean = 1.5; });
    QCOMPARE(levels.words(), QString("Mostly high noise levels"));
    QVERIFY(levels.shares() != before);
    f->settle();
    f->shot("train-noise-levels");
    search->clear();
    QTest::keyClicks(search, "rank");
    QVERIFY(!levels.isVisible());
  }

  // ---- samples

  void samplesStandByStepAndPrompt() {
    QAbstractItemModel* model = f->matrix().model();
    QAbstractItemModelTester tester(model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QCOMPARE(model->rowCount(), 0);
    const api::JobId job = f->startTraining(25);
    QCOMPARE(model->rowCount(), 3);
    QCOMPARE(model->columnCount(), 3);
    QCOMPARE(model->headerData(0, Qt::Vertical).toString(), QString("start"));
    QCOMPARE(model->headerData(2, Qt::Vertical).toString(), QString("20"));
    QCOMPARE(model->headerData(1, Qt::Horizontal).toString(), QString("prompt 1"));
    QVERIFY(
        model->index(1, 2).data(Qt::AccessibleTextRole).toString().contains("Step 10: prompt 2"));
    // Of a step that was drawn again the newer picture counts; what comes late finds its place.
    const auto sample = [&](int step, int prompt, int shade) {
      f->engine->emit(job,
                      api::PictureReady{api::PictureKind::Sample,
                                        testImage(32, 32, shade),
                                        {},
                                        step,
                                        prompt,
                                        3,
                                        "prompt " + std::to_string(prompt),
                                        1});
      f->settle();
    };
    sample(20, 0, 9);
    QCOMPARE(model->rowCount(), 3);
    QCOMPARE(model->index(2, 0).data(ui::PictureListModel::ImageRole).value<QImage>().width(), 32);
    sample(15, 1, 9);
    QCOMPARE(model->rowCount(), 4);
    QCOMPARE(model->headerData(2, Qt::Vertical).toString(), QString("15"));
    QVERIFY(!(model->index(2, 0).flags() & Qt::ItemIsEnabled));
    QTest::mouseClick(f->matrix().viewport(),
                      Qt::LeftButton,
                      {},
                      f->matrix().visualRect(model->index(2, 0)).center());
    QVERIFY(!f->lightbox());  // there is nothing yet
    f->shot("train-samples");
  }

  void theLightboxFlicksThroughStepsAndPrompts() {
    f->startTraining(25);
    const QModelIndex first = f->matrix().model()->index(0, 1);
    f->matrix().scrollTo(first);
    QTest::mouseClick(
        f->matrix().viewport(), Qt::LeftButton, {}, f->matrix().visualRect(first).center());
    QVERIFY(f->lightbox());
    QVERIFY(f->lightbox()->hasFocus());
    QCOMPARE(f->lightbox()->size(), f->lightbox()->parentWidget()->size());
    QVERIFY(f->caption().startsWith("Before training: prompt 1"));
    f->shot("train-lightbox");
    f->key(Qt::Key_Down);
    QVERIFY(f->caption().startsWith("Step 10: prompt 1"));
    f->key(Qt::Key_Right);
    QVERIFY(f->caption().startsWith("Step 10: prompt 2"));
    f->key(Qt::Key_Right);  // the last prompt
    QVERIFY(f->caption().startsWith("Step 10: prompt 2"));
    f->key(Qt::Key_End);
    QVERIFY(f->caption().startsWith("Step 20: prompt 2"));
    f->key(Qt::Key_Home);
    QVERIFY(f->caption().startsWith("Before training: prompt 2"));
    f->key(Qt::Key_Left);
    f->click("lightboxLater");
    QVERIFY(f->caption().startsWith("Step 10: prompt 1"));
    QCOMPARE(f->matrix().currentIndex(), f->matrix().model()->index(1, 1));
    // Tab stays inside, a resized page is covered whole.
    for (int i = 0; i < 12; ++i) {
      QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
      QVERIFY(f->lightbox()->isAncestorOf(QApplication::focusWidget()) ||
              f->lightbox()->hasFocus());
    }
    f->window->resize(1100, 700);
    f->settle();
    QCOMPARE(f->lightbox()->size(), f->lightbox()->parentWidget()->size());
    f->key(Qt::Key_Escape);
    QTRY_VERIFY(!f->lightbox());
    QVERIFY(f->matrix().hasFocus());
    // What is chosen is framed by its picture, not flooded.
    const QRect cell = f->matrix().visualRect(f->matrix().currentIndex());
    const QImage seen = f->matrix().viewport()->grab().toImage();
    QVERIFY(seen.pixelColor(cell.right() - 4, cell.center().y()) != ui::Palette::colours().accent);
    f->shot("train-chosen");
    // Enter opens as well.
    QTest::keyClick(&f->matrix(), Qt::Key_Return);
    QVERIFY(f->lightbox());
    f->click("lightboxClose");
    QTRY_VERIFY(!f->lightbox());
  }

  void theLightboxPassesOverWhatIsMissing() {
    const api::JobId job = f->startTraining(25);
    f->engine->emit(
        job,
        api::PictureReady{
            api::PictureKind::Sample, testImage(64, 64, 5), {}, 30, 0, 3, "prompt 0", 1});
    f->settle();
    const QModelIndex last = f->matrix().model()->index(2, 1);  // step 20; of 30 there is no such
    f->matrix().scrollTo(last);
    QTest::mouseClick(
        f->matrix().viewport(), Qt::LeftButton, {}, f->matrix().visualRect(last).center());
    QVERIFY(f->lightbox());
    f->key(Qt::Key_End);
    QVERIFY(f->caption().startsWith("Step 20: prompt 1"));
    f->key(Qt::Key_Down);
    QVERIFY(f->caption().startsWith("Step 20: prompt 1"));
    QVERIFY(!f->find("lightboxLater")->isEnabled());
    f->key(Qt::Key_Left);
    f->key(Qt::Key_Down);
    QVERIFY(f->caption().startsWith("Step 30: prompt 0"));
    f->key(Qt::Key_Right);  // nothing beside it
    QVERIFY(f->caption().startsWith("Step 30: prompt 0"));
  }

  void samplesAndClassPicturesAreThereAfterARestart() {
    f->makeRun("0001", 20, 40);
    const auto run = f->window->project().project().folder / "runs" / "0001";
    for (const int step : {0, 10, 20, 30})
      for (int prompt = 0; prompt < 2; ++prompt) {
        api::GenerateRequest request;
        request.prompt = "{subject} " + std::to_string(prompt);
        request.subject = f->window->project().recipe().subject;
        f->writePicture(run / workspace::sampleFile(step, prompt), request, step + prompt);
      }
    f->makeClassPictures(5);
    f->reopen();
    QTRY_COMPARE(f->matrix().model()->rowCount(), 4);
    QCOMPARE(f->matrix().model()->headerData(1, Qt::Horizontal).toString(), QString("sks dog 1"));
    QTRY_COMPARE(f->strip().model()->rowCount(), 5);
    f->shot("train-restored");
    // Continued, it keeps what belongs to its state.
    for (auto* button : f->window->findChildren<QPushButton*>("messageAction"))
      if (button->isVisible()) button->click();
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    QTRY_COMPARE(f->matrix().model()->rowCount(), 3);
    QCOMPARE(f->strip().model()->rowCount(), 0);
  }

  void picturesOfAnotherClassAreNotShown() {
    f->makeRun("0001", 20, 20);
    f->makeClassPictures(3, "a photo of cat");
    f->reopen();
    QTRY_COMPARE(f->window->training().runs().size(), std::size_t{1});
    f->settle();
    QCOMPARE(f->strip().model()->rowCount(), 0);
  }

  // ---- class pictures

  void aClassPictureIsDeletedAndBroughtBack() {
    f->makeRun("0001", 20, 20);
    f->makeClassPictures(4);
    f->reopen();
    QTRY_COMPARE(f->strip().model()->rowCount(), 4);
    const QString file =
        f->strip().model()->index(1, 0).data(ui::PictureListModel::FileRole).toString();
    QFile stored(file);
    QVERIFY(stored.open(QIODevice::ReadOnly));
    const QByteArray bytes = stored.readAll();
    stored.close();
    QVERIFY(!f->find<QAction>("deleteClassPicture")->isEnabled());  // none is chosen
    f->strip().setCurrentIndex(f->strip().model()->index(1, 0));
    f->strip().setFocus();
    QTest::keyClick(&f->strip(), Qt::Key_Delete);
    QTRY_COMPARE(f->strip().model()->rowCount(), 3);
    QVERIFY(!QFileInfo::exists(file));
    QVERIFY(f->told("Class picture 2 is deleted"));
    f->shot("train-deleted");
    for (auto* button : f->window->findChildren<QPushButton*>("messageAction"))
      if (button->isVisible()) button->click();
    QTRY_COMPARE(f->strip().model()->rowCount(), 4);
    QCOMPARE(f->strip().model()->index(1, 0).data(ui::PictureListModel::FileRole).toString(), file);
    QVERIFY(stored.open(QIODevice::ReadOnly));
    QCOMPARE(stored.readAll(), bytes);
  }

  void theLastClassPictureOfTheLightboxClosesIt() {
    f->makeRun("0001", 20, 20);
    f->makeClassPictures(2);
    f->reopen();
    QTRY_COMPARE(f->strip().model()->rowCount(), 2);
    f->strip().setCurrentIndex(f->strip().model()->index(0, 0));
    f->strip().setFocus();
    QTest::keyClick(&f->strip(), Qt::Key_Return);
    QVERIFY(f->lightbox());
    QTRY_COMPARE(f->find<ui::ImageView>("lightboxImage")->image().width(), 96);
    f->key(Qt::Key_Right);
    QVERIFY(f->caption().contains("seed 2"));
    f->click("lightbox-deleteClassPicture");
    QTRY_COMPARE(f->strip().model()->rowCount(), 1);
    QVERIFY(f->lightbox());
    QVERIFY(f->caption().contains("seed 1"));
    f->click("lightbox-deleteClassPicture");
    QTRY_VERIFY(!f->lightbox());
    QCOMPARE(f->strip().model()->rowCount(), 0);
  }

  void aTrainingKeepsItsClassPictures() {
    const api::JobId job = f->startTraining(5);
    QCOMPARE(f->strip().model()->rowCount(), 4);
    f->strip().setCurrentIndex(f->strip().model()->index(1, 0));
    QVERIFY(!f->find<QAction>("deleteClassPicture")->isEnabled());
    QTest::keyClick(&f->strip(), Qt::Key_Delete);
    f->settle();
    QCOMPARE(f->strip().model()->rowCount(), 4);
    f->engine->playToEnd(job);
    f->settle();
  }

  // ---- while it runs

  void samplesAndCheckpointsAreAskedFor() {
    f->window->showPage(Page::Train);
    QVERIFY(!f->find("trainSample")->isVisible());
    const api::JobId job = f->startTraining();
    QVERIFY(f->find("trainSample")->isVisible());
    QVERIFY(!f->find("trainSample")->isEnabled());  // before the first step
    f->engine->advance(job, 3);
    f->settle();
    f->click("trainSample");
    QCOMPARE(f->engine->commands(job).sampleRequests, 1);
    QVERIFY(!f->find("trainSample")->isEnabled());
    f->click("trainSave");
    QCOMPARE(f->engine->commands(job).checkpointRequests, 1);
    QVERIFY(!f->find("trainSave")->isEnabled());
    QVERIFY(!f->find("trainSaved")->isVisible());
    f->engine->advance(job, 1);
    f->settle();
    QVERIFY(f->find("trainSample")->isEnabled());
    QVERIFY(f->find("trainSave")->isEnabled());
    QCOMPARE(f->textOf("trainSaved"), QString("Saved at step 4."));
    QCOMPARE(f->matrix().model()->rowCount(), 2);
    QVERIFY(f->textOf("trainStatus").contains("left"));
    f->shot("train-asked");
    f->engine->playToEnd(job);
    f->settle();
    QVERIFY(!f->find("trainSample")->isVisible());
    QVERIFY(!f->find("trainSaved")->isVisible());
  }

  void itStopsAfterTheNextCheckpoint() {
    const api::JobId job = f->startTraining(3);
    f->trigger("stopAfterSave");
    QVERIFY(f->textOf("trainStatus").contains("after the next checkpoint"));
    f->engine->advance(job, 2);
    f->settle();
    QCOMPARE(f->engine->commands(job).stopRequests, 0);
    f->engine->advance(job, 5);  // step 10 is saved
    f->settle();
    QCOMPARE(f->engine->commands(job).stopRequests, 1);
    QCOMPARE(f->window->training().job().state(), JobState::Stopping);
    f->engine->playToEnd(job);
    f->settle();
    QCOMPARE(f->window->training().job().state(), JobState::Cancelled);
    QVERIFY(!f->window->training().stopAt());
  }

  void itDrawsSamplesAndStops() {
    const api::JobId job = f->startTraining(3);
    f->trigger("stopAfterSamples");
    QCOMPARE(f->engine->commands(job).sampleRequests, 1);
    QCOMPARE(f->engine->commands(job).stopRequests, 0);
    f->engine->advance(job, 1);
    f->settle();
    QCOMPARE(f->engine->commands(job).stopRequests, 1);
    QCOMPARE(f->matrix().model()->rowCount(), 2);
    f->engine->playToEnd(job);
    f->settle();
  }

  void aStopThatWaitsIsTakenBackOrHurried() {
    const api::JobId job = f->startTraining(3);
    f->trigger("stopAfterSave");
    f->trigger("stopAfterSave");
    QVERIFY(!f->textOf("trainStatus").contains("after the next checkpoint"));
    f->engine->advance(job, 10);
    f->settle();
    QCOMPARE(f->engine->commands(job).stopRequests, 0);
    f->trigger("stopAfterSave");
    f->trigger("stopAfterSamples");  // the other one in its place
    QVERIFY(!f->find<QAction>("stopAfterSave")->isChecked());
    f->click("trainStop");
    QCOMPARE(f->engine->commands(job).stopRequests, 1);
    QVERIFY(!f->find<QAction>("stopAfterSamples")->isChecked());
    f->engine->playToEnd(job);
    f->settle();
  }
};

LIKENESS_UI_TESTS(TestTrain)
#include "test_train.moc"
