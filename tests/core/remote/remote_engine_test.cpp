// The engine at the other end of a connection is like one that is here: served by a thread, so that
// the test plays both sides.
#include "core/remote/remote_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <set>
#include <thread>

#include "core/config/json_members.h"
#include "core/remote/serve_engine.h"
#include "likeness_version.h"
#include "tests/support/fake_engine.h"
#include "tests/support/recording.h"

namespace likeness::remote {
namespace {

using namespace api;
using support::Recording;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A thread in place of a process.
class ThreadHost : public EngineHost {
 public:
  /// `work` gets the other end of the connection, which ends when it returns.
  ThreadHost(std::function<void(base::Descriptor)> work, base::Descriptor socket, Ending ending)
      : m_socket(::dup(socket.number)),
        m_ending(ending),
        m_thread([this, work = std::move(work), own = std::move(socket)]() mutable {
          work(std::move(own));
          hangUp();
        }) {}
  int processId() const override { return 4711; }
  Ending end() override {
    hangUp();
    m_thread.join();
    return m_ending;
  }

 private:
  void hangUp() const { ::shutdown(m_socket.number, SHUT_RDWR); }
  base::Descriptor m_socket;
  Ending m_ending;
  std::jthread m_thread;
};

GenerateRequest prompt(const std::string& text) {
  GenerateRequest request;
  request.prompt = text;
  return request;
}
TrainRequest training() {
  TrainRequest request;
  request.subject.classWord = "toy";
  request.photos = {{"1.jpg", {}, {}, false}, {"2.jpg", {}, {}, false}};
  request.runFolder = "runs/0001";
  return request;
}

class RemoteEngineTest : public testing::Test {
 protected:
  /// Calls on the other side's engine must wait until its own thread has taken what was sent.
  void settle() { EXPECT_FALSE(m_remote->devices().empty()); }

  Connect hosting(std::function<void(base::Descriptor)> work) {
    return [this, work]() -> Result<Connection> {
      ++m_connections;
      if (m_connectError) return fail(*m_connectError);
      auto sockets = connectedSockets();
      return Connection{std::move(sockets->first),
                        std::make_unique<ThreadHost>(work, std::move(sockets->second), m_ending)};
    };
  }
  Connect serving() {
    return hosting([this](base::Descriptor socket) {
      serveEngine(std::move(socket),
                  [this](const EngineOptions& given) -> Result<std::shared_ptr<Engine>> {
                    m_options = given;
                    if (m_loadError) return fail(*m_loadError);
                    return m_fake;
                  });
    });
  }
  /// The other side is what the test does with its end of the connection.
  Connect raw(std::function<void(Channel&)> act) {
    return hosting([act](base::Descriptor socket) {
      Channel channel(std::move(socket));
      act(channel);
    });
  }
  EngineOptions options() {
    EngineOptions chosen;
    chosen.resources = "the resources";
    chosen.niceness = 7;
    chosen.log = [this](int level, std::string_view text) {
      const std::lock_guard lock(m_mutex);
      m_log.push_back(std::to_string(level) + " " + std::string(text));
    };
    return chosen;
  }
  std::vector<std::string> log() {
    const std::lock_guard lock(m_mutex);
    return m_log;
  }
  Error failureOf(JobId job) { return std::get<Failed>(m_events->finish(job)).error; }
  void open(Connect connect) {
    m_remote = std::make_unique<RemoteEngine>(std::move(connect), options());
    m_events.emplace(*m_remote);
  }

