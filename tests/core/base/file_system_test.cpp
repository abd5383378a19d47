// Whole files appear at once or not at all, whichever system call fails.
#include "core/base/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include "tests/support/faulty_files.h"
#include "tests/support/temp_folder.h"

namespace likeness::base {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using support::content;
using support::FaultyFiles;
using support::put;
using support::TempFolder;

std::vector<std::string> names(const fs::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder))
    found.push_back(entry.path().filename().string());
  std::ranges::sort(found);
  return found;
}

TEST(WriteFile, ReplacesAWholeFileAndLeavesNothingElse) {
  const TempFolder folder;
  ASSERT_TRUE(writeFile(folder / "a.txt", "first"));
  ASSERT_TRUE(writeFile(folder / "a.txt", std::string("second\0with zero", 16)));
  EXPECT_EQ(content(folder / "a.txt"), std::string("second\0with zero", 16));
  EXPECT_THAT(names(folder.path()), testing::ElementsAre("a.txt"));
}

TEST(WriteFile, SyncsBeforeTheRenameAndTheFolderAfterIt) {
  const TempFolder folder;
  FaultyFiles files(-1);
  ASSERT_TRUE(writeFile(folder / "a.txt", "text"));
  EXPECT_THAT(
      files.names(),
      testing::ElementsAre("open", "write", "sync", "close", "rename", "open", "sync", "close"));
}

TEST(WriteFile, EveryFailureKeepsTheOldFileAndSaysSo) {
  for (const bool sticky : {false, true})
    for (int failAt = 0; failAt < 5; ++failAt) {
      const TempFolder folder;
      put(folder / "a.txt", "old");
      api::Result<void> result;
      {
        const FaultyFiles files(failAt, ENOSPC, sticky);
        result = writeFile(folder / "a.txt", "new content");
      }
      ASSERT_FALSE(result) << failAt;
      EXPECT_EQ(result.error().code, ErrorCode::DiskFull);
      EXPECT_EQ(result.error().value("file"), (folder / "a.txt").string());
      EXPECT_EQ(content(folder / "a.txt"), "old") << failAt;
      if (sticky) removeLeftovers(folder.path());
      EXPECT_THAT(names(folder.path()), testing::ElementsAre("a.txt")) << failAt;
    }
}

TEST(WriteFile, WithoutCommitNothingAppears) {
  const TempFolder folder;
  {
    auto file = AtomicFile::create(folder / "a.txt");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("half"));
    EXPECT_THAT(names(folder.path()),
                testing::ElementsAre(temporaryName(folder / "a.txt").filename().string()));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(WriteFile, NamesTheReasonOfAMissingFolder) {
  const TempFolder folder;
  const auto result = writeFile(folder / "none/a.txt", "x");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::FileUnwritable);
  EXPECT_THAT(api::message(result.error()), testing::HasSubstr("No such file or directory"));
}

