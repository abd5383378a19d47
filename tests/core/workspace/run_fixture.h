// Runs with checkpoints whose files are small texts.
#pragma once

#include <optional>

#include "core/base/hash.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/run_folder.h"
#include "tests/support/temp_folder.h"

namespace likeness::workspace {

inline api::TrainRequest recipe(const std::filesystem::path& runFolder,
                                api::Method method = api::Method::Full) {
  api::TrainRequest request;
  request.runFolder = runFolder;
  request.subject.classWord = "toy";
  request.training.method = method;
  request.training.steps = 320;
  return request;
}

inline CheckpointManifest writeCheckpoint(const std::filesystem::path& runFolder,
                                          std::int64_t step,
                                          std::vector<std::string_view> files,
                                          std::optional<double> probe = std::nullopt,
                                          bool finished = false) {
  const auto folder = checkpointFolder(runFolder, step);
  CheckpointManifest manifest;
  manifest.step = step;
  manifest.probeSubject = probe;
  manifest.finished = finished;
  for (const std::string_view name : files) {
    const std::string content = "content of " + std::string(name) + std::to_string(step);
    support::put(folder / name, content);
    manifest.files.push_back({std::string(name), content.size(), base::sha256(content)});
  }
  EXPECT_TRUE(writeManifest(folder, manifest));
  return manifest;
}

inline void makeRun(const api::TrainRequest& request,
                    std::vector<std::int64_t> steps = {160, 320}) {
  std::filesystem::create_directories(request.runFolder);
  ASSERT_TRUE(writeRunRequest(request));
  for (const std::int64_t step : steps) {
    if (request.training.method == api::Method::Lora)
      writeCheckpoint(request.runFolder, step, {kAdapterFile, kOptimizerFile});
    else
      writeCheckpoint(request.runFolder, step, {kUnetFile, kTextEncoderFile, kOptimizerFile});
  }
}

}  // namespace likeness::workspace
