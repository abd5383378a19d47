// Checkpoints: whole or not there at every failing write, verified when read, few kept.
#include "core/train/checkpoint.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "core/tensor/random_tensor.h"
#include "core/workspace/resolve_model.h"
#include "tests/support/faulty_files.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"

namespace likeness::train {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public testing::Test {
 protected:
  static CheckpointTensors tensors(std::uint64_t seed) {
    const auto draw = [&](std::uint64_t i) {
      return tensor::normal({5, 3}, base::Random(seed, base::Purpose::Test, 0, i));
    };
    return {{"unet.safetensors", {{"a", draw(1)}, {"b", draw(2)}}},
            {"optimizer.safetensors", {{"unet.a.exp_avg", draw(3)}}}};
  }
  static workspace::CheckpointManifest manifest(std::int64_t step,
                                                std::optional<double> probe = {}) {
    workspace::CheckpointManifest m;
    m.step = step;
    m.probeSubject = probe;
    return m;
  }
  api::Result<fs::path> save(std::int64_t step, std::optional<double> probe = {}) {
    return saveCheckpoint(
        run.path(), manifest(step, probe), tensors(static_cast<std::uint64_t>(step)));
  }
  std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> found;
    for (const auto& c : workspace::listCheckpoints(run.path())) found.push_back(c.step);
    return found;
  }
  /// Whether the checkpoint holds exactly what was given for its step.
  bool holds(const FoundCheckpoint& found) const {
    for (const auto& [file, expected] : tensors(static_cast<std::uint64_t>(found.manifest.step))) {
      const auto read = tensor::loadSafetensors(found.folder / file);
      if (!read || read->size() != expected.size()) return false;
      for (const auto& [key, tensor] : expected)
        if (!read->at(key).equal(tensor)) return false;
    }
    return true;
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(run / "checkpoints"))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }

  support::TempFolder run;
  support::RecordingReporter reporter;
};

TEST_F(CheckpointTest, IsFoundAgainAsItWasWritten) {
  ASSERT_TRUE(save(3));
  ASSERT_TRUE(save(12, 0.5));
  const auto found = newestCheckpoint(run.path(), reporter);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->manifest.step, 12);
  EXPECT_EQ(found->manifest.probeSubject, 0.5);
  EXPECT_EQ(found->folder.filename(), "000012");
  EXPECT_TRUE(holds(*found));
  EXPECT_TRUE(reporter.warnings.empty());
}

TEST_F(CheckpointTest, NoneIsNothing) { EXPECT_FALSE(newestCheckpoint(run.path(), reporter)); }

TEST_F(CheckpointTest, EveryFailingWriteLeavesTheOldOneAndSaysWhy) {
  ASSERT_TRUE(save(1));
  int calls = 0;
  {
    support::TempFolder other;
    const support::FaultyFiles counting(-1);
    ASSERT_TRUE(saveCheckpoint(other.path(), manifest(2), tensors(2)));
    calls = counting.calls();
  }
  ASSERT_GT(calls, 20);
  int failed = 0;
  for (int call = 0; call < calls; ++call)
    for (const int error : {ENOSPC, EIO}) {
      std::optional<api::Error> said;
      {
        const support::FaultyFiles faulty(call, error);
        if (const auto saved = save(2); !saved) said = saved.error();
      }
      const auto found = newestCheckpoint(run.path(), reporter);
      ASSERT_TRUE(found) << call;
      EXPECT_TRUE(holds(*found)) << call;
      if (said) {
        ++failed;
        EXPECT_EQ(said->code,
                  error == ENOSPC ? api::ErrorCode::DiskFull : api::ErrorCode::FileUnwritable)
            << call;
        EXPECT_NE(api::message(*said), "");
      } else {
        EXPECT_EQ(found->manifest.step, 2) << call;
      }
      // A folder that could not be made durable may still be there, but then it is whole.
      if (found->manifest.step == 2) fs::remove_all(found->folder);
      base::removeLeftovers(run / "checkpoints");
      EXPECT_THAT(entries(), testing::ElementsAre("000001")) << call;
    }
  EXPECT_GT(failed, calls);
}

TEST_F(CheckpointTest, FullDiskThatStaysFullLeavesNothingThatCounts) {
  ASSERT_TRUE(save(1));
  for (int call = 0; call < 20; ++call) {
    {
      const support::FaultyFiles faulty(call, ENOSPC, /*sticky=*/true);
      ASSERT_FALSE(save(2)) << call;
    }
    EXPECT_THAT(steps(), testing::ElementsAre(1)) << call;
    base::removeLeftovers(run / "checkpoints");
    EXPECT_THAT(entries(), testing::ElementsAre("000001")) << call;
  }
}

TEST_F(CheckpointTest, DamagedOnesArePassedOverWithAWarning) {
  ASSERT_TRUE(save(1));
  ASSERT_TRUE(save(2));
  ASSERT_TRUE(save(3));
  // One bit flipped keeps the size; a cut does not.
  const fs::path flipped = run / "checkpoints/000003/unet.safetensors";
  std::string bytes = support::content(flipped);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  support::put(flipped, bytes);
  fs::resize_file(run / "checkpoints/000002/optimizer.safetensors", 10);
  const auto found = newestCheckpoint(run.path(), reporter);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->manifest.step, 1);
  ASSERT_EQ(reporter.warnings.size(), 2U);
  for (const auto& warning : reporter.warnings)
    EXPECT_EQ(warning.code, api::ErrorCode::DamagedCheckpoint);
}

TEST_F(CheckpointTest, DamagedOneOfTheSameStepIsReplaced) {
  ASSERT_TRUE(save(2));
  fs::resize_file(run / "checkpoints/000002/unet.safetensors", 10);
  ASSERT_TRUE(save(2));
  const auto found = newestCheckpoint(run.path(), reporter);
  ASSERT_TRUE(found);
  EXPECT_TRUE(holds(*found));
  EXPECT_THAT(entries(), testing::ElementsAre("000002"));
}

TEST_F(CheckpointTest, SavingAStepAgainRenewsItsManifest) {
  ASSERT_TRUE(save(2));
  auto again = manifest(2);
  again.finished = true;
  ASSERT_TRUE(saveCheckpoint(run.path(), again, tensors(2)));
  const auto found = newestCheckpoint(run.path(), reporter);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->manifest.finished);
  EXPECT_EQ(found->manifest.files.size(), 2U);
}

TEST_F(CheckpointTest, KeepsTheNewestAndTheBest) {
  const std::optional<double> probes[] = {{}, 0.9, 0.4, 0.6, 0.5, 0.7};
  for (std::int64_t step = 1; step <= 5; ++step) {
    ASSERT_TRUE(save(step, probes[step]));
    removeOldCheckpoints(run.path(), 2);
  }
  EXPECT_THAT(steps(), testing::ElementsAre(2, 4, 5));
  EXPECT_THAT(entries(), testing::ElementsAre("000002", "000004", "000005"));
}

TEST_F(CheckpointTest, WhatCannotBeRemovedStaysWhole) {
  for (std::int64_t step = 1; step <= 3; ++step) ASSERT_TRUE(save(step));
  {
    const support::FaultyFiles faulty(0, EACCES, /*sticky=*/true);
    removeOldCheckpoints(run.path(), 2);
  }
  EXPECT_THAT(steps(), testing::ElementsAre(1, 2, 3));
  removeOldCheckpoints(run.path(), 2);
  EXPECT_THAT(steps(), testing::ElementsAre(2, 3));
}

}  // namespace
}  // namespace likeness::train
