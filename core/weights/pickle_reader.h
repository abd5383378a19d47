// The process of its own that reads a pickle file: it gives up every right but to read one file and
// to write into two pipes, and then turns the file into .safetensors. See pickle_copy.h for the
// other side.
#pragma once

#include <cstdint>

namespace likeness::weights {

/// What the process may take; past it the system ends it.
struct PickleLimits {
  std::uint64_t seconds = 0;  ///< of computing; 0 = 60 and one more for every 20 MiB of the file
  std::uint64_t mebibytes = 512;  ///< of addresses, the program itself among them
};

/// All that the process does. Standard input is the file; a .safetensors file goes to standard
/// output; at its end one line of JSON to standard error: {"bytes": N}, all of them were written,
/// or {"error": name of a code, "reason": ..., "function": ...}. Returns the exit code.
int servePickle(const PickleLimits& limits);

}  // namespace likeness::weights
