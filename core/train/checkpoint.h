// Checkpoints on disk: written whole or not at all, verified when read, few kept.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "core/base/reporter.h"
#include "core/tensor/state_dict.h"
#include "core/workspace/checkpoint_manifest.h"

namespace likeness::train {

class Trainer;

/// Tensors of a checkpoint by file name (workspace::kUnetFile...); each is written in its own type.
/// The weights are those that are shown (ShownWeights); others that are trained lie with the
/// optimizer's state.
using CheckpointTensors = std::map<std::string, tensor::StateDict>;

/// Writes RUN/checkpoints/<step> under a temporary name: every file fsynced, then the manifest with
/// size and hash of each, then the folder renamed. A valid checkpoint of that step is kept and only
/// its manifest renewed. `metadata` goes into every file's header. Returns the folder. Errors:
/// FileUnwritable, DiskFull; nothing is left behind then and earlier checkpoints stay as they were.
api::Result<std::filesystem::path> saveCheckpoint(const std::filesystem::path& runFolder,
                                                  workspace::CheckpointManifest manifest,
                                                  const CheckpointTensors& tensors,
                                                  std::map<std::string, std::string> metadata = {});
/// Removes all but the newest `keep` and the best (workspace::bestCheckpoint).
/// Failures are ignored: the next call tries again.
void removeOldCheckpoints(const std::filesystem::path& runFolder, std::int64_t keep);

struct FoundCheckpoint {
  std::filesystem::path folder;
  workspace::CheckpointManifest manifest;
};
/// The newest checkpoint whose every file has the hash it was written with; damaged ones are
/// reported as warnings and passed over. Empty = none.
std::optional<FoundCheckpoint> newestCheckpoint(const std::filesystem::path& runFolder,
                                                base::Reporter& reporter);
/// Puts a checkpoint's tensors into the trainer of the same recipe, file by file. Errors:
/// DamagedCheckpoint, those of tensor::loadSafetensors.
api::Result<void> restore(Trainer& trainer, const FoundCheckpoint& checkpoint);

}  // namespace likeness::train
