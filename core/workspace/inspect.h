// What a model file or folder is, from headers alone.
#pragma once

#include <filesystem>

#include "core/api/workspace.h"

namespace likeness::workspace {

/// `path`: starter, a diffusers folder, a run, a LoRA file, another safetensors file. Nothing but
/// headers and configs is read. Errors: FileNotFound, BadModelFolder, BadModelFile,
/// UnsupportedModel, those of resolveModel for runs.
api::Result<api::ModelReport> inspect(const std::filesystem::path& path,
                                      const std::filesystem::path& resources);

}  // namespace likeness::workspace
