// From a ModelRef to files: `starter`, a diffusers folder, a single file, or a run's checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/weights/stored_model.h"

namespace likeness::workspace {

/// Files of a model to load. For a run: those of the base model with the checkpoint's in their
/// place.
struct ResolvedModel {
  weights::ModelFiles files;
  std::filesystem::path
      adapterFile;  ///< LoRA run: adapter.safetensors (PEFT keys), alpha in its metadata
  struct Word {
    std::string word;
    std::filesystem::path file;  ///< its vectors, see nn::addWord
  };
  std::vector<Word> words;               ///< run that learned words: one for each of its subjects
  std::optional<std::int64_t> step;      ///< of the checkpoint
  std::optional<api::TrainRequest> run;  ///< the run's own request
};
/// A run on top of a full run takes the part it did not train from there; a run on top of an
/// adapter run, or one that learned a word, is refused. Errors: FileNotFound, BadModelFolder,
/// NoCheckpoint, DamagedCheckpoint, UnsupportedModel, those of run.yaml.
api::Result<ResolvedModel> resolveModel(const api::ModelRef& ref,
                                        const std::filesystem::path& resources);

/// A finished checkpoint folder: runs/0001/checkpoints/000320 with manifest.json, verified by size
/// (and by hash when asked).
struct CheckpointInfo {
  std::int64_t step = 0;
  std::filesystem::path folder;
};
/// Ascending by step; folders without a valid manifest are left out.
std::vector<CheckpointInfo> listCheckpoints(const std::filesystem::path& runFolder);

/// That with the best balance of the probes (advisor.h), the later of equals; nothing when none was
/// probed.
std::optional<CheckpointInfo> bestCheckpoint(const std::vector<CheckpointInfo>& checkpoints);

}  // namespace likeness::workspace