  std::shared_ptr<support::FakeEngine> m_fake = std::make_shared<support::FakeEngine>();
  EngineOptions m_options;
  int m_connections = 0;
  std::optional<Error> m_connectError, m_loadError;
  Ending m_ending;
  std::mutex m_mutex;
  std::vector<std::string> m_log;
  std::unique_ptr<RemoteEngine> m_remote;
  std::optional<Recording> m_events;
};

TEST_F(RemoteEngineTest, StartsWithItsOptionsAndOnlyWhenThereIsSomethingToDo) {
  open(serving());
  EXPECT_EQ(m_remote->processId(), 0);
  EXPECT_EQ(m_connections, 0);
  ASSERT_TRUE(m_remote->start());
  EXPECT_EQ(m_remote->processId(), 4711);
  EXPECT_EQ(m_options.resources, "the resources");
  EXPECT_EQ(m_options.niceness, 7);
  m_options.log(3, "from the other side");
  settle();
  EXPECT_THAT(log(), ElementsAre("3 from the other side"));
  EXPECT_EQ(m_connections, 1);
}

TEST_F(RemoteEngineTest, RefusesAtOnceWhatIsWrong) {
  open(serving());
  GenerateRequest wrong = prompt("x");
  wrong.count = 0;
  const auto handle = m_remote->submit(wrong);
  ASSERT_FALSE(handle);
  EXPECT_EQ(handle.error(), validate(wrong).front().error);
  EXPECT_EQ(m_connections, 0);
}

TEST_F(RemoteEngineTest, AWholeTrainingIsTheSameOnBothSides) {
  open(serving());
  Recording there(*m_fake);
  TrainRequest request = training();
  request.photos[0].caption = "a caption";
  const auto handle = m_remote->submit(request);
  ASSERT_TRUE(handle);
  m_events->waitFor<JobQueued>(handle->id);
  settle();
  EXPECT_EQ(*m_fake->lastRequest<TrainRequest>(), request);
  m_fake->scriptTraining(1);
  m_fake->advance(1, 12);
  m_fake->emit(1, Warning{{ErrorCode::SmallerBatches, {{"pictures", "1"}}, "detail"}});
  m_fake->emit(1, Advice{AdviceState::Enough, 5, 4, 0.5, 0.1, {}, 0.7});
  m_fake->playToEnd(1);
  m_events->finish(handle->id);

  const auto sent = there.events(), received = m_events->events();
  ASSERT_EQ(received.size(), sent.size());
  std::set<std::size_t> kinds;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(received[i].job, handle->id);
    EXPECT_EQ(received[i].sequence, i + 1);
    EXPECT_EQ(config::jsonOf(received[i].body), config::jsonOf(sent[i].body));
    if (const auto* picture = std::get_if<PictureReady>(&received[i].body)) {
      EXPECT_EQ(picture->image, std::get<PictureReady>(sent[i].body).image);
    }
    kinds.insert(sent[i].body.index());
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<decltype(Event::body)>) << "every kind of event";
  const auto here = m_remote->drainMetrics(handle->id, 0), original = m_fake->drainMetrics(1, 0);
  EXPECT_EQ(config::jsonOf(here.samples), config::jsonOf(original.samples));
  EXPECT_GT(here.samples.size(), 100u);
  EXPECT_FALSE(here.dropped);
  EXPECT_THAT(m_remote->drainMetrics(handle->id, here.next).samples, IsEmpty());
  EXPECT_THAT(m_remote->drainMetrics(99, 0).samples, IsEmpty());
}

TEST_F(RemoteEngineTest, MetricsAreThereBeforeTheEventThatFollowedThem) {
  open(serving());
  const auto handle = m_remote->submit(training());
  m_events->waitFor<JobQueued>(handle->id);
  settle();
  std::vector<std::size_t> seen;
  std::uint64_t cursor = 0;
  const auto subscription = m_remote->subscribe([&](const Event& event) {
    const auto batch = m_remote->drainMetrics(event.job, cursor);
    cursor = batch.next;
    seen.push_back(batch.samples.size());
  });
  m_fake->pushMetric(1, {1, Series::SubjectLoss, 1});
  m_fake->pushMetric(1, {1, Series::ClassLoss, 1});
  m_fake->emit(1, JobStarted{});
  m_fake->emit(1, StageChanged{Stage::Train});
  m_fake->pushMetric(1, {2, Series::SubjectLoss, 1});
  m_fake->emit(1, JobFinished{Completed{}});
  m_events->finish(handle->id);
  settle();
  EXPECT_THAT(seen, ElementsAre(2, 0, 1));
}

TEST_F(RemoteEngineTest, WhatTheRingLostIsSaid) {
  open(serving());
  const auto handle = m_remote->submit(training());
  m_events->waitFor<JobQueued>(handle->id);
  settle();
  m_fake->pushMetric(1, {0, Series::SubjectLoss, 0});
  m_fake->emit(1, JobStarted{});
  m_events->waitFor<JobStarted>(handle->id);
  for (int step = 1; step < 6000; ++step) m_fake->pushMetric(1, {step, Series::SubjectLoss, 0});
  m_fake->emit(1, StageChanged{Stage::Train});
  m_events->waitFor<StageChanged>(handle->id);
  const auto batch = m_remote->drainMetrics(handle->id, 1);
  EXPECT_TRUE(batch.dropped);
  EXPECT_EQ(batch.samples.back().step, 5999);
  EXPECT_FALSE(m_remote->drainMetrics(handle->id, batch.next).dropped);
}

TEST_F(RemoteEngineTest, CommandsReachTheirJob) {
  open(serving());
  const auto first = m_remote->submit(training()), second = m_remote->submit(training());
  second->control->requestStop();
  first->control->requestCheckpoint();
  first->control->requestSample();
  first->control->requestSample();
  settle();
  EXPECT_EQ(m_fake->commands(1).stopRequests, 0);
  EXPECT_EQ(m_fake->commands(1).checkpointRequests, 1);
  EXPECT_EQ(m_fake->commands(1).sampleRequests, 2);
  EXPECT_EQ(m_fake->commands(2).stopRequests, 1);
  m_fake->scriptTraining(2);
  m_fake->playToEnd(2);
  EXPECT_TRUE(std::holds_alternative<Cancelled>(m_events->finish(second->id)));
  second->control->requestStop();  // too late, and harmless
  settle();
  EXPECT_EQ(m_fake->commands(2).stopRequests, 1);
}

TEST_F(RemoteEngineTest, WhatTheOtherSideRefusesIsAFailedJob) {
  open(serving());
  m_fake->refuseNext({ErrorCode::DeviceMissing, {{"device", "cuda:7"}}, {}});
  const auto handle = m_remote->submit(prompt("x"));
  ASSERT_TRUE(handle);
  EXPECT_EQ(failureOf(handle->id).value("device"), "cuda:7");
  const auto next = m_remote->submit(prompt("x"));
  m_events->waitFor<JobQueued>(next->id);
  EXPECT_EQ(m_connections, 1);
}

TEST_F(RemoteEngineTest, DevicesAreThoseOfTheOtherSide) {
  open(serving());
  m_fake->setDevices({{"cuda:0", "A card", 81920, 80000, true, "driver"}});
  ASSERT_EQ(m_remote->devices().size(), 1u);
  EXPECT_EQ(m_remote->devices()[0].freeMiB, 80000);
}

TEST_F(RemoteEngineTest, AnEngineThatCannotBeLoadedSaysWhy) {
  m_loadError = Error{ErrorCode::EngineMissing, {{"reason", "no file x.so"}}, {}};
  open(serving());
  const auto started = m_remote->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error(), *m_loadError);
  EXPECT_THAT(m_remote->devices(), IsEmpty());
  const auto handle = m_remote->submit(prompt("x"));
  EXPECT_EQ(failureOf(handle->id), *m_loadError);
  m_loadError.reset();
  EXPECT_TRUE(m_remote->start()) << "the next try is a new one";
}

