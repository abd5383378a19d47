// What a model file or folder is, from headers alone.
#pragma once

#include <filesystem>

#include "core/api/workspace.h"

namespace likeness::workspace {

/// A model's path may also be an adapter, its folder, or another safetensors file. Nothing but
/// headers and configs is read. Errors: FileNotFound, BadModelFolder, BadModelFile,
/// UnsupportedModel, those of resolveModel for runs.
api::Result<api::ModelReport> inspect(const api::ModelRef& ref,
                                      const std::filesystem::path& resources);

}  // namespace likeness::workspace
