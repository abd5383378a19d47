// Several processes that train one model: real ones, over the loopback.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/base/file_system.h"
#include "core/image/photo.h"
#include "core/train/run_folder.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/metrics_file.h"
#include "core/workspace/resolve_model.h"
#include "core/workspace/run_folder.h"
#include "tests/core/train/driver/recipe.h"
#include "tests/core/train/fixture.h"

namespace likeness::train::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

int freePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(socket, generic, size), 0);
  EXPECT_EQ(::getsockname(socket, generic, &size), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

/// Ranks of train_driver on one run.
class Together {
 public:
  explicit Together(fs::path folder) : m_folder(std::move(folder)), m_port(freePort()) {}

  void start(int rank,
             int ranks,
             const fs::path& photos,
             const fs::path& run,
             const std::string& method,
             std::int64_t batch,
             std::int64_t steps = kJobSteps,
             std::int64_t samples = 3) {
    const std::string program = fs::read_symlink("/proc/self/exe").parent_path() / "train_driver";
    std::vector<std::string> arguments{program,
                                       tinyModel(),
                                       photos,
                                       run,
                                       method,
                                       std::to_string(batch),
                                       std::to_string(steps),
                                       std::to_string(samples)};
    const fs::path said = m_folder / ("said" + std::to_string(m_pids.size()));
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (!std::freopen(said.c_str(), "w", stderr)) ::_exit(126);
      ::setenv("RANK", std::to_string(rank).c_str(), 1);
      ::setenv("WORLD_SIZE", std::to_string(ranks).c_str(), 1);
      ::setenv("MASTER_ADDR", "127.0.0.1", 1);
      ::setenv("MASTER_PORT", std::to_string(m_port).c_str(), 1);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    m_pids.push_back(pid);
    m_said.push_back(said);
  }

  pid_t pid(std::size_t i) const { return m_pids[i]; }
  /// Exit code (128 + signal), and what was said on standard error.
  std::pair<int, std::string> wait(std::size_t i) const {
    int status = 0;
    ::waitpid(m_pids[i], &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            base::readFile(m_said[i]).value_or("")};
  }

 private:
  fs::path m_folder;
  int m_port;
  std::vector<pid_t> m_pids;
  std::vector<fs::path> m_said;
};

std::int64_t newest(const fs::path& run) {
  const auto all = workspace::listCheckpoints(run);
  return all.empty() ? 0 : all.back().step;
}

/// Trains `ranks` ranks to the end.
void train(const support::TempFolder& folder,
           int ranks,
           const std::string& method,
           std::int64_t batch,
           const std::string& run) {
  Together together(folder.path());
  for (int rank = 0; rank < ranks; ++rank)
    together.start(rank, ranks, folder / "photos", folder / run, method, batch);
  for (int rank = 0; rank < ranks; ++rank) {
    const auto [code, said] = together.wait(static_cast<std::size_t>(rank));
    EXPECT_EQ(code, 0) << "rank " << rank << ": " << said;
  }
}

TEST(RanksTest, EqualOneProcessWithTheSameBatch) {
  const support::TempFolder folder;
  support::makePhotos(folder / "photos", 3);
  struct Case {
    const char *method, *file;
    int ranks;
    std::int64_t batch;
  };
  // Shares of 1 and 2 photos; of 1 each.
  for (const Case& c :
       {Case{"full", "unet.safetensors", 2, 3}, {"lora", "adapter.safetensors", 3, 3}}) {
    SCOPED_TRACE(c.method);
    const std::string one = std::string(c.method) + "-one", many = std::string(c.method) + "-many";
    train(folder, 1, c.method, c.batch, one);
    train(folder, c.ranks, c.method, c.batch, many);
    const auto weights = [&](const std::string& run, std::int64_t step) {
      return tensor::loadSafetensors(workspace::checkpointFolder(folder / run, step) / c.file)
          .value();
    };
    const auto begun = weights(one, kJobSteps - kJobCheckpointEvery);
    const auto alone = weights(one, kJobSteps), shared = weights(many, kJobSteps);
    double moved = 0, apart = 0;
    for (const auto& [key, weight] : alone) {
      moved = std::max(moved, (weight - begun.at(key)).abs().max().item<double>());
      apart = std::max(apart, (weight - shared.at(key)).abs().max().item<double>());
    }
    EXPECT_LT(apart, 1e-6);
    EXPECT_GT(moved, 2e-5);  // which is what the bound has to be seen beside
    std::cout << c.method << ": " << apart << " apart after steps of " << moved << "\n";
    const auto expected = workspace::readMetrics(folder / one / "metrics.csv");
    const auto found = workspace::readMetrics(folder / many / "metrics.csv");
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (expected[i].series == api::Series::StepSeconds ||
          expected[i].series == api::Series::MemoryMiB)
        continue;
      EXPECT_EQ(found[i].series, expected[i].series);
      EXPECT_NEAR(found[i].value, expected[i].value, 1e-5 * std::abs(expected[i].value)) << i;
    }
    // Before the first step the weights are the same, and so is every bit of the samples.
    for (std::int64_t i = 0; i < 3; ++i) {
      const auto sample = [&](const std::string& run, std::int64_t step) {
        return image::readPhoto(folder / run / workspace::sampleFile(step, i)).value().image;
      };
      EXPECT_EQ(sample(one, 0), sample(many, 0)) << i;
      EXPECT_EQ(sample(one, kJobSteps).width, sample(many, kJobSteps).width) << i;
    }
  }
}

