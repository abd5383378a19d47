// Small facts that are costly to find out again, kept in the user's cache folder between starts.
// Losing them is harmless.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace likeness::base {

/// $XDG_CACHE_HOME/likeness or ~/.cache/likeness; empty when neither variable is set.
std::filesystem::path userCacheFolder();
/// The value remembered under `key` (any text), if any.
std::optional<std::string> recall(std::string_view key);
/// Keeps `value` for later starts; failures are ignored.
void remember(std::string_view key, std::string_view value);

}  // namespace likeness::base
