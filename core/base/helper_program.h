// Programs that the others start and that people do not call.
#pragma once

#include <filesystem>
#include <string_view>

namespace likeness::base {

/// The program `name` beside the one that runs, or where an installed tree keeps such; empty when
/// it is in neither place.
std::filesystem::path helperProgram(std::string_view name);

}  // namespace likeness::base