TEST_F(RemoteEngineTest, AConnectionThatCannotBeMadeFailsEachJobOnce) {
  m_connectError = Error{ErrorCode::EngineMissing, {{"reason", "no program"}}, {}};
  open(serving());
  const auto first = m_remote->submit(prompt("x")), second = m_remote->submit(prompt("x"));
  EXPECT_EQ(failureOf(first->id), *m_connectError);
  EXPECT_EQ(failureOf(second->id), *m_connectError);
  EXPECT_EQ(m_remote->start().error(), *m_connectError);
  EXPECT_EQ(m_events->of<JobFinished>(first->id).size(), 1u);
}

/// Takes Start and one more message.
void takeTwo(Channel& channel) {
  for (int i = 0; i < 2; ++i) (void)channel.receive();
}

TEST_F(RemoteEngineTest, JobsOfAnEndedProcessFailOnceAndTheNextOneWorks) {
  struct Case {
    Ending ending;
    ErrorCode code;
    std::string says;
  };
  for (const Case& end : {Case{{0, 11, false}, ErrorCode::DeviceMissing, "signal 11"},
                          Case{{3, 0, false}, ErrorCode::DeviceMissing, "exit code 3"},
                          Case{{0, 9, true}, ErrorCode::NotEnoughMemory, "memory ran out"}}) {
    m_ending = end.ending;
    m_connections = 0;
    const Connect good = serving();
    const Connect crashing = raw([](Channel& channel) {
      takeTwo(channel);
      channel.send(encode(FromEngine(Event{1, 1, JobQueued{}})));
      (void)channel.receive();  // and the second job
    });
    open([&]() { return m_connections == 0 ? crashing() : good(); });
    const auto first = m_remote->submit(training()), second = m_remote->submit(prompt("x"));
    const Error error = failureOf(first->id);
    EXPECT_EQ(error.code, end.code);
    EXPECT_THAT(message(error), HasSubstr("part of Likeness that computes"));
    EXPECT_THAT(message(error), HasSubstr(end.says));
    EXPECT_EQ(failureOf(second->id).code, end.code);
    if (end.code == ErrorCode::DeviceMissing) {
      EXPECT_THAT(hint(error), HasSubstr("continued from its last checkpoint"));
      EXPECT_THAT(hint(failureOf(second->id)), HasSubstr("try it again"));
    }
    EXPECT_THAT(log().back(), HasSubstr(describe(end.ending)));

    const auto third = m_remote->submit(prompt("x"));
    EXPECT_GT(third->id, second->id);
    m_events->waitFor<JobQueued>(third->id);
    settle();
    m_fake->emit(m_fake->lastJob(), JobFinished{Completed{}});
    EXPECT_TRUE(std::holds_alternative<Completed>(m_events->finish(third->id)));
    EXPECT_EQ(m_connections, 2);
    std::uint64_t sequence = 0;
    for (const Event& event : m_events->events()) EXPECT_EQ(event.sequence, ++sequence);
    for (const auto& job : {first, second, third})
      EXPECT_EQ(m_events->of<JobFinished>(job->id).size(), 1u);
    m_events.reset();
    m_remote.reset();
  }
}