TEST(WriteFile, SurvivesSignalsDuringALargeWrite) {
  const TempFolder folder;
  struct sigaction action {
  }, former{};
  action.sa_handler = [](int) {};  // without SA_RESTART, so that calls are interrupted
  sigaction(SIGALRM, &action, &former);
  const auto timer = [](long microseconds) {
    itimerval interval{{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &interval, nullptr);
  };
  timer(200);
  const std::string large(24 << 20, 'x');
  const auto result = writeFile(folder / "large", large);
  timer(0);
  sigaction(SIGALRM, &former, nullptr);
  ASSERT_TRUE(result);
  EXPECT_EQ(content(folder / "large"), large);
}

TEST(ReadFile, SaysWhyNot) {
  const TempFolder folder;
  EXPECT_EQ(readFile(folder / "none").error().code, ErrorCode::FileNotFound);
  EXPECT_EQ(readFile(folder.path()).error().code, ErrorCode::FileUnreadable);
  put(folder / "big", std::string(101, 'x'));
  EXPECT_EQ(readFile(folder / "big", 100).error().code, ErrorCode::FileUnreadable);
  EXPECT_EQ(readFile(folder / "big", 101)->size(), 101u);
}

TEST(WriteError, NamesTheFileThatAPersonKnows) {
  const auto error = writeError(EACCES, temporaryName("out/model") / "unet/config.json");
  EXPECT_EQ(error.value("file"), "out/model/unet/config.json");
  EXPECT_EQ(writeError(EACCES, "/a/.b/c").value("file"), "/a/.b/c");
}

TEST(Folders, AreMadeWithTheirParents) {
  const TempFolder folder;
  ASSERT_TRUE(makeFolder(folder / "a/b/c"));
  ASSERT_TRUE(makeFolder(folder / "a/b/c"));
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  put(folder / "file", "");
  const auto inTheWay = makeFolder(folder / "file/below");
  EXPECT_EQ(inTheWay.error().code, ErrorCode::FileUnwritable);
  EXPECT_EQ(inTheWay.error().value("file"), (folder / "file").string());
  EXPECT_NE(inTheWay.error().value("fix"), "");
  const FaultyFiles files(0, EROFS);
  EXPECT_EQ(makeFolder(folder / "new").error().code, ErrorCode::FileUnwritable);
}

TEST(Folders, ArePublishedOnlyWhereNothingIs) {
  const TempFolder folder;
  const fs::path made = temporaryName(folder / "000320");
  put(made / "data", "x");
  fs::create_directory(folder / "000100");
  EXPECT_EQ(renameFolder(made, folder / "000100").error().code, ErrorCode::FileUnwritable);
  ASSERT_TRUE(renameFolder(made, folder / "000320"));
  EXPECT_THAT(names(folder.path()), testing::ElementsAre("000100", "000320"));
  for (int failAt = 0; failAt < 7; ++failAt) {
    put(made / "data", "x");
    const FaultyFiles files(failAt);
    const auto result = renameFolder(made, folder / ("n" + std::to_string(failAt)));
    EXPECT_EQ(result.has_value(), files.names()[static_cast<std::size_t>(failAt)] == "close")
        << failAt;
  }
}

TEST(Folders, RemoveAllTakesTheTreeButNotWhatLinksPointTo) {
  const TempFolder folder;
  put(folder / "kept/file", "x");
  put(folder / "gone/deep/file", "x");
  fs::create_directory_symlink(folder / "kept", folder / "gone/link");
  ASSERT_TRUE(removeAll(folder / "gone"));
  ASSERT_TRUE(removeAll(folder / "gone"));
  EXPECT_THAT(names(folder.path()), testing::ElementsAre("kept"));
  EXPECT_EQ(content(folder / "kept/file"), "x");
}

TEST(Leftovers, OfDeadProcessesGoAndOthersStay) {
  const TempFolder folder;
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
  put(folder / (".a.likeness-tmp-" + std::to_string(dead)), "x");
  put(folder / (".b.likeness-tmp-" + std::to_string(dead)) / "inside", "x");
  put(folder / (".c.likeness-tmp-" + std::to_string(::getppid())), "x");
  put(folder / ".hidden", "x");
  put(folder / "a.likeness-tmp-1", "x");
  removeLeftovers(folder.path());
  EXPECT_THAT(names(folder.path()),
              testing::ElementsAre(
                  ".c.likeness-tmp-" + std::to_string(::getppid()), ".hidden", "a.likeness-tmp-1"));
}

TEST(AppendFile, GrowsAndIsCutBack) {
  const TempFolder folder;
  {
    auto file = AppendFile::open(folder / "m.csv");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append("one\n"));
    AppendFile moved = std::move(*file);
    ASSERT_TRUE(moved.append("two\n"));
    ASSERT_TRUE(moved.sync());
  }
  ASSERT_TRUE(AppendFile::open(folder / "m.csv")->append("three\n"));
  EXPECT_EQ(content(folder / "m.csv"), "one\ntwo\nthree\n");
  ASSERT_TRUE(truncateFile(folder / "m.csv", 8));
  EXPECT_EQ(content(folder / "m.csv"), "one\ntwo\n");
  auto file = AppendFile::open(folder / "m.csv");
  const FaultyFiles files(0, ENOSPC);
  EXPECT_EQ(file->append("x").error().code, ErrorCode::DiskFull);
}

/// What a child process sees when it tries the same lock: its exit status.
int tryLockInChild(const fs::path& file) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FileLock::acquire(file);
    const bool said =
        !lock && lock.error().code == ErrorCode::ProjectInUse &&
        lock.error().value("owner").find(std::to_string(::getppid())) != std::string_view::npos;
    ::_exit(lock ? 1 : said ? 2 : 3);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(FileLock, KeepsAnotherProcessAwayAndNamesItsOwner) {
  const TempFolder folder;
  {
    const auto lock = FileLock::acquire(folder / ".lock");
    ASSERT_TRUE(lock);
    EXPECT_EQ(tryLockInChild(folder / ".lock"), 2);
    EXPECT_FALSE(FileLock::acquire(folder / ".lock"));
  }
  EXPECT_EQ(tryLockInChild(folder / ".lock"), 1);
  EXPECT_TRUE(FileLock::acquire(folder / ".lock"));
}

TEST(FileLock, CanBeWaitedFor) {
  const TempFolder folder;
  std::optional<FileLock> held = std::move(*FileLock::wait(folder / ".lock"));
  std::atomic<bool> entered = false;
  std::thread other([&] {
    const auto lock = FileLock::wait(folder / ".lock");
    EXPECT_TRUE(lock);
    entered = true;
  });
  EXPECT_FALSE(entered);
  held.reset();
  other.join();
  EXPECT_TRUE(entered);
  const FaultyFiles files(0, ENOSPC);
  EXPECT_EQ(FileLock::wait(folder / "other").error().code, ErrorCode::DiskFull);
}

TEST(FileLock, EndsWithItsProcessHoweverItEnds) {
  const TempFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FileLock::acquire(folder / ".lock");
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(FileLock::acquire(folder / ".lock").error().code, ErrorCode::ProjectInUse);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock::acquire(folder / ".lock"));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(Space, IsThatOfTheNearestExistingFolder) {
  const TempFolder folder;
  EXPECT_GT(freeBytes(folder / "not/yet/there"), 0u);
}

TEST(Resources, FollowTheVariableThenTheBuildTree) {
  const char* former = std::getenv("LIKENESS_RESOURCES");
  const std::string kept = former ? former : "";
  ::setenv("LIKENESS_RESOURCES", "elsewhere", 1);
  EXPECT_EQ(findResources(), fs::path("elsewhere"));
  ::unsetenv("LIKENESS_RESOURCES");
  EXPECT_TRUE(fs::exists(findResources() / "starter/model_index.json")) << findResources();
  if (former) ::setenv("LIKENESS_RESOURCES", kept.c_str(), 1);
}

}  // namespace
}  // namespace likeness::base
