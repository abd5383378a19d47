// The bridge and the job behind every page, without pages.
#include <QSignalSpy>
#include <thread>

#include "tests/ui/fixture.h"
#include "ui/models/engine_bridge.h"
#include "ui/models/generation_model.h"
#include "ui/models/job.h"
#include "ui/util/background.h"

using namespace likeness;
using namespace likeness::support;
using ui::JobState;

namespace {
api::GenerateRequest someRequest() {
  api::GenerateRequest request;
  request.prompt = "a dog";
  return request;
}
}  // namespace

class TestModels : public QObject {
  Q_OBJECT
 private:
  std::shared_ptr<FakeEngine> engine;
  std::unique_ptr<ui::EngineBridge> bridge;

  void settle() {
    QThreadPool::globalInstance()->waitForDone();
    for (int i = 0; i < 3; ++i) QCoreApplication::processEvents();
  }

 private Q_SLOTS:
  void init() {
    engine = std::make_shared<FakeEngine>();
    bridge =
        std::make_unique<ui::EngineBridge>([this]() -> api::Result<std::shared_ptr<api::Engine>> {
          return std::static_pointer_cast<api::Engine>(engine);
        });
  }
  void cleanup() {
    bridge.reset();
    engine.reset();
  }

  void aJobGoesThroughItsStates() {
    ui::Job job(*bridge);
    QList<JobState> states;
    connect(&job, &ui::Job::changed, this, [&] {
      if (states.isEmpty() || states.last() != job.state()) states << job.state();
    });
    QSignalSpy ended(&job, &ui::Job::ended);
    job.start(someRequest());
    settle();
    engine->scriptGeneration(1);
    engine->playToEnd(1);
    settle();
    QCOMPARE(states,
             (QList<JobState>{
                 JobState::Starting, JobState::Queued, JobState::Running, JobState::Finished}));
    QCOMPARE(ended.count(), 1);
    QVERIFY(!job.figures().empty());
    QVERIFY(!bridge->busy());
  }

  void aStopBeforeTheEngineIsThereIsNotLost() {
    ui::Job job(*bridge);
    job.start(someRequest());
    job.stop();  // the engine is still loading
    QCOMPARE(job.state(), JobState::Stopping);
    settle();
    QCOMPARE(engine->commands(1).stopRequests, 1);
    engine->scriptGeneration(1);
    engine->playToEnd(1);
    settle();
    QCOMPARE(job.state(), JobState::Cancelled);
  }

  void aJobHearsItsOwnEventsOnly() {
    ui::Job first(*bridge), second(*bridge);
    QSignalSpy pictures(&first, &ui::Job::picture);
    first.start(someRequest());
    second.start(someRequest());
    settle();
    engine->scriptGeneration(1);
    engine->scriptGeneration(2);
    engine->playToEnd(2);
    settle();
    QCOMPARE(pictures.count(), 0);
    QCOMPARE(first.state(), JobState::Queued);
    QCOMPARE(second.state(), JobState::Finished);
    engine->playToEnd(1);
    settle();
    QVERIFY(pictures.count() > 0);
  }

  void allMetricsComeBeforeTheEnd() {
    ui::Job job(*bridge);
    std::vector<api::MetricSample> got;
    bool endedFirst = false;
    connect(&job, &ui::Job::metrics, this, [&](const api::MetricBatch& batch) {
      endedFirst = endedFirst || !job.active();
      got.insert(got.end(), batch.samples.begin(), batch.samples.end());
    });
    job.start(someRequest());
    settle();
    for (std::int64_t step = 1; step <= 500; ++step)
      engine->pushMetric(1, {step, api::Series::SubjectLoss, 1.0});
    engine->emit(1, api::JobStarted{});
    engine->emit(1, api::JobFinished{api::Completed{}});
    settle();
    QCOMPARE(got.size(), std::size_t{500});
    QCOMPARE(got.back().step, std::int64_t{500});
    QVERIFY(!endedFirst);
  }

  void eventsOfAnotherThreadArriveOnThisOne() {
    ui::Job job(*bridge);
    const QThread* arrived = nullptr;
    connect(&job, &ui::Job::picture, this, [&] { arrived = QThread::currentThread(); });
    job.start(someRequest());
    settle();
    engine->scriptGeneration(1);
    std::thread compute([&] { engine->playToEnd(1); });
    compute.join();
    settle();
    QCOMPARE(arrived, QThread::currentThread());
    QCOMPARE(job.state(), JobState::Finished);
  }

  void whatGoesFirstIsNotCalled() {
    auto job = std::make_unique<ui::Job>(*bridge);
    job->start(someRequest());
    job.reset();  // while the engine loads
    settle();
    QCOMPARE(engine->lastJob(), api::JobId{0});
    job = std::make_unique<ui::Job>(*bridge);
    job->start(someRequest());
    settle();
    engine->scriptGeneration(1);
    engine->advance(1, 3);
    bridge.reset();  // events are under way
    engine->playToEnd(1);
    settle();
    QVERIFY(job->active());
  }

  void theLatestOfManyRequestsWins() {
    ui::GenerationModel model(*bridge);
    QSignalSpy added(&model, &ui::GenerationModel::added);
    model.generate(someRequest());
    settle();
    for (int seed = 2; seed <= 9; ++seed) {
      api::GenerateRequest request = someRequest();
      request.seed = seed;
      model.generate(request);
    }
    QCOMPARE(engine->lastJob(), api::JobId{1});
    engine->scriptGeneration(1);
    engine->playToEnd(1);
    settle();
    QCOMPARE(engine->lastJob(), api::JobId{2});
    QCOMPARE(engine->lastRequest<api::GenerateRequest>()->seed, std::int64_t{9});
    model.cancel();
    engine->scriptGeneration(2);
    engine->playToEnd(2);
    settle();
    QCOMPARE(engine->lastJob(), api::JobId{2});
    QCOMPARE(added.count(), 0);
  }

  void backgroundWorkReturnsHereOrNowhere() {
    QObject context;
    const QThread *worked = nullptr, *returned = nullptr;
    ui::inBackground(
        &context,
        [&] {
          worked = QThread::currentThread();
          return 7;
        },
        [&](int value) {
          QCOMPARE(value, 7);
          returned = QThread::currentThread();
        });
    settle();
    QVERIFY(worked && worked != QThread::currentThread());
    QCOMPARE(returned, QThread::currentThread());

    auto gone = std::make_unique<QObject>();
    bool called = false;
    ui::inBackground(
        gone.get(), [] { return 1; }, [&](int) { called = true; });
    gone.reset();
    settle();
    QVERIFY(!called);
  }
};

LIKENESS_UI_TESTS(TestModels)
#include "test_models.moc"