TEST(RanksTest, ALostOneEndsTheRunWhichGoesOnAlone) {
  const support::TempFolder folder;
  support::makePhotos(folder / "photos", 3);
  const fs::path run = folder / "run";
  Together together(folder.path());
  for (int rank = 0; rank < 2; ++rank)
    together.start(rank, 2, folder / "photos", run, "lora", 2, 100000);
  while (newest(run) == 0 && ::waitpid(together.pid(0), nullptr, WNOHANG) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ::kill(together.pid(1), SIGKILL);
  EXPECT_EQ(together.wait(1).first, 128 + SIGKILL);
  const auto [code, said] = together.wait(0);
  EXPECT_EQ(code, 1);
  EXPECT_THAT(said, HasSubstr("stopped unexpectedly: it ended"));
  // Nothing that was done is gone.
  const std::int64_t done = newest(run);
  EXPECT_GT(done, 0);
  EXPECT_EQ(workspace::readMetrics(run / "metrics.csv").back().step, done);
  EXPECT_EQ(readInputs(run)->ranks, 2);

  Together alone(folder.path());
  alone.start(0, 1, folder / "photos", run, "lora", 2, done + 2);
  const auto [again, complaint] = alone.wait(0);
  EXPECT_EQ(again, 0) << complaint;
  EXPECT_EQ(newest(run), done + 2);
  EXPECT_EQ(readInputs(run)->ranks, 1);
}

TEST(RanksTest, ALostOneEndsTheRunAmongItsSamplesToo) {
  const support::TempFolder folder;
  support::makePhotos(folder / "photos", 3);
  const fs::path run = folder / "run", first = run / workspace::sampleFile(6, 0);
  Together together(folder.path());
  for (int rank = 0; rank < 2; ++rank)
    together.start(rank, 2, folder / "photos", run, "lora", 2, 100000, 100);
  while (!fs::exists(first) && ::waitpid(together.pid(0), nullptr, WNOHANG) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::kill(together.pid(1), SIGKILL);
  EXPECT_EQ(together.wait(1).first, 128 + SIGKILL);
  EXPECT_THAT(together.wait(0).second, HasSubstr("stopped unexpectedly: it ended"));
  EXPECT_GE(newest(run), 6);
  EXPECT_EQ(workspace::readMetrics(run / "metrics.csv").back().step, newest(run));
}

TEST(RanksTest, ReasonsReachAll) {
  const support::TempFolder folder;
  support::makePhotos(folder / "photos", 3);
  support::makePhotos(folder / "other", 2);
  support::put(folder / "other/02.png", "no picture");
  Together together(folder.path());
  together.start(0, 2, folder / "photos", folder / "run", "lora", 2);
  together.start(1, 2, folder / "other", folder / "run", "lora", 2);
  const std::string first = together.wait(0).second;
  EXPECT_THAT(first, HasSubstr("other/02.png is not a picture"));
  EXPECT_EQ(together.wait(1).second, first);

  Together one(folder.path());
  for (int rank = 0; rank < 2; ++rank)
    one.start(rank, 2, folder / "photos", folder / "small", "lora", 1);
  EXPECT_THAT(one.wait(0).second, HasSubstr("A step of 1 photo cannot be divided over 2 devices"));
  EXPECT_EQ(one.wait(1).first, 1);
}

TEST(RanksTest, AnotherNumberIsAReasonForOtherBits) {
  RunInputs before, now;
  before.device = now.device = "cpu";
  EXPECT_THAT(inexactReasons(before, now), testing::IsEmpty());
  before.ranks = 2;
  EXPECT_THAT(inexactReasons(before, now), testing::ElementsAre("number of ranks was 2 and is 1"));
}

TEST(RanksTest, SharesCoverAll) {
  EXPECT_EQ(Ranks().share(5), std::pair(std::int64_t{0}, std::int64_t{5}));
  EXPECT_FALSE(Ranks().any(false).value());
  EXPECT_TRUE(Ranks().any(true).value());
}

}  // namespace
}  // namespace likeness::train::test
