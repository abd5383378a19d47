// Whole models from tensors under diffusers' names: as a diffusers folder, or as one file.
#pragma once

#include "core/weights/stored_model.h"

namespace likeness::weights {

/// What a model consists of.
struct ModelParts {
  Family family = Family::StableDiffusion1;
  ModelConfigs configs;
  /// Every tensor of every network by diffusers' key, in the type it is to have.
  std::map<NetworkKind, std::vector<TensorSource>> networks;
  /// A diffusers folder whose configs, tokenizers and documents are copied; empty = they are made
  /// from `configs`, with CLIP's vocabulary.
  std::filesystem::path folder;
  std::filesystem::path vocabulary;             ///< folder of CLIP's, for want of a folder
  std::map<std::string, std::string> metadata;  ///< of a single file
};

/// Everything but the tensors.
ModelParts partsOf(const StoredModel& model);

/// Asked before every tensor with bytes written and to be written; false ends the writing.
using WriteProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// Writes into `out`, a folder of the caller's that may hold what an earlier call wrote of the same
/// model: whole tensors that are there are kept. A network's tensors are split into shards with an
/// index above `shardBytes` (0 = never). Returns whether it came to its end. Errors:
/// FileUnwritable, DiskFull, those of reading what is copied and of the tensors.
api::Result<bool> writeModelFolder(const ModelParts& model,
                                   const std::filesystem::path& out,
                                   std::uint64_t shardBytes,
                                   const WriteProgress& next);
/// The same as one .safetensors file in the layout of the original programs, with ModelSpec 1.0.1
/// metadata. Stable Diffusion 2 gets copies for the layer that is not listened to, which other
/// programs look for.
api::Result<bool> writeSingleFile(const ModelParts& model,
                                  const std::filesystem::path& file,
                                  const WriteProgress& next);

}  // namespace likeness::weights
