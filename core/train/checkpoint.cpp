// Writing, finding, thinning out and reading checkpoints.
#include "core/train/checkpoint.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "core/base/file_system.h"
#include "core/base/log.h"
#include "core/train/trainer.h"
#include "core/workspace/resolve_model.h"

namespace likeness::train {
namespace fs = std::filesystem;

namespace {

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

api::Result<void> writeParts(const fs::path& folder,
                             workspace::CheckpointManifest& manifest,
                             const CheckpointTensors& tensors,
                             std::map<std::string, std::string> metadata) {
  if (auto made = base::makeFolder(folder); !made) return made;
  metadata.insert({{"format", "pt"}, {"step", std::to_string(manifest.step)}});
  manifest.files.clear();
  for (const auto& [name, tensorsOfFile] : tensors) {
    auto written = tensor::saveSafetensors(folder / name, tensorsOfFile, metadata);
    if (!written) return api::fail(written.error());
    manifest.files.push_back({name, written->bytes, written->sha256});
  }
  return workspace::writeManifest(folder, manifest);
}

/// Out of sight in one step, so that no half-removed checkpoint is ever seen.
api::Result<void> discard(const fs::path& folder) {
  const fs::path hidden = base::temporaryName(folder);
  if (const int error = base::fileOperations().rename(folder, hidden))
    return api::fail(base::writeError(error, folder));
  return base::removeAll(hidden);
}

}  // namespace

api::Result<fs::path> saveCheckpoint(const fs::path& runFolder,
                                     workspace::CheckpointManifest manifest,
                                     const CheckpointTensors& tensors,
                                     std::map<std::string, std::string> metadata) {
  const fs::path folder = workspace::checkpointFolder(runFolder, manifest.step);
  manifest.created = now();
  std::error_code ignored;
  if (fs::exists(folder, ignored)) {
    if (auto existing = workspace::readManifest(folder)) {
      // Equal weights: a step has one state only.
      manifest.files = existing->files;
      if (auto renewed = workspace::writeManifest(folder, manifest); !renewed)
        return api::fail(renewed.error());
      return folder;
    }
    if (auto gone = discard(folder); !gone) return api::fail(gone.error());
  }
  if (auto made = base::makeFolder(folder.parent_path()); !made) return api::fail(made.error());
  const fs::path building = base::temporaryName(folder);
  auto written = base::removeAll(building);
  if (written) written = writeParts(building, manifest, tensors, std::move(metadata));
  if (written) written = base::renameFolder(building, folder);
  if (written) return folder;
  (void)base::removeAll(building);
  return api::fail(written.error());
}

void removeOldCheckpoints(const fs::path& runFolder, std::int64_t keep) {
  auto found = workspace::listCheckpoints(runFolder);
  const auto best = workspace::bestCheckpoint(found);
  while (static_cast<std::int64_t>(found.size()) > keep) {
    const fs::path folder = found.front().folder;
    found.erase(found.begin());
    if (best && folder == best->folder) continue;
    if (auto gone = discard(folder); !gone)
      base::log(base::LogLevel::Warning, "an old checkpoint stays: " + api::message(gone.error()));
  }
}

std::optional<FoundCheckpoint> newestCheckpoint(const fs::path& runFolder,
                                                base::Reporter& reporter) {
  // Not listCheckpoints(): a damaged one is to be spoken of.
  std::vector<std::pair<std::int64_t, fs::path>> byStep;
  std::error_code error;
  for (fs::directory_iterator entry(runFolder / workspace::kCheckpointsFolder, error), end;
       !error && entry != end;
       entry.increment(error))
    if (const std::string name = entry->path().filename().string(); !name.starts_with('.'))
      byStep.emplace_back(std::atoll(name.c_str()), entry->path());
  std::ranges::sort(byStep, std::greater());
  for (const auto& [step, folder] : byStep) {
    auto manifest = workspace::readManifest(folder, /*hashes=*/true);
    if (manifest) return FoundCheckpoint{folder, std::move(*manifest)};
    reporter.warning(manifest.error());
  }
  return {};
}

api::Result<void> restore(Trainer& trainer, const FoundCheckpoint& checkpoint) {
  const at::NoGradGuard noGradients;
  const auto damaged = [&](std::string_view file) {
    return api::fail(api::ErrorCode::DamagedCheckpoint,
                     {{"folder", checkpoint.folder.string()},
                      {"reason", std::string(file) + " does not fit this model"}});
  };
  for (const auto& [part, weights] : trainer.trainables().weights) {
    const std::string name = part + ".safetensors";
    auto tensors = tensor::loadSafetensors(checkpoint.folder / name);
    if (!tensors) return api::fail(tensors.error());
    if (tensors->size() != weights.size()) return damaged(name);
    for (const auto& [key, weight] : weights) {
      const auto found = tensors->find(key);
      if (found == tensors->end() || found->second.sizes() != weight.sizes()) return damaged(name);
      weight.copy_(found->second);
    }
  }
  auto state = tensor::loadSafetensors(checkpoint.folder / workspace::kOptimizerFile);
  if (!state) return api::fail(state.error());
  const std::int64_t steps = checkpoint.manifest.step;
  if (steps > 0 && !trainer.load(std::move(*state), steps))
    return damaged(workspace::kOptimizerFile);
  return {};
}

}  // namespace likeness::train
