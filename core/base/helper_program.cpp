#include "core/base/helper_program.h"

#include <system_error>

namespace likeness::base {
namespace fs = std::filesystem;

fs::path helperProgram(std::string_view name) {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place : {folder, folder.parent_path() / "lib/likeness"})
    if (fs::exists(place / name, error)) return place / name;
  return {};
}

}  // namespace likeness::base
