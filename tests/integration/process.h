// Runs likeness-cli as a person or a script does, and looks at what comes back.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace likeness::integration {

struct Finished {
  int exitCode = -1;  ///< 128 + signal when a signal ended it
  std::string out, err;
  /// The last line of standard output as JSON; a discarded value when it is none.
  nlohmann::json json() const;
};

struct RunOptions {
  std::filesystem::path folder;          ///< working folder; empty = the test's
  std::uint64_t fileSizeLimit = 0;       ///< bytes; 0 = none
  std::vector<std::string> environment;  ///< NAME=VALUE, over the test's own
  /// Called with everything on standard error so far whenever more arrives.
  std::function<void(const std::string& err, int pid)> onError;
};

/// The program beside this test program, with its own state folder so that no log of the user is
/// touched.
Finished cli(const std::vector<std::string>& arguments, const RunOptions& options = {});

}  // namespace likeness::integration
