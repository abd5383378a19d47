// Training in several processes that the program starts itself.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/integration/scene.h"

namespace likeness::integration {
namespace {

using testing::HasSubstr;

class Devices : public Scene {
 protected:
  /// Two processes; `act` is called with the program's once, in the midst of the steps.
  Finished trained(const fs::path& run, int steps, const std::function<void(int pid)>& act = {}) {
    RunOptions options;
    bool acted = !act;
    options.onError = [&](const std::string& err, int pid) {
      if (acted || err.find("/500") == std::string::npos) return;
      acted = true;
      act(pid);
    };
    return cli(training(photos(), run, steps, {"--devices", "2", "--batch-size", "2"}), options);
  }
  static nlohmann::json inputs(const fs::path& run) {
    return nlohmann::json::parse(readText(run / "inputs.json"));
  }
};

TEST_F(Devices, OneSpeaksForAll) {
  const Finished finished = trained(at("run"), 2);
  ASSERT_EQ(finished.exitCode, 0) << finished.err;
  EXPECT_EQ(finished.json()["steps"], 2);
  EXPECT_EQ(std::ranges::count(finished.out, '\n'), 1) << finished.out;
  EXPECT_EQ(inputs(at("run"))["ranks"], 2);
  EXPECT_EQ(inputs(at("run"))["threads"].get<int>(),
            std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2));
}

TEST_F(Devices, CtrlCStopsAllAndOneGoesOn) {
  const Finished stopped = trained(at("run"), 500, [](int pid) { kill(pid, SIGINT); });
  EXPECT_EQ(stopped.exitCode, 130) << stopped.err;
  const int done = stopped.json()["steps"];
  EXPECT_GT(done, 0);
  const auto again = cli({"train",
                          "--out",
                          at("run").string(),
                          "--resume",
                          "--steps",
                          std::to_string(done + 1),
                          "--json"});
  EXPECT_EQ(again.exitCode, 0) << again.err;
  EXPECT_EQ(inputs(at("run"))["ranks"], 1);
}

TEST_F(Devices, AProcessThatIsLostEndsTheRunWithACheckpoint) {
  const Finished finished = trained(at("run"), 500, [](int pid) {
    const std::string program = std::to_string(pid);
    std::ifstream children("/proc/" + program + "/task/" + program + "/children");
    int first = 0, second = 0;
    children >> first >> second;
    kill(second, SIGKILL);
  });
  expectError(finished, "device_missing", 4);
  const std::string folder = finished.json()["error"]["context"]["folder"];
  EXPECT_THAT(finished.err, HasSubstr(folder));
  EXPECT_TRUE(fs::exists(fs::path(folder) / "manifest.json"));
}

}  // namespace
}  // namespace likeness::integration
