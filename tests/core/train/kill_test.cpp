// kill -9 at random moments: the run always resumes, loses at most the checkpoint interval, and the
// next start leaves nothing stray.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "core/base/random.h"
#include "core/tensor/state_dict.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/metrics_file.h"
#include "core/workspace/resolve_model.h"
#include "tests/core/train/driver/recipe.h"
#include "tests/core/train/fixture.h"

extern char** environ;

namespace likeness::train::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

pid_t start(const fs::path& photos, const fs::path& run, const std::string& method) {
  const std::string program = fs::read_symlink("/proc/self/exe").parent_path() / "train_driver";
  const std::string model = tinyModel(), photoFolder = photos, runFolder = run;
  const char* arguments[] = {program.c_str(),
                             model.c_str(),
                             photoFolder.c_str(),
                             runFolder.c_str(),
                             method.c_str(),
                             nullptr};
  pid_t child = -1;
  EXPECT_EQ(::posix_spawn(
                &child, program.c_str(), nullptr, nullptr, const_cast<char**>(arguments), environ),
            0);
  return child;
}

int waitFor(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

std::int64_t newest(const fs::path& run) {
  const auto all = workspace::listCheckpoints(run);
  return all.empty() ? 0 : all.back().step;
}

std::int64_t stepsRecorded(const fs::path& run) {
  std::int64_t last = 0;
  for (const auto& sample : workspace::readMetrics(run / "metrics.csv"))
    last = std::max(last, sample.step);
  return last;
}

tensor::StateDict finalWeights(const fs::path& run) {
  return tensor::loadSafetensors(workspace::checkpointFolder(run, kJobSteps) / workspace::kUnetFile)
      .value();
}

TEST(KillTest, ThirtyRandomKillsLoseAtMostOneInterval) {
  const support::TempFolder folder;
  support::makePhotos(folder / "photos", 3);
  const auto began = Clock::now();
  ASSERT_EQ(waitFor(start(folder / "photos", folder / "whole", "full")), 0);
  const double whole = std::chrono::duration<double>(Clock::now() - began).count();
  const auto expected = finalWeights(folder / "whole");

  const base::Random random(1, base::Purpose::Test);
  int kills = 0, finishes = 0, runs = 0;
  std::uint64_t draw = 0;
  while (kills < 30) {
    const fs::path run = folder / ("run" + std::to_string(runs++));
    std::int64_t done = 0;
    for (int attempt = 0; newest(run) < kJobSteps && attempt < 100; ++attempt) {
      const pid_t child = start(folder / "photos", run, "full");
      std::this_thread::sleep_for(
          std::chrono::duration<double>(random.uniform(draw++) * whole * 1.1));
      ::kill(child, SIGKILL);
      const int status = waitFor(child);
      if (WIFSIGNALED(status)) {
        ++kills;
      } else {
        ASSERT_EQ(status, 0);
        ++finishes;
      }
      // What was reached before stays, and every valid checkpoint is whole.
      EXPECT_GE(newest(run), done);
      done = newest(run);
      EXPECT_LE(stepsRecorded(run) - done, kJobCheckpointEvery);
      for (const auto& checkpoint : workspace::listCheckpoints(run))
        EXPECT_TRUE(workspace::readManifest(checkpoint.folder, /*hashes=*/true));
    }
    // One undisturbed start ends it and clears up.
    ASSERT_EQ(waitFor(start(folder / "photos", run, "full")), 0);
    for (const auto& entry : fs::recursive_directory_iterator(run))
      EXPECT_EQ(entry.path().string().find("likeness-tmp"), std::string::npos) << entry.path();
    for (const auto& [key, tensor] : finalWeights(run))
      EXPECT_TRUE(tensor.equal(expected.at(key))) << key;
  }
  std::cout << kills << " kills in " << runs << " runs, " << finishes << " starts ended first\n";
}

}  // namespace
}  // namespace likeness::train::test
