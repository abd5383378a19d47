// Hash, log and ring buffer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/ring_buffer.h"
#include "core/base/user_cache.h"
#include "tests/support/temp_folder.h"

namespace likeness::base {
namespace {

using support::TempFolder;

// FIPS 180-2, appendix B.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  for (int i = 0; i < 1000; ++i) pieces.update(std::string(1000, 'a'));
  EXPECT_EQ(pieces.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfAFile) {
  const TempFolder folder;
  support::put(folder / "million", std::string(1000000, 'a'));
  EXPECT_EQ(sha256File(folder / "million").value(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256File(folder / "none").error().code, api::ErrorCode::FileNotFound);
  EXPECT_EQ(sha256File(folder.path()).error().code, api::ErrorCode::FileUnreadable);
}

TEST(Log, GoesToFileAndReceiver) {
  const TempFolder folder;
  std::vector<std::pair<LogLevel, std::string>> heard;
  setLogReceiver(
      [&](LogLevel level, std::string_view message) { heard.emplace_back(level, message); });
  const auto file = startLogging(folder / "new/logs", false);
  log(LogLevel::Warning, "braces {} and %s stay as they are");
  setLogReceiver({});
  log(LogLevel::Info, "second");
  EXPECT_THAT(
      heard,
      testing::ElementsAre(testing::Pair(LogLevel::Warning, "braces {} and %s stay as they are")));
  const std::string text = support::content(file);
  EXPECT_THAT(text, testing::HasSubstr(" W braces {} and %s stay as they are\n"));
  EXPECT_THAT(text, testing::HasSubstr(" I second\n"));
}

TEST(Log, AFolderThatCannotBeMadeIsNoFailure) {
  const TempFolder folder;
  support::put(folder / "file", "");
  startLogging(folder / "file/logs", false);
  log(LogLevel::Error, "nobody hears this");
  EXPECT_EQ(support::content(folder / "file"), "");
}

TEST(Log, FolderFollowsTheStateHome) {
  const char* former = std::getenv("XDG_STATE_HOME");
  const std::string kept = former ? former : "";
  ::setenv("XDG_STATE_HOME", "somewhere", 1);
  EXPECT_EQ(defaultLogFolder(), std::filesystem::path("somewhere/likeness"));
  ::unsetenv("XDG_STATE_HOME");
  EXPECT_THAT(defaultLogFolder().string(), testing::EndsWith(".local/state/likeness"));
  if (former) ::setenv("XDG_STATE_HOME", kept.c_str(), 1);
}

TEST(RingBuffer, TellsAReaderWhatItMissed) {
  RingBuffer<int> ring(3);
  EXPECT_TRUE(ring.since(0).items.empty());
  ring.push(1);
  ring.push(2);
  const auto first = ring.since(0);
  EXPECT_THAT(first.items, testing::ElementsAre(1, 2));
  EXPECT_FALSE(first.dropped);
  for (int i = 3; i <= 7; ++i) ring.push(i);
  const auto second = ring.since(first.next);
  EXPECT_THAT(second.items, testing::ElementsAre(5, 6, 7));
  EXPECT_TRUE(second.dropped);
  EXPECT_TRUE(ring.since(second.next).items.empty());
}

TEST(RingBuffer, HoldsUnderManyThreads) {
  RingBuffer<int> ring(100000);
  {
    std::vector<std::jthread> writers;
    for (int t = 0; t < 4; ++t)
      writers.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) ring.push(i);
      });
  }
  EXPECT_EQ(ring.since(0).items.size(), 4000u);
}

TEST(UserCache, RemembersByWholeKey) {
  const std::string folder =
      (std::filesystem::path(testing::TempDir()) / "likeness_user_cache").string();
  setenv("XDG_CACHE_HOME", folder.c_str(), 1);
  EXPECT_FALSE(recall("a fact"));
  remember("a fact", "a value");
  EXPECT_EQ(recall("a fact"), "a value");
  EXPECT_FALSE(recall("another fact"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace likeness::base
