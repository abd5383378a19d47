// The workspace as the programs make it.
#pragma once

#include <filesystem>
#include <memory>

#include "core/api/workspace.h"

namespace likeness::workspace {

inline constexpr std::string_view kProjectFile = "project.yaml";

/// `resources` holds starter/ and presets/ (base::findResources()).
std::unique_ptr<api::Workspace> makeWorkspace(std::filesystem::path resources);

}  // namespace likeness::workspace
