// The window's way to the engine, with the real one: a process of its own that may be killed.
#include <gmock/gmock.h>
#include <signal.h>

#include "core/image/photo.h"
#include "core/remote/remote_engine.h"
#include "tests/integration/scene.h"
#include "tests/support/recording.h"

namespace likeness::integration {
namespace {

using namespace api;
using support::Recording;
using testing::HasSubstr;

class EngineProcess : public Scene {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.resources = starter().parent_path();
    auto engine = remote::startRemoteEngine(options);
    ASSERT_TRUE(engine) << message(engine.error());
    m_engine = std::move(*engine);
    m_events.emplace(*m_engine);
  }
  GenerateRequest pictures(int steps) const {
    GenerateRequest request;
    request.prompt = "a cup";
    request.sampling.steps = steps;
    request.count = 2;
    request.previewEvery = 1;
    request.outFolder = at("pictures");
    return request;
  }
  std::shared_ptr<remote::RemoteEngine> m_engine;
  std::optional<Recording> m_events;
};

TEST_F(EngineProcess, PicturesAreThoseOfTheFiles) {
  const auto job = m_engine->submit(pictures(2))->id;
  ASSERT_TRUE(std::holds_alternative<Completed>(m_events->finish(job)));
  int results = 0;
  for (const PictureReady& picture : m_events->of<PictureReady>(job)) {
    EXPECT_FALSE(picture.image.empty());
    if (picture.kind != PictureKind::Result) continue;
    ++results;
    const auto file = image::readPhoto(picture.file);
    ASSERT_TRUE(file) << message(file.error());
    EXPECT_EQ(*file->image.bytes, *picture.image.bytes);
  }
  EXPECT_EQ(results, 2);
}

TEST_F(EngineProcess, KilledInAJobItFailsOnceAndTheNextJobWorks) {
  const auto first = m_engine->submit(pictures(500))->id,
             second = m_engine->submit(pictures(2))->id;
  m_events->waitFor<Progress>(first);
  const int process = m_engine->processId();
  ::kill(process, SIGKILL);
  for (const JobId job : {first, second}) {
    const auto outcome = m_events->finish(job);
    ASSERT_TRUE(std::holds_alternative<Failed>(outcome));
    EXPECT_THAT(message(std::get<Failed>(outcome).error), HasSubstr("signal 9"));
  }
  const auto third = m_engine->submit(pictures(2))->id;
  EXPECT_TRUE(std::holds_alternative<Completed>(m_events->finish(third)));
  EXPECT_NE(m_engine->processId(), process);
  for (const JobId job : {first, second, third})
    EXPECT_EQ(m_events->of<JobFinished>(job).size(), 1u);
}

TEST_F(EngineProcess, AKilledTrainingContinuesFromItsLastCheckpoint) {
  TrainRequest request;
  request.base.path = starter().string();
  for (const auto& entry : fs::directory_iterator(photos()))
    request.photos.push_back({entry.path(), {}, {}, false});
  request.subject.classWord = "toy";
  request.training.method = Method::Lora;
  request.training.steps = 2000;
  request.training.resolution = 64;
  request.prior.classImages = 0;
  request.watch.sampleEvery = request.watch.probeEvery = -1;
  request.checkpoints.every = 2;
  request.runFolder = at("run");
  const auto first = m_engine->submit(request).value().id;
  m_events->waitFor<CheckpointSaved>(first);
  ::kill(m_engine->processId(), SIGKILL);
  const auto outcome = m_events->finish(first);
  ASSERT_TRUE(std::holds_alternative<Failed>(outcome));
  EXPECT_THAT(hint(std::get<Failed>(outcome).error), HasSubstr("continued from its last"));

  request.resume = true;
  const auto second = m_engine->submit(request).value();
  m_events->waitFor<CheckpointSaved>(second.id);
  second.control->requestStop();
  EXPECT_TRUE(std::holds_alternative<Cancelled>(m_events->finish(second.id)));
  EXPECT_GT(m_events->of<CheckpointSaved>(second.id).front().step,
            m_events->of<CheckpointSaved>(first).front().step);
  const auto metrics = m_engine->drainMetrics(second.id, 0);
  ASSERT_FALSE(metrics.samples.empty());
  EXPECT_GT(metrics.samples.front().step, 2) << "it did not begin again";
}

TEST_F(EngineProcess, StopsAndLeavesNothingBehind) {
  const auto handle = m_engine->submit(pictures(500));
  m_events->waitFor<Progress>(handle->id);
  handle->control->requestStop();
  EXPECT_TRUE(std::holds_alternative<Cancelled>(m_events->finish(handle->id)));
  EXPECT_EQ(m_engine->devices().at(0).id, "cpu");
  const int process = m_engine->processId();
  m_engine->submit(pictures(500)).value();
  m_engine.reset();
  EXPECT_NE(::kill(process, 0), 0);
  // What was under way has ended as a stopped job does.
  EXPECT_EQ(m_events->of<JobFinished>(handle->id + 1).size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Cancelled>(m_events->finish(handle->id + 1)));
}

}  // namespace
}  // namespace likeness::integration
