// One file per fact, named by the hash of its key.
#include "core/base/user_cache.h"

#include <cstdlib>

#include "core/base/file_system.h"
#include "core/base/hash.h"

namespace likeness::base {
namespace {

std::filesystem::path factFile(std::string_view key) {
  const auto folder = userCacheFolder();
  return folder.empty() ? folder : folder / "facts" / sha256(key).substr(0, 32);
}

}  // namespace

std::filesystem::path userCacheFolder() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder && *folder)
    return std::filesystem::path(folder) / "likeness";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::filesystem::path(home) / ".cache" / "likeness";
  return {};
}

std::optional<std::string> recall(std::string_view key) {
  const auto file = factFile(key);
  if (file.empty()) return {};
  auto content = readFile(file, 4096);
  // The key is kept beside the value, so that a damaged or foreign file is not taken for an answer.
  if (!content || !content->starts_with(std::string(key) + "\n")) return {};
  return content->substr(key.size() + 1);
}

void remember(std::string_view key, std::string_view value) {
  const auto file = factFile(key);
  if (file.empty() || !makeFolder(file.parent_path())) return;
  (void)writeFile(file, std::string(key) + "\n" + std::string(value));
}

}  // namespace likeness::base