TEST_F(RemoteEngineTest, AnEndBeforeTheFirstWordIsOneOfLoading) {
  m_ending = {0, 4, false};
  open(raw(takeTwo));
  const auto started = m_remote->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::EngineMissing);
  EXPECT_THAT(message(started.error()), HasSubstr("could not be loaded: it was ended by signal 4"));
}

TEST_F(RemoteEngineTest, WhatBreaksTheRulesEndsTheConnection) {
  const auto picture = [](int width) {
    return encode(FromEngine(Event{
        1,
        1,
        PictureReady{
            PictureKind::Result, {width, 8, PixelFormat::Rgb8, nullptr}, {}, 0, 0, 0, {}, 0}}));
  };
  const std::string finished = encode(FromEngine(Event{1, 2, JobFinished{Completed{}}}));
  const std::vector<std::vector<std::string>> wrongs{
      {"words"},
      {std::string(1000, '\x81')},
      {encode(ToEngine(AskDevices{}))},
      {encode(FromEngine(Event{2, 1, JobStarted{}}))},  // no such job
      {encode(FromEngine(Metrics{2, {}, false}))},
      {encode(FromEngine(Devices{}))},  // nobody asked
      {picture(8)},                     // without its memory
      {picture(-8)}};
  for (const auto& wrong : wrongs) {
    open(raw([&](Channel& channel) {
      takeTwo(channel);
      for (const std::string& bytes : wrong) channel.send(bytes);
      (void)channel.receive();  // until it is ended
    }));
    const auto handle = m_remote->submit(prompt("x"));
    const Error error = failureOf(handle->id);
    EXPECT_EQ(error.code, ErrorCode::Internal);
    EXPECT_FALSE(error.detail.empty());
    m_events.reset();
    m_remote.reset();
  }
  // A job finishes once.
  open(raw([&](Channel& channel) {
    takeTwo(channel);
    channel.send(finished);
    channel.send(finished);
  }));
  const auto handle = m_remote->submit(prompt("x"));
  EXPECT_TRUE(std::holds_alternative<Completed>(m_events->finish(handle->id)));
  m_remote.reset();
  EXPECT_EQ(m_events->of<JobFinished>(handle->id).size(), 1u);
  m_events.reset();
}

