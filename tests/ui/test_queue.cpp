// The queue of jobs: what runs, what waits, what has ended; and what the desktop is told of it.
#include <QAbstractItemModelTester>
#include <QListView>
#include <QPushButton>
#include <QSlider>
#include <QTimer>

#include "tests/ui/fixture.h"
#include "ui/util/convert.h"
#include "ui/widgets/queue_list.h"

using namespace likeness;
using namespace likeness::support;
using ui::JobState;
using ui::Page;
using State = ui::QueueEntry::State;

class TestQueue : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<WindowFixture> f;
  std::unique_ptr<QAbstractItemModelTester> m_tester;

  ui::QueueModel& queue() const { return f->window->queue(); }
  QString detail(int row) const {
    return queue().index(row).data(ui::QueueModel::DetailRole).toString();
  }
  /// A training of so many passes, or one picture of a prompt, put into the queue by its button.
  void enqueueTraining(double passes) {
    f->window->showPage(Page::Train);
    f->window->project().edit(
        [passes](api::TrainRequest& recipe) { recipe.training.passesPerPhoto = passes; });
    f->click("trainQueue");
  }
  void enqueuePicture(const QString& prompt) {
    f->window->showPage(Page::Create);
    f->retype("prompt", prompt);
    f->click("generateQueue");
  }
  double passes(int row) const {
    return std::get<api::TrainRequest>(queue().at(row).request).training.passesPerPhoto;
  }
  std::string prompt(int row) const {
    return std::get<api::GenerateRequest>(queue().at(row).request).prompt;
  }
  /// Plays the job that began last.
  void finish(api::JobId job) {
    if (std::holds_alternative<api::TrainRequest>(f->engine->requests()[job - 1]))
      f->engine->scriptTraining(job);
    else
      f->engine->scriptGeneration(job);
    f->engine->playToEnd(job);
    f->settle();
  }
  bool waitForJob(api::JobId job) const {
    return f->waitFor([&] { return f->engine->lastJob() == job; });
  }
  void select(int row) const {
    f->find<QListView>("queueList")->setCurrentIndex(queue().index(row));
  }

 private Q_SLOTS:
  void init() {
    f = std::make_unique<WindowFixture>();
    m_tester = std::make_unique<QAbstractItemModelTester>(
        &queue(), QAbstractItemModelTester::FailureReportingMode::QtTest);
    f->makeProject(4);
  }
  void cleanup() {
    m_tester.reset();
    f.reset();
  }

  // ---- the queue

  void whatBeginsByItselfIsListed() {
    f->trigger("actionQueueDock");
    QVERIFY(f->find("queueDock")->isVisible());
    f->shot("queue-empty");
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QVERIFY(waitForJob(1));
    QCOMPARE(queue().active(), 1);
    f->engine->scriptTraining(1);
    f->engine->advance(1, 20);
    f->settle();
    QVERIFY(queue().index(0).data().toString().contains("Bo"));
    QVERIFY2(detail(0).contains("step"), qPrintable(detail(0)));
    const double progress = queue().index(0).data(ui::QueueModel::ProgressRole).toDouble();
    QVERIFY(progress > 0 && progress < 1);
    QCOMPARE(f->textOf("railQueue"), QString("Queue 1"));
    f->engine->playToEnd(1);
    f->settle();
    QCOMPARE(queue().rowCount(), 1);
    QCOMPARE(queue().at(0).state, State::Ended);
    QCOMPARE(queue().at(0).outcome, JobState::Finished);
    QVERIFY(detail(0).startsWith("Done"));
    QCOMPARE(f->textOf("railQueue"), QString("Queue"));
    f->click("queueClear");
    QCOMPARE(queue().rowCount(), 0);
  }

  void jobsWaitAndBeginInTheirOrder() {
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QVERIFY(waitForJob(1));
    enqueueTraining(30);
    enqueuePicture("sks dog in the snow");
    f->window->project().edit(
        [](api::TrainRequest& recipe) { recipe.training.passesPerPhoto = 77; });
    QCOMPARE(queue().waiting(), 2);
    QVERIFY(f->find("queueDock")->isVisible());
    QVERIFY(f->textOf("queueSummary").contains("2 waiting"));
    f->engine->scriptTraining(1);
    f->engine->advance(1, 20);
    f->settle();
    f->shot("queue-running");
    QCOMPARE(f->engine->lastJob(), api::JobId{1});
    f->engine->playToEnd(1);
    QVERIFY(waitForJob(2));
    // The recipe as it stood when it was put there.
    const auto* train = f->engine->lastRequest<api::TrainRequest>();
    QVERIFY(train);
    QCOMPARE(train->training.passesPerPhoto, 30.0);
    QCOMPARE(train->runFolder.parent_path().filename().string(), std::string("runs"));
    QCOMPARE(queue().at(0).state, State::Active);
    QCOMPARE(f->window->training().job().state(), JobState::Queued);
    finish(2);
    QVERIFY(waitForJob(3));
    const auto* pictures = f->engine->lastRequest<api::GenerateRequest>();
    QVERIFY(pictures);
    QCOMPARE(pictures->prompt, std::string("sks dog in the snow"));
    finish(3);
    QVERIFY(f->window->generation().history().rowCount() > 0);
    QCOMPARE(queue().rowCount(), 3);
    QCOMPARE(prompt(0), std::string("sks dog in the snow"));  // the latest first
    f->shot("queue-ended");
  }

  void whatWaitsIsMovedAndTakenAway() {
    queue().setPaused(true);
    for (const double amount : {20.0, 40.0, 60.0}) enqueueTraining(amount);
    auto* list = f->find<ui::QueueList>("queueList");
    select(2);
    list->setFocus();
    QTest::keyClick(list, Qt::Key_Up, Qt::AltModifier);
    QCOMPARE(passes(1), 60.0);
    QCOMPARE(list->currentIndex().row(), 1);  // it stays chosen
    f->click("queueUp");
    QCOMPARE(passes(0), 60.0);
    QVERIFY(!f->find("queueUp")->isEnabled());
    f->click("queueDown");
    QCOMPARE(passes(1), 60.0);
    // As a drag does it.
    QVERIFY(queue().index(0).flags().testFlag(Qt::ItemIsDragEnabled));
    QVERIFY(queue().moveRow({}, 0, {}, 3));
    QCOMPARE(passes(2), 20.0);
    QVERIFY(!queue().moveRow({}, 1, {}, 2));  // to its own place
    select(0);
    list->setFocus();
    QTest::keyClick(list, Qt::Key_Delete);
    QCOMPARE(queue().waiting(), 2);
    QCOMPARE(passes(0), 40.0);
    select(0);
    f->click("queueRemove");
    QCOMPARE(queue().waiting(), 1);
    QCOMPARE(f->engine->lastJob(), api::JobId{0});
  }

  void waitingOnesStayBetweenRunningAndEnded() {
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QVERIFY(waitForJob(1));
    finish(1);
    queue().setPaused(true);
    enqueueTraining(20);
    enqueueTraining(40);
    QCOMPARE(queue().at(2).state, State::Ended);
    QVERIFY(!queue().moveRow({}, 2, {}, 0));
    QVERIFY(queue().moveRow({}, 0, {}, 3));  // not below what has ended
    QCOMPARE(passes(1), 20.0);
    QCOMPARE(queue().at(2).state, State::Ended);
  }

  void pausedNothingBeginsAndWhatRunsGoesOn() {
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QVERIFY(waitForJob(1));
    enqueueTraining(20);
    f->click("queuePause");
    QVERIFY(queue().paused());
    QCOMPARE(f->engine->commands(1).stopRequests, 0);
    finish(1);
    QCOMPARE(f->engine->lastJob(), api::JobId{1});
    f->click("queuePause");
    QVERIFY(waitForJob(2));
  }

  void whatRunsIsStoppedByTakingItAway() {
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QVERIFY(waitForJob(1));
    f->trigger("actionQueueDock");
    select(0);
    f->click("queueRemove");
    QCOMPARE(f->engine->commands(1).stopRequests, 1);
    finish(1);
    QCOMPARE(queue().at(0).outcome, JobState::Cancelled);
    QCOMPARE(detail(0), QString("Stopped"));
  }

  void endedOnesAreRepeated() {
    enqueuePicture("a dog");
    QVERIFY(waitForJob(1));
    const auto first = *f->engine->lastRequest<api::GenerateRequest>();
    finish(1);
    select(0);
    f->click("queueRepeat");
    QVERIFY(waitForJob(2));
    const auto second = *f->engine->lastRequest<api::GenerateRequest>();
    QCOMPARE(second.prompt, first.prompt);
    QCOMPARE(second.seed, first.seed + first.count);  // other pictures
    f->find<QListView>("queueList")->setCurrentIndex(queue().index(0));
    QVERIFY(!f->find("queueRepeat")->isEnabled());  // it runs
    finish(2);
    // After a failure the same pictures.
    select(0);
    f->click("queueRepeat");
    QVERIFY(waitForJob(3));
    GenerationScript script;
    script.failure = api::Error{api::ErrorCode::DiskFull, {{"file", "x.png"}}, {}};
    f->engine->scriptGeneration(3, script);
    f->engine->playToEnd(3);
    f->settle();
    QCOMPARE(queue().at(0).outcome, JobState::Failed);
    QVERIFY2(detail(0).contains("x.png"), qPrintable(detail(0)));
    const std::int64_t seed = f->engine->lastRequest<api::GenerateRequest>()->seed;
    select(0);
    f->click("queueRepeat");
    QVERIFY(waitForJob(4));
    QCOMPARE(f->engine->lastRequest<api::GenerateRequest>()->seed, seed);
  }

  void whatWaitsSurvivesARestart() {
    queue().setPaused(true);
    enqueueTraining(20);
    enqueuePicture("a dog, (very:1.2) {red|blue}");
    enqueueTraining(60);
    const auto train = std::get<api::TrainRequest>(queue().at(0).request);
    const auto pictures = std::get<api::GenerateRequest>(queue().at(1).request);
    m_tester.reset();
    f->restart();
    QCOMPARE(queue().waiting(), 3);
    QVERIFY(queue().paused());
    QVERIFY2(detail(0).contains("bo"), qPrintable(detail(0)));  // its project is not open
    f->window->openProject(f->path("bo.likeness"));
    QVERIFY(std::get<api::TrainRequest>(queue().at(0).request) == train);
    QVERIFY(std::get<api::GenerateRequest>(queue().at(1).request) == pictures);
    QCOMPARE(passes(2), 60.0);
    f->settle();
    QCOMPARE(f->engine->lastJob(), api::JobId{0});
    f->trigger("actionQueueDock");
    f->click("queuePause");
    QVERIFY(waitForJob(1));
    // Nothing is stored that has begun: the training continues from its run.
    finish(1);
    QVERIFY(waitForJob(2));
    finish(2);
    QVERIFY(waitForJob(3));
    finish(3);
    f->restart();
    QCOMPARE(queue().rowCount(), 0);
    QVERIFY(!queue().paused());
  }

  void picturesUnderWayComeBackAfterARestart() {
    enqueuePicture("a dog");
    QVERIFY(waitForJob(1));
    m_tester.reset();
    f->restart();
    QCOMPARE(queue().waiting(), 1);
    QCOMPARE(prompt(0), std::string("a dog"));
  }

  void jobsOfAnotherProjectWaitForIt() {
    queue().setPaused(true);
    enqueueTraining(20);
    f->dialogs.nextProject = f->path("other");
    f->trigger("actionNew");
    queue().setPaused(false);
    f->settle();
    QCOMPARE(f->engine->lastJob(), api::JobId{0});
    QVERIFY2(detail(0).contains("bo"), qPrintable(detail(0)));
    f->window->openProject(f->path("bo.likeness"));
    QVERIFY(waitForJob(1));
  }

  void aJobThatIsRefusedEndsAndTheNextBegins() {
    queue().setPaused(true);
    enqueuePicture("first");
    enqueuePicture("second");
    f->engine->refuseNext(api::Error{api::ErrorCode::DeviceMissing, {{"device", "cuda:7"}}, {}});
    queue().setPaused(false);
    QVERIFY(waitForJob(1));
    QCOMPARE(f->engine->lastRequest<api::GenerateRequest>()->prompt, std::string("second"));
    QCOMPARE(queue().at(1).outcome, JobState::Failed);
    QVERIFY(detail(1).contains("cuda:7"));
  }

  void roughLooksAreNotListedAndDisturbNothing() {
    f->window->showPage(Page::Create);
    auto* slider = f->find<QSlider>("guidanceSlider");
    slider->setFocus();
    QTest::keyClick(slider, Qt::Key_Right);
    QVERIFY(waitForJob(1));
    QVERIFY(f->engine->lastRequest<api::GenerateRequest>()->outFolder.empty());
    QCOMPARE(queue().rowCount(), 0);
    finish(1);
    QVERIFY(waitForJob(2));  // the slider rests: this one is kept
    QCOMPARE(queue().rowCount(), 1);
    finish(2);
    f->click("generate");
    QVERIFY(waitForJob(3));
    const api::JobId asked = 3;
    slider->setFocus();
    QTest::keyClick(slider, Qt::Key_Right);
    // Timers fire in their order: this one after the slider's.
    QTimer later;
    later.setSingleShot(true);
    later.start(150);
    QVERIFY(f->waitFor([&] { return !later.isActive(); }));
    QCOMPARE(f->engine->commands(asked).stopRequests, 0);
    QCOMPARE(f->engine->lastJob(), asked);
  }

  void nothingBeginsBesideASheetOfComparisons() {
    api::GenerateRequest cell;
    cell.prompt = "a cell";
    cell.outFolder = ui::toPath(f->path("sheet"));
    f->window->comparison().job().start(cell);
    QVERIFY(waitForJob(1));
    QCOMPARE(queue().rowCount(), 0);
    enqueuePicture("a dog");
    f->settle();
    QCOMPARE(f->engine->lastJob(), api::JobId{1});
    finish(1);
    QVERIFY(waitForJob(2));
    QCOMPARE(f->engine->lastRequest<api::GenerateRequest>()->prompt, std::string("a dog"));
  }

  void theKeyPutsThePageIntoTheQueue() {
    queue().setPaused(true);
    f->window->showPage(Page::Train);
    QTest::keyClick(f->window.get(), Qt::Key_Return, Qt::ControlModifier | Qt::ShiftModifier);
    f->window->showPage(Page::Create);
    QTest::keyClick(f->window.get(), Qt::Key_Return, Qt::ControlModifier | Qt::ShiftModifier);
    QCOMPARE(queue().waiting(), 2);
    QVERIFY(std::holds_alternative<api::TrainRequest>(queue().at(0).request));
    QVERIFY(std::holds_alternative<api::GenerateRequest>(queue().at(1).request));
  }

  void closingLetsNothingElseBegin() {
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QVERIFY(waitForJob(1));
    enqueueTraining(20);
    f->dialogs.nextAnswer = 1;  // keep training, then close
    QVERIFY(!f->window->close());
    finish(1);
    QVERIFY(!f->window->isVisible());
    QCOMPARE(f->engine->lastJob(), api::JobId{1});
    m_tester.reset();
    f->restart();
    QCOMPARE(queue().waiting(), 1);
  }

  // ---- the desktop

  void theDesktopIsToldWhenNobodyLooks() {
    enqueuePicture("a dog");
    QVERIFY(waitForJob(1));
    QVERIFY(f->desktop->keptAwake);
    f->window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(f->window.get()));
    finish(1);
    QVERIFY(!f->desktop->keptAwake);
    QVERIFY(f->desktop->notes.isEmpty());
    QWidget other;
    other.show();
    other.activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(&other));
    select(0);
    queue().repeat(0);
    QVERIFY(waitForJob(2));
    finish(2);
    QCOMPARE(f->desktop->notes.size(), 1);
    QVERIFY(f->desktop->notes[0].contains("pictures are done"));
    queue().repeat(0);
    QVERIFY(waitForJob(3));
    GenerationScript script;
    script.failure = api::Error{api::ErrorCode::DiskFull, {{"file", "x.png"}}, {}};
    f->engine->scriptGeneration(3, script);
    f->engine->playToEnd(3);
    f->settle();
    QCOMPARE(f->desktop->notes.size(), 2);
    QVERIFY(f->desktop->notes[1].contains("x.png"));
  }
};

LIKENESS_UI_TESTS(TestQueue)
#include "test_queue.moc"
