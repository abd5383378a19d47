// No call of a sink begins after its subscription is gone, wherever and whenever it is destroyed.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "core/engine/compute_engine.h"

namespace likeness::engine {
namespace {

using namespace api;
using base::EventFanOut;

GenerateRequest anything() {
  GenerateRequest request;
  request.prompt = "x";
  return request;
}

TEST(Subscription, ASinkMayEndItsOwnSubscription) {
  EventFanOut fanOut;
  int calls = 0;
  std::unique_ptr<Subscription> subscription;
  subscription = fanOut.subscribe([&](const Event&) {
    ++calls;
    subscription.reset();
  });
  fanOut.emit(1, JobQueued{});
  fanOut.emit(1, JobStarted{});
  EXPECT_EQ(calls, 1);
}

TEST(Subscription, ASinkMayEndAnotherOneBeforeItsTurn) {
  EventFanOut fanOut;
  int calls = 0;
  std::unique_ptr<Subscription> second;
  const auto first = fanOut.subscribe([&](const Event&) { second.reset(); });
  second = fanOut.subscribe([&](const Event&) { ++calls; });
  fanOut.emit(1, JobQueued{});
  EXPECT_EQ(calls, 0);
}

TEST(Subscription, MayOutliveTheFanOut) {
  auto fanOut = std::make_unique<EventFanOut>();
  auto subscription = fanOut->subscribe([](const Event&) {});
  fanOut.reset();
  subscription.reset();
}

TEST(Subscription, EverySubscriberSeesTheSameNumbers) {
  EventFanOut fanOut;
  std::vector<std::uint64_t> a, b;
  const auto first = fanOut.subscribe([&](const Event& event) { a.push_back(event.sequence); });
  fanOut.emit(1, JobQueued{});
  const auto second = fanOut.subscribe([&](const Event& event) { b.push_back(event.sequence); });
  fanOut.emit(1, JobStarted{});
  EXPECT_THAT(a, testing::ElementsAre(1, 2));
  EXPECT_THAT(b, testing::ElementsAre(2));
}

TEST(Subscription, NoCallBeginsAfterDestructionWhileEventsPourIn) {
  std::atomic<bool> stop = false;
  ComputeEngine engine(
      {}, [&](const auto&, const auto&, base::Reporter& reporter) -> Result<base::JobResult> {
        while (!stop && !reporter.stop().stop_requested()) reporter.stage(Stage::Generate);
        return base::JobResult{};
      });
  ASSERT_TRUE(engine.submit(anything()));
  std::atomic<int> violations = 0;
  std::atomic<int> calls = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
          // The flag dies with the loop body: a late call would also be a use after free for the
          // sanitizers.
          std::atomic<bool> alive = true;
          auto subscription = engine.subscribe([&](const Event&) {
            ++calls;
            if (!alive) ++violations;
          });
          if (i % 3 == 0) std::this_thread::yield();
          subscription.reset();
          alive = false;
        }
      });
    }
  }
  stop = true;
  EXPECT_EQ(violations, 0);
}

}  // namespace
}  // namespace likeness::engine
