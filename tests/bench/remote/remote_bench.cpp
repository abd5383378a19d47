// What a process of its own costs beside an engine in this one: the start, and each picture.
//   remote_bench [REPEATS]
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <semaphore>
#include <thread>
#include <vector>

#include "app/engine_loader.h"
#include "core/base/file_system.h"
#include "core/remote/remote_engine.h"
#include "core/remote/serve_engine.h"
#include "tests/support/fake_engine.h"

namespace likeness {
namespace {

using namespace api;
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}
double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

/// The other side as a thread: what remains of the way is that of a process.
class ThreadHost : public remote::EngineHost {
 public:
  explicit ThreadHost(std::jthread thread) : m_thread(std::move(thread)) {}
  int processId() const override { return 0; }
  remote::Ending end() override {
    m_thread.join();
    return {};
  }

 private:
  std::jthread m_thread;
};

void startAndEnd(int repeats) {
  EngineOptions options;
  options.resources = base::findResources();
  std::vector<double> starts, ends;
  for (int i = 0; i < repeats; ++i) {
    const auto before = Clock::now();
    auto engine = remote::startRemoteEngine(options);
    if (!engine) {
      std::fprintf(stderr, "%s\n", message(engine.error()).c_str());
      std::exit(1);
    }
    const auto started = Clock::now();
    engine->reset();
    starts.push_back(milliseconds(started - before));
    ends.push_back(milliseconds(Clock::now() - started));
  }
  const auto before = Clock::now();
  const auto here = app::loadEngine(options);
  if (here) (*here)->devices();
  std::printf("start: a process %.0f ms, in this process %.0f ms; end of the process %.0f ms\n",
              median(starts),
              milliseconds(Clock::now() - before),
              median(ends));
}

void pictures(int repeats) {
  auto fake = std::make_shared<support::FakeEngine>();
  remote::RemoteEngine engine(
      [&]() -> Result<remote::Connection> {
        auto sockets = remote::connectedSockets();
        auto other = std::make_shared<base::Descriptor>(std::move(sockets->second));
        std::jthread serving([other, fake] {
          remote::serveEngine(
              std::move(*other),
              [fake](const EngineOptions&) -> Result<std::shared_ptr<Engine>> { return fake; });
        });
        return remote::Connection{std::move(sockets->first),
                                  std::make_unique<ThreadHost>(std::move(serving))};
      },
      {});
  std::binary_semaphore arrived(0);
  const auto subscription = engine.subscribe([&](const Event&) { arrived.release(); });
  GenerateRequest request;
  request.prompt = "a cup";
  engine.submit(request).value();
  arrived.acquire();
  for (const int side : {128, 512, 1024}) {
    const Image image = support::testImage(side, side);
    std::vector<double> times;
    for (int i = 0; i < 20 * repeats; ++i) {
      const auto before = Clock::now();
      fake->emit(1, PictureReady{PictureKind::Preview, image, {}, i, 0, 1, {}, 1});
      arrived.acquire();
      times.push_back(milliseconds(Clock::now() - before));
    }
    std::printf("a picture of %d px: %.3f ms from the engine to the sink\n", side, median(times));
  }
  fake->emit(1, JobFinished{Completed{}});
  arrived.acquire();
}

}  // namespace
}  // namespace likeness

int main(int argc, char** argv) {
  likeness::app::spinBriefly(argv);
  const int repeats = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  likeness::startAndEnd(repeats);
  likeness::pictures(repeats);
}
