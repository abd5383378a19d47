// Single-file checkpoints for tests: the published families' measures, narrow ones with the same
// names, and files with made-up bytes or with none at all.
#pragma once

#include <filesystem>

#include "core/weights/stored_model.h"

namespace likeness::support {

/// Networks of a family, and their maps to a single file.
struct Checkpoint {
  weights::Family family = weights::Family::StableDiffusion1;
  weights::ModelConfigs configs;
  /// What the values are drawn by beside the key; they are numbers under 2. Empty = any bits.
  std::string values{};
  std::map<weights::NetworkKind, weights::KeyMap> maps() const;
};
/// `width` divides every number of channels: 1 = as published, 10 = the narrowest. `inChannels` 9
/// = inpainting.
Checkpoint checkpoint(weights::Family family, std::int64_t width = 1, std::int64_t inChannels = 4);

/// Bytes drawn by key, in fp16, for every tensor of a map's diffusers' side.
std::vector<weights::TensorSource> madeUp(const weights::KeyMap& map,
                                          const std::string& values = {});
/// The bytes that `madeUp` gives a key.
std::vector<std::byte> madeUpBytes(const std::string& key,
                                   const weights::Shape& shape,
                                   const std::string& values = {});

/// Writes the checkpoint as one file; `extra` stands beside the networks.
void writeSingleFile(const std::filesystem::path& file,
                     const Checkpoint& checkpoint,
                     const std::map<std::string, std::string>& metadata = {},
                     std::vector<weights::TensorSource> extra = {});
/// The same header in front of a hole: gigabytes that take no disk. fp16.
void writeSparseFile(const std::filesystem::path& file,
                     const Checkpoint& checkpoint,
                     const std::map<std::string, std::string>& metadata = {});

/// Opens a model of any form, with the tokenizer's files from the resources. Throws its error.
weights::StoredModel openModel(const std::filesystem::path& path);

}  // namespace likeness::support
