// Where the plain files that travel with the program are.
#include <cstdlib>
#include <fstream>
#include <string>
#include <system_error>

#include "core/base/file_system.h"

namespace likeness::base {
namespace fs = std::filesystem;

namespace {

/// The source folder that a build tree's cache names; empty when `folder` is no build tree.
fs::path sourceOfBuildTree(const fs::path& folder) {
  std::ifstream cache(folder / "CMakeCache.txt");
  constexpr std::string_view kKey = "likeness_SOURCE_DIR:STATIC=";
  for (std::string line; std::getline(cache, line);)
    if (line.starts_with(kKey)) return line.substr(kKey.size());
  return {};
}

}  // namespace

fs::path findResources() {
  if (const char* named = std::getenv("LIKENESS_RESOURCES"); named && *named) return named;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed = (program.parent_path() / "../share/likeness").lexically_normal();
  if (fs::is_directory(installed, error)) return installed;
  for (fs::path folder = program.parent_path(); folder != folder.parent_path();
       folder = folder.parent_path())
    for (const fs::path& root : {folder, sourceOfBuildTree(folder)})
      if (!root.empty() && fs::is_directory(root / "resources/starter", error))
        return root / "resources";
  return installed;
}

}  // namespace likeness::base
