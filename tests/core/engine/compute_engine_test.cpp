// The queue, the single finish of every job, stops, progress and metrics, with jobs that the test
// writes itself.
#include "core/engine/compute_engine.h"

#include <gmock/gmock.h>

#include <latch>
#include <semaphore>
#include <stdexcept>
#include <thread>

#include "tests/support/recording.h"

namespace likeness::engine {
namespace {

using namespace api;
using support::Recording;
using testing::ElementsAre;
using testing::SizeIs;

GenerateRequest prompt(const std::string& text) {
  GenerateRequest request;
  request.prompt = text;
  return request;
}
std::string promptOf(const Request& request) { return std::get<GenerateRequest>(request).prompt; }

TrainRequest training() {
  TrainRequest request;
  request.subject.classWord = "toy";
  request.photos.push_back({"photo.png", {}, {}, false});
  request.runFolder = "run";
  return request;
}

/// Waits until somebody asks the job to stop.
void waitForStop(base::Reporter& reporter) {
  std::binary_semaphore stopped(0);
  const std::stop_callback callback(reporter.stop(), [&] { stopped.release(); });
  stopped.acquire();
}

TEST(ComputeEngine, RunsJobsInOrderOnOneThreadOfItsOwn) {
  std::vector<std::string> order;
  std::vector<std::thread::id> threads;
  ComputeEngine engine(
      {}, [&](const Request& request, const auto&, base::Reporter&) -> Result<base::JobResult> {
        order.push_back(promptOf(request));
        threads.push_back(std::this_thread::get_id());
        return base::JobResult{false, {"out/" + promptOf(request)}, {{"per_image_s", 0.5}}};
      });
  Recording recording(engine);
  JobId last = 0;
  for (const char* text : {"a", "b", "c"}) {
    const auto handle = engine.submit(prompt(text));
    ASSERT_TRUE(handle);
    EXPECT_EQ(handle->id, ++last);
  }
  const auto outcome = recording.finish(last);
  ASSERT_TRUE(std::holds_alternative<Completed>(outcome));
  EXPECT_THAT(std::get<Completed>(outcome).artifacts, ElementsAre("out/c"));
  EXPECT_EQ(std::get<Completed>(outcome).figures.front().first, "per_image_s");
  EXPECT_THAT(order, ElementsAre("a", "b", "c"));
  EXPECT_NE(threads.front(), std::this_thread::get_id());
  EXPECT_EQ(threads.front(), threads.back());
}

TEST(ComputeEngine, EveryJobIsQueuedStartedAndFinishedOnceWithRisingSequence) {
  ComputeEngine engine(
      {}, [](const auto&, const auto&, base::Reporter& reporter) -> Result<base::JobResult> {
        reporter.stage(Stage::Generate);
        return base::JobResult{};
      });
  Recording recording(engine);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(engine.submit(prompt("x")));
  recording.finish(20);
  std::uint64_t sequence = 0;
  for (const auto& event : recording.events()) EXPECT_EQ(event.sequence, ++sequence);
  for (JobId id = 1; id <= 20; ++id) {
    EXPECT_THAT(recording.of<JobQueued>(id), SizeIs(1));
    EXPECT_THAT(recording.of<JobStarted>(id), SizeIs(1));
    EXPECT_THAT(recording.of<JobFinished>(id), SizeIs(1));
  }
}

TEST(ComputeEngine, AJobThatFailsOrThrowsFinishesOnceAndTheNextOneRuns) {
  ComputeEngine engine(
      {}, [](const Request& request, const auto&, base::Reporter&) -> Result<base::JobResult> {
        if (promptOf(request) == "fail") return fail(ErrorCode::NoPhotos, {{"folder", "here"}});
        if (promptOf(request) == "throw") throw std::runtime_error("boom");
        if (promptOf(request) == "throw number") throw 42;
        return base::JobResult{};
      });
  Recording recording(engine);
  for (const char* text : {"fail", "throw", "throw number", "fine"})
    ASSERT_TRUE(engine.submit(prompt(text)));
  EXPECT_EQ(std::get<Failed>(recording.finish(1)).error.code, ErrorCode::NoPhotos);
  const auto thrown = std::get<Failed>(recording.finish(2)).error;
  EXPECT_EQ(thrown.code, ErrorCode::Internal);
  EXPECT_EQ(thrown.detail, "boom");
  EXPECT_EQ(std::get<Failed>(recording.finish(3)).error.code, ErrorCode::Internal);
  EXPECT_TRUE(std::holds_alternative<Completed>(recording.finish(4)));
  for (JobId id = 1; id <= 4; ++id) EXPECT_THAT(recording.of<JobFinished>(id), SizeIs(1));
}

TEST(ComputeEngine, SubmitNamesTheFieldThatIsWrongAndQueuesNothing) {
  ComputeEngine engine({},
                       [](const auto&, const auto&, base::Reporter&) -> Result<base::JobResult> {
                         return base::JobResult{};
                       });
  Recording recording(engine);
  TrainRequest request = training();
  request.subject.classWord.clear();
  const auto refused = engine.submit(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::MissingValue);
  const auto accepted = engine.submit(prompt("x"));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->id, 1u);
  recording.finish(1);
  EXPECT_EQ(recording.events().front().job, 1u);
}

TEST(ComputeEngine, StopReachesTheRunningJobWhichDecidesWhatItKeeps) {
  ComputeEngine engine(
      {}, [](const auto&, const auto&, base::Reporter& reporter) -> Result<base::JobResult> {
        reporter.stage(Stage::Train);
        waitForStop(reporter);
        return base::JobResult{true, {"run"}, {{"steps", std::int64_t{7}}}};
      });
  Recording recording(engine);
  const auto handle = engine.submit(prompt("x"));
  recording.waitFor<StageChanged>(handle->id);
  handle->control->requestStop();
  handle->control->requestStop();
  const auto outcome = recording.finish(handle->id);
  ASSERT_TRUE(std::holds_alternative<Cancelled>(outcome));
  EXPECT_THAT(std::get<Cancelled>(outcome).artifacts, ElementsAre("run"));
}

TEST(ComputeEngine, AQueuedJobThatIsStoppedNeverStartsAndEndsBeforeTheRunningOne) {
  std::binary_semaphore go(0);
  std::vector<std::string> ran;
  ComputeEngine engine({},
                       [&](const Request& request,
                           const auto&,
                           base::Reporter& reporter) -> Result<base::JobResult> {
                         ran.push_back(promptOf(request));
                         reporter.stage(Stage::Generate);
                         if (promptOf(request) == "first") {
                           go.acquire();
                           reporter.stage(Stage::Verify);
                         }
                         return base::JobResult{};
                       });
  Recording recording(engine);
  const auto first = engine.submit(prompt("first"));
  recording.waitFor<StageChanged>(first->id);
  const auto second = engine.submit(prompt("second"));
  const auto third = engine.submit(prompt("third"));
  second->control->requestStop();
  go.release();
  EXPECT_TRUE(std::holds_alternative<Cancelled>(recording.finish(second->id)));
  recording.finish(third->id);
  EXPECT_THAT(ran, ElementsAre("first", "third"));
  EXPECT_THAT(recording.of<JobStarted>(second->id), SizeIs(0));
  std::vector<JobId> finished;
  for (const auto& event : recording.events())
    if (std::holds_alternative<JobFinished>(event.body)) finished.push_back(event.job);
  EXPECT_THAT(finished, ElementsAre(second->id, first->id, third->id));
}

TEST(ComputeEngine, DestructionStopsTheRunningJobAndCancelsTheQueuedOnes) {
  std::vector<JobId> cancelled;
  int started = 0;
  std::latch running(1);
  std::shared_ptr<JobControl> control;
  std::unique_ptr<Subscription> subscription;
  {
    ComputeEngine engine(
        {}, [&](const auto&, const auto&, base::Reporter& reporter) -> Result<base::JobResult> {
          ++started;
          running.count_down();
          waitForStop(reporter);
          return base::JobResult{true, {}, {}};
        });
    subscription = engine.subscribe([&](const Event& event) {
      const auto* finished = std::get_if<JobFinished>(&event.body);
      if (finished && std::holds_alternative<Cancelled>(finished->outcome))
        cancelled.push_back(event.job);
    });
    control = engine.submit(prompt("1"))->control;
    running.wait();
    ASSERT_TRUE(engine.submit(prompt("2")));
    ASSERT_TRUE(engine.submit(prompt("3")));
  }
  EXPECT_EQ(started, 1);
  EXPECT_THAT(cancelled, testing::UnorderedElementsAre(1, 2, 3));
  control->requestStop();  // a handle may outlive the engine, and so may a subscription
}

TEST(ComputeEngine, CheckpointAndSampleRequestsAreTakenOnce) {
  std::binary_semaphore asked(0);
  std::vector<bool> taken;
  ComputeEngine engine(
      {}, [&](const auto&, const auto&, base::Reporter& reporter) -> Result<base::JobResult> {
        reporter.stage(Stage::Train);
        asked.acquire();
        taken = {reporter.takeCheckpointRequest(),
                 reporter.takeCheckpointRequest(),
                 reporter.takeSampleRequest(),
                 reporter.takeSampleRequest()};
        return base::JobResult{};
      });
  Recording recording(engine);
  const auto handle = engine.submit(training());
  ASSERT_TRUE(handle) << message(handle.error());
  recording.waitFor<StageChanged>(handle->id);
  handle->control->requestCheckpoint();
  handle->control->requestCheckpoint();
  handle->control->requestSample();
  asked.release();
  recording.finish(handle->id);
  EXPECT_THAT(taken, ElementsAre(true, false, true, false));
}

TEST(ComputeEngine, ProgressIsThinnedButTheLastOneOfAStageAlwaysArrives) {
  ComputeEngine engine(
      {}, [](const auto&, const auto&, base::Reporter& reporter) -> Result<base::JobResult> {
        reporter.stage(Stage::CacheLatents);
        for (int i = 1; i <= 5000; ++i) reporter.progress({Stage::CacheLatents, i, 100000, 0, 0});
        reporter.stage(Stage::Train);
        for (int i = 1; i <= 5000; ++i) reporter.progress({Stage::Train, i, 100000, 0, 0});
        return base::JobResult{};
      });
  Recording recording(engine);
  ASSERT_TRUE(engine.submit(prompt("x")));
  recording.finish(1);
  const auto all = recording.of<Progress>(1);
  EXPECT_LT(all.size(), 1000u);
  std::int64_t lastOfCache = 0, lastOfTrain = 0;
  for (const auto& progress : all)
    (progress.stage == Stage::Train ? lastOfTrain : lastOfCache) = progress.done;
  EXPECT_EQ(lastOfCache, 5000);
  EXPECT_EQ(lastOfTrain, 5000);
}

TEST(ComputeEngine, MetricsComeThroughACursorAlsoAfterTheJob) {
  ComputeEngine engine(
      {}, [](const auto&, const auto&, base::Reporter& reporter) -> Result<base::JobResult> {
        for (int step = 1; step <= 100; ++step)
          reporter.metric({step, Series::SubjectLoss, 1.0 / step});
        return base::JobResult{};
      });
  Recording recording(engine);
  ASSERT_TRUE(engine.submit(training()));
  recording.finish(1);
  const auto all = engine.drainMetrics(1, 0);
  ASSERT_THAT(all.samples, SizeIs(100));
  EXPECT_EQ(all.samples.back().step, 100);
  EXPECT_FALSE(all.dropped);
  EXPECT_THAT(engine.drainMetrics(1, all.next).samples, SizeIs(0));
  EXPECT_THAT(engine.drainMetrics(1, all.next - 3).samples, SizeIs(3));
  EXPECT_THAT(engine.drainMetrics(99, 0).samples, SizeIs(0));
}

}  // namespace
}  // namespace likeness::engine