TEST_F(RemoteEngineTest, ItsEndIsToldToTheOtherSideAndJobsGetTheirs) {
  open(serving());
  const auto handle = m_remote->submit(training());
  m_events->waitFor<JobQueued>(handle->id);
  const auto control = handle->control;
  m_remote.reset();  // returns, since the other side ends too
  EXPECT_EQ(m_events->of<JobFinished>(handle->id).size(), 1u);
  control->requestStop();
  m_events.reset();
}

TEST_F(RemoteEngineTest, ASubscriptionEndsAsAnywhere) {
  open(serving());
  int calls = 0;
  auto subscription = m_remote->subscribe([&](const Event&) { ++calls; });
  const auto handle = m_remote->submit(prompt("x"));
  m_events->waitFor<JobQueued>(handle->id);
  settle();
  subscription.reset();
  const int before = calls;
  m_fake->emit(1, JobStarted{});
  m_events->waitFor<JobStarted>(handle->id);
  EXPECT_EQ(calls, before);
}

/// The other direction: whatever a window may send, the engine's side ends and does not fall.
TEST(ServeEngine, EndsAtWhatIsNoMessage) {
  const std::string start = encode(ToEngine(Start{kVersion, "r", 0}));
  const auto serve = [](const std::vector<std::string>& messages) {
    auto sockets = connectedSockets();
    Channel channel(std::move(sockets->first));
    bool obeyed = true;
    std::jthread server([&] {
      obeyed = serveEngine(std::move(sockets->second),
                           [](const EngineOptions&) -> Result<std::shared_ptr<Engine>> {
                             return std::make_shared<support::FakeEngine>();
                           });
    });
    for (const std::string& bytes : messages) channel.send(bytes);
    channel.closeSending();
    server.join();
    return obeyed;
  };
  EXPECT_FALSE(serve({}));  // without a start
  EXPECT_TRUE(serve({start}));
  EXPECT_TRUE(serve({start, encode(ToEngine(Order{5, Command::Stop}))}));
  EXPECT_FALSE(serve({encode(ToEngine(AskDevices{}))}));
  EXPECT_FALSE(serve({"words"}));
  EXPECT_FALSE(serve({start, start}));
  EXPECT_FALSE(serve({start, "words"}));
  EXPECT_FALSE(serve({start, encode(FromEngine(Devices{}))}));
}

TEST(ServeEngine, RefusesAWindowOfAnotherVersion) {
  auto sockets = connectedSockets();
  Channel channel(std::move(sockets->first));
  std::jthread server([&] {
    serveEngine(std::move(sockets->second),
                [](const EngineOptions&) -> Result<std::shared_ptr<Engine>> {
                  return std::make_shared<support::FakeEngine>();
                });
  });
  channel.send(encode(ToEngine(Start{"0.0.0", "r", 0})));
  const auto packet = channel.receive();
  const auto answer = decode<FromEngine>((*packet)->bytes);
  EXPECT_THAT(message(std::get<Refused>(*answer).error), HasSubstr("of the window"));
}

}  // namespace
}  // namespace likeness::remote
