// Logging behind one function: spdlog's fmt and LibTorch's fmt must never meet in a translation
// unit.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace likeness::base {

enum class LogLevel { Trace, Debug, Info, Warning, Error };

/// Thread-safe. Goes to the sinks installed below; nothing is installed at first.
void log(LogLevel level, std::string_view message);
/// Rotating file (3 x 2 MiB) in `folder`; returns the file. Standard error additionally when asked.
std::filesystem::path startLogging(const std::filesystem::path& folder, bool alsoStandardError);
/// Additional receiver (engine module -> program, log page); replaces the former one.
void setLogReceiver(std::function<void(LogLevel, std::string_view)> receiver);
/// Where logs go: $XDG_STATE_HOME/likeness or ~/.local/state/likeness.
std::filesystem::path defaultLogFolder();

}  // namespace likeness::base
