// The Compare page: sheets of every kind that fill, fail and are cancelled, and what is made once.
#include <QAbstractItemModelTester>
#include <QHeaderView>
#include <QLineEdit>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QSpinBox>

#include "tests/ui/compare_fixture.h"
#include "ui/models/compare_choices.h"

using namespace likeness;
using namespace likeness::support;
using ui::CellState;
using ui::CompareModel;
using ui::Page;

class TestCompare : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<CompareFixture> f;

 private Q_SLOTS:
  void init() { f = std::make_unique<CompareFixture>(); }
  void cleanup() { f.reset(); }

  void withoutARunItSaysWhatWillBeHere() {
    f->makeProject(1);
    QTest::keyClick(f->window.get(), Qt::Key_3, Qt::ControlModifier);
    QCOMPARE(f->window->currentPage(), Page::Compare);
    QVERIFY(f->find("compareEmpty")->accessibleDescription().contains("Nothing is trained yet"));
    f->settle();
    f->shot("compare-empty");
    // The base model alone can be compared.
    QVERIFY(f->find("compareStart")->isEnabled());
    QVERIFY(f->textOf("compareSize").contains("1 × 4 = 4 "));
    f->click("compareTrain");
    QCOMPARE(f->window->currentPage(), Page::Train);
  }

  void checkpointsByGuidanceFillCellByCell() {
    f->begin();
    QAbstractItemModelTester tester(&f->model(),
                                    QAbstractItemModelTester::FailureReportingMode::QtTest);
    QVERIFY(!f->find("compareTrain")->isVisible());
    f->retype("compareColumnsNumbers", "2, 4, 7.5");
    QVERIFY(f->textOf("compareSize").contains("2 × 3 = 6 "));
    f->compare();
    QCOMPARE(f->model().rowCount(), 2);
    QCOMPARE(f->model().columnCount(), 3);
    QVERIFY(f->sheet()->isVisible());
    QCOMPARE(f->state(0, 0), CellState::Forming);
    QCOMPARE(f->state(0, 1), CellState::Waiting);
    std::vector<api::GenerateRequest> requests;
    for (int i = 0; f->model().running(); ++i) {
      requests.push_back(f->asked());
      f->engine->emit(f->engine->lastJob(), api::JobStarted{});
      f->engine->emit(f->engine->lastJob(), api::Progress{api::Stage::Generate, 5, 20, 0.5, 7.5});
      f->settle();
      QVERIFY(f->textOf("compareStatus").contains(QString("%1 of 6").arg(i)));
      QVERIFY(f->textOf("railCompare").contains(QString("%1 of 6").arg(i)));
      // 15 steps of this cell and 20 of each of the others, half a second each.
      if (i == 0) QVERIFY(f->textOf("compareStatus").contains("about 1 min left"));
      if (i == 3) f->shot("compare-filling");
      f->draw(i);
    }
    QCOMPARE(requests.size(), std::size_t{6});
    const std::string folder = ui::toStd(f->path("bo.likeness/runs/0001"));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const api::ModelRef wanted{folder, i < 3 ? "20" : "40"};
      QCOMPARE(requests[i].model, wanted);
      QCOMPARE(requests[i].sampling.guidance, (std::array{2.0, 4.0, 7.5}[i % 3]));
      QCOMPARE(requests[i].seed, std::int64_t{1});
      QCOMPARE(requests[i].count, std::int64_t{1});
      QCOMPARE(requests[i].prompt, std::string("{subject}"));
      QCOMPARE(ui::fromPath(requests[i].outFolder), f->path("bo.likeness/outputs/compare"));
    }
    QCOMPARE(f->model().count(CellState::Made), 6);
    QVERIFY(!f->find("compareCancel")->isVisible());
    QCOMPARE(f->model().caption(f->model().index(1, 2)),
             QString("Run 0001, step 40 · guidance 7.5"));
    f->shot("compare-done");
  }

  void aRoughLookOfAllComesFirst() {
    f->begin();
    f->retype("compareColumnsNumbers", "2 4");
    f->compare(true);
    for (int i = 0; i < 4; ++i) {
      QCOMPARE(f->asked().sampling.steps, std::int64_t{8});
      QVERIFY(f->asked().outFolder.empty());
      f->draw(i);
    }
    QCOMPARE(f->model().count(CellState::Rough), 3);  // and the first is under way again
    QVERIFY(f->asked().sampling.steps > 8);
    f->shot("compare-rough");
    f->click("compareCancel");
    QCOMPARE(f->engine->commands(f->engine->lastJob()).stopRequests, 1);
    f->cancelled();
    QCOMPARE(f->model().count(CellState::Rough), 4);  // what is there stays
    QVERIFY(!f->model().running());
    QVERIFY(f->find("compareStart")->isVisible());
  }

  void whatIsMadeIsNotMadeAgain() {
    f->begin();
    f->retype("compareColumnsNumbers", "2, 4");
    f->compare();
    f->drawAll();
    QCOMPARE(f->engine->lastJob(), api::JobId{4});
    // One value more: two cells to make.
    f->retype("compareColumnsNumbers", "2, 3, 4");
    f->compare();
    QCOMPARE(f->model().count(CellState::Made), 4);
    QCOMPARE(f->asked().sampling.guidance, 3.0);
    f->drawAll();
    QCOMPARE(f->engine->lastJob(), api::JobId{6});
    // The same again: none. Another seed: all.
    f->click("compareStart");
    f->settle();
    QCOMPARE(f->engine->lastJob(), api::JobId{6});
    QCOMPARE(f->model().count(CellState::Made), 6);
    f->find<QSpinBox>("compareSeed")->setValue(9);
    f->compare();
    QCOMPARE(f->asked().seed, std::int64_t{9});
    QCOMPARE(f->model().count(CellState::Made), 0);
    f->drawAll();
    QCOMPARE(f->engine->lastJob(), api::JobId{12});
  }

  void cancelKeepsWhatIsDone() {
    f->begin();
    f->compare();
    f->draw();
    f->click("compareCancel");
    QVERIFY(!f->find("compareCancel")->isEnabled());
    f->cancelled();
    QCOMPARE(f->model().count(CellState::Made), 1);
    QCOMPARE(f->model().count(CellState::Waiting), 7);
    const api::JobId last = f->engine->lastJob();
    f->compare();  // and goes on where it was
    QCOMPARE(f->engine->lastJob(), last + 1);
    QCOMPARE(f->model().count(CellState::Made), 1);
    f->drawAll();
    QCOMPARE(f->model().count(CellState::Made), 8);
  }

  void aFailedCellSaysWhyAndTheOthersGoOn() {
    f->begin();
    f->retype("compareColumnsNumbers", "2, 4");
    f->compare(true);
    const api::JobId first = f->engine->lastJob();
    f->fail({api::ErrorCode::NoCheckpoint, {{"folder", "0001"}, {"checkpoint", "20"}}, {}});
    QCOMPARE(f->state(0, 0), CellState::Failed);
    QVERIFY(f->model().index(0, 0).data().toString().contains("no finished checkpoint 20"));
    f->drawAll();
    // Three cells, each roughly and fully: what failed is not tried again.
    QCOMPARE(f->engine->lastJob(), first + 6);
    QCOMPARE(f->model().count(CellState::Made), 3);
    QVERIFY(f->told("could not be made"));
    f->shot("compare-failed");
    f->sheet()->setCurrentIndex(f->model().index(0, 0));
    QVERIFY(!f->find("compareSave")->isEnabled());
    QVERIFY(f->find("compareCreate")->isEnabled());
    f->compare();  // once more
    QCOMPARE(f->engine->lastJob(), first + 7);
    f->draw();
    QCOMPARE(f->model().count(CellState::Made), 4);
  }

  void refusalsAndAMissingEngineAreSentences() {
    f->begin();
    f->engineError = api::Error{api::ErrorCode::EngineMissing, {{"reason", "no file"}}, {}};
    f->click("compareStart");
    QTRY_VERIFY(f->told("could not be loaded"));
    QCOMPARE(f->enginesMade, 1);  // not once for each cell
    QVERIFY(!f->model().running());
    f->engineError.reset();
    f->engine->refuseNext({api::ErrorCode::OutOfRange, {{"key", "guidance"}}, {}});
    f->find<QCheckBox>("compareRough")->setChecked(false);
    f->click("compareStart");
    QTRY_COMPARE(f->model().count(CellState::Failed), 1);
    QCOMPARE(f->engine->lastJob(), api::JobId{1});  // the next cell
  }

  void rowsAndColumnsDiffer() {
    f->begin();
    f->choose("compareRowsAxis", api::Axis::Guidance);
    QCOMPARE(f->find<QComboBox>("compareColumnsAxis")->currentText(), QString("Checkpoint"));
    QVERIFY(f->find("compareRowsNumbers")->isVisible());
    QVERIFY(f->find("compareColumnsCheckpoints")->isVisible());
    QVERIFY(!f->find("compareRowsCheckpoints")->isVisible());
    f->retype("compareRowsNumbers", "3");
    f->choose("compareRowsAxis", api::Axis::Seed);
    QVERIFY(!f->find("compareSeed")->isEnabled());
    f->choose("compareRowsAxis", api::Axis::Guidance);
    QCOMPARE(f->textOf("compareRowsNumbers"), QString("3"));  // was kept
    f->compare();
    // By weights, though they stand in columns.
    QCOMPARE(f->asked().model.checkpoint, std::string("20"));
    f->draw();
    QCOMPARE(f->asked().model.checkpoint, std::string("40"));
    f->drawAll();
  }

  void checkpointsByPrompt() {
    f->begin();
    f->choose("compareColumnsAxis", api::Axis::Prompt);
    const QString longest = QString("a very long prompt ").repeated(20).trimmed();
    auto* prompts = f->find<QPlainTextEdit>("compareColumnsPrompts");
    prompts->setPlainText("{subject} at night\n\n  a cat \na cat\n" + longest);
    QVERIFY(f->textOf("compareSize").contains("2 × 3 = 6 "));
    f->compare();
    QCOMPARE(f->asked().prompt, std::string("{subject} at night"));
    f->drawAll();
    QCOMPARE(f->model().headerData(0, Qt::Horizontal, Qt::DisplayRole).toString(),
             QString("sks dog at night"));
    QCOMPARE(f->model().headerData(2, Qt::Horizontal, Qt::ToolTipRole).toString(), longest);
    QVERIFY(f->sheet()->horizontalHeader()->sectionSize(2) <= 360);
    f->shot("compare-prompts");
    prompts->clear();
    QVERIFY(!f->find("compareStart")->isEnabled());
    QVERIFY(f->textOf("compareProblem").contains("at least one prompt"));
  }

  void strengthsPutTheRunsAdapterOnItsBase() {
    f->begin(true);
    f->choose("compareColumnsAxis", api::Axis::Strength);
    f->retype("compareColumnsNumbers", "0, 0.5");
    // Of the base model there is nothing to put on.
    auto* list = f->find<QListWidget>("compareRowsCheckpoints");
    QCOMPARE(list->count(), 3);
    list->item(0)->setCheckState(Qt::Checked);
    f->compare();
    QCOMPARE(f->state(0, 1), CellState::Failed);
    QVERIFY(f->model().index(0, 1).data().toString().contains("no LoRA"));
    QCOMPARE(f->asked().model.path, std::string("starter"));
    QCOMPARE(f->asked().adapters.size(), std::size_t{1});
    QCOMPARE(f->asked().adapters.front().strength, 0.0);
    QVERIFY(std::filesystem::exists(f->asked().adapters.front().file));
    f->draw();
    QCOMPARE(f->asked().adapters.front().strength, 0.5);
    f->drawAll();
    // Its cell still knows its checkpoint.
    f->sheet()->setCurrentIndex(f->model().index(2, 1));
    QVERIFY(f->find("compareBest")->isEnabled());
    f->click("compareExport");
    QCOMPARE(f->find<QComboBox>("exportCheckpoint")->currentData().toString(), QString("40"));
    f->click("exportClose");
    f->sheet()->setCurrentIndex(f->model().index(0, 0));
    QVERIFY(!f->find("compareBest")->isEnabled());
    f->settle();
  }

  void strengthsOfAWholeModelAreRefused() {
    f->begin(false);
    f->choose("compareColumnsAxis", api::Axis::Strength);
    QVERIFY(!f->find("compareStart")->isEnabled());
    QVERIFY(f->textOf("compareProblem").contains("no LoRA"));
  }

  void whatIsNoListOfNumbersIsASentence() {
    f->begin();
    for (const auto& [text, words] : {std::pair("2, four", "no list of numbers"),
                                      std::pair("", "no list of numbers"),
                                      std::pair("2, 999", "999")}) {
      f->retype("compareColumnsNumbers", text);
      QVERIFY2(!f->find("compareStart")->isEnabled(), text);
      QVERIFY2(f->textOf("compareProblem").contains(words),
               qPrintable(f->textOf("compareProblem")));
    }
    f->choose("compareColumnsAxis", api::Axis::Seed);
    f->retype("compareColumnsNumbers", "1.5");
    QVERIFY(f->textOf("compareProblem").contains("whole numbers"));
    QStringList many;
    for (int i = 0; i < 150; ++i) many << QString::number(i);
    f->find<QLineEdit>("compareColumnsNumbers")->setText(many.join(", "));
    QVERIFY(f->textOf("compareProblem").contains("300"));
    auto* list = f->find<QListWidget>("compareRowsCheckpoints");
    for (int row = 0; row < list->count(); ++row) list->item(row)->setCheckState(Qt::Unchecked);
    QVERIFY(f->textOf("compareProblem").contains("checkpoint"));
  }

  void numbersAreReadAsTheyAreWritten() {
    using Numbers = std::vector<double>;
    QVERIFY(ui::readNumbers("2, 4, 7.5") == Numbers({2, 4, 7.5}));
    QVERIFY(ui::readNumbers(" 2,4,7.5,") == Numbers({2, 4, 7.5}));
    QVERIFY(ui::readNumbers("2;4 7.5") == Numbers({2, 4, 7.5}));
    QVERIFY(ui::readNumbers("-0.5") == Numbers({-0.5}));
    QVERIFY(!ui::readNumbers("2, x"));
    QLocale::setDefault(QLocale(QLocale::German));
    QVERIFY(ui::readNumbers("2, 7,5; 0.5") == Numbers({2, 7.5, 0.5}));
    QLocale::setDefault(QLocale::c());
  }

  void behindATrainingItSaysSo() {
    f->begin();
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    f->engine->scriptTraining(1);
    f->engine->advance(1, 2);
    f->settle();
    f->window->showPage(Page::Compare);
    f->compare();
    f->settle();
    QCOMPARE(f->textOf("compareStatus"), QString("Begins when the training has ended"));
    f->engine->playToEnd(1);
    f->settle();
    QVERIFY(f->textOf("compareStatus").contains("0 of 8"));
    f->drawAll();
    QCOMPARE(f->model().count(CellState::Made), 8);
  }

  void anotherProjectBeginsAnew() {
    f->begin();
    f->compare();
    f->draw();
    f->dialogs.nextProject = f->path("second");
    f->trigger("actionNew");
    QCOMPARE(f->model().total(), 0);
    // What the stopped job still tells belongs to nobody.
    f->show(api::PictureKind::Result, testImage(32, 32));
    f->cancelled();
    QVERIFY(!f->model().running());
    f->window->showPage(Page::Compare);
    QVERIFY(f->find("compareEmpty")->isVisible());
    QCOMPARE(f->find<QListWidget>("compareRowsCheckpoints")->count(), 1);
  }

  void unfinishedRunsAreOfferedAsSuch() {
    f->begin(false, 80);
    QVERIFY(f->find<QListWidget>("compareRowsCheckpoints")->item(2)->text().contains("unfinished"));
  }

  void theRestIsAsInCreate() {
    f->begin();
    f->window->showPage(Page::Create);
    f->retype("negativePrompt", "blur");
    f->find<QSpinBox>("steps")->setValue(11);
    f->window->showPage(Page::Compare);
    const QString rest = f->textOf("compareRest").remove(QChar(0x200b));
    QVERIFY2(rest.contains("blur") && rest.contains("11 step"), qPrintable(rest));
    QVERIFY(!rest.contains("guidance"));  // is in the columns
    f->compare();
    QCOMPARE(f->asked().negativePrompt, std::string("blur"));
    QCOMPARE(f->asked().sampling.steps, std::int64_t{11});
    f->drawAll();
    f->click("compareChange");
    QCOMPARE(f->window->currentPage(), Page::Create);
  }
};

LIKENESS_UI_TESTS(TestCompare)
#include "test_compare.moc"
