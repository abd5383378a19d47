// Text files that hold one thing a line: captions, lists of prompts.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/result.h"

namespace likeness::text {

/// The lines of a text, trimmed, without empty ones.
std::vector<std::string> linesOf(std::string_view text);
/// linesOf() a file of at most 1 MiB, with or without a byte-order mark. Errors: FileNotFound;
/// FileUnreadable, also when it is not UTF-8.
api::Result<std::vector<std::string>> readLines(const std::filesystem::path& file);

}  // namespace likeness::text
