// Whole jobs on a tiny model: requests, runs to a step, and what they leave on disk.
#pragma once

#include <gmock/gmock.h>

#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "core/base/file_system.h"
#include "core/tensor/state_dict.h"
#include "core/train/train.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/metrics_file.h"
#include "tests/core/train/driver/recipe.h"
#include "tests/core/train/fixture.h"
#include "tests/support/recording_reporter.h"

namespace likeness::train::test {

namespace fs = std::filesystem;
using api::ErrorCode;
using api::Method;

inline std::vector<std::string> cellsOf(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream in(row + ",");
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

/// metrics.csv without what differs between equal runs, time and memory; the header first.
inline std::vector<std::vector<std::string>> metricRows(const fs::path& run) {
  std::vector<std::vector<std::string>> rows;
  std::ifstream in(run / "metrics.csv");
  for (std::string row; std::getline(in, row);) rows.push_back(cellsOf(row));
  for (auto cell = rows.front().size(); cell-- > 0;)
    if (rows.front()[cell] == "step_seconds" || rows.front()[cell] == "memory_mib")
      for (auto& row : rows) row.erase(row.begin() + static_cast<std::ptrdiff_t>(cell));
  return rows;
}

/// Every tensor of a checkpoint, by file and key.
inline tensor::StateDict tensorsOf(const fs::path& run, std::int64_t step) {
  tensor::StateDict all;
  const fs::path folder = workspace::checkpointFolder(run, step);
  const auto manifest = workspace::readManifest(folder, /*hashes=*/true);
  EXPECT_TRUE(manifest) << folder;
  if (!manifest) return all;
  for (const auto& file : manifest->files) {
    const auto tensors = tensor::loadSafetensors(folder / file.name).value();
    for (const auto& [key, tensor] : tensors) all.emplace(file.name + "/" + key, tensor);
  }
  return all;
}

inline void expectEqualTensors(const tensor::StateDict& a, const tensor::StateDict& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [key, tensor] : a) EXPECT_TRUE(tensor.equal(b.at(key))) << key;
}

class TrainTest : public testing::Test {
 protected:
  TrainTest() { support::makePhotos(folder / "photos", 3); }

  api::TrainRequest request(const std::string& run,
                            Method method = Method::Full,
                            Tiny model = Tiny::Noise) const {
    auto r = jobRequest(tinyModel(model), folder / "photos", folder / run);
    r.training.method = method;
    // Shared, as a project does.
    r.classImageFolder = folder / "class-images";
    r.cacheFolder = folder / "cache";
    return r;
  }
  api::Result<base::JobResult> run(const api::TrainRequest& r) {
    reporter.stopSource = std::stop_source();
    return train(r, {}, reporter);
  }
  /// Runs to the end of `step`, then stops as a person would.
  void runUntil(const api::TrainRequest& r, std::int64_t step) {
    reporter.onProgress = [this, step](const api::Progress& p) {
      if (p.stage == api::Stage::Train && p.done == step) reporter.stopSource.request_stop();
    };
    const auto result = run(r);
    reporter.onProgress = nullptr;
    ASSERT_TRUE(result) << api::message(result.error());
    EXPECT_TRUE(result->cancelled);
  }
  void expectError(const api::TrainRequest& r, ErrorCode code, const std::string& key = "") {
    const auto result = run(r);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code) << api::message(result.error());
    EXPECT_TRUE(key.empty() || result.error().value("key") == key) << result.error().value("key");
  }

  support::TempFolder folder;
  support::RecordingReporter reporter;
};

}  // namespace likeness::train::test
