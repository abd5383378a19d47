// Several processes of this program on this machine that train one model together.
#pragma once

#include <cstdint>

#include "core/api/result.h"

namespace likeness::cli {

/// Starts this program `count` times with the arguments that it was called with, as ranks 0 to
/// count - 1 (core/base/placement.h), and waits for all of them. Rank 0 speaks for all. Signals are
/// handed on, so that Ctrl-C ends the run as it ends one of a single process; a rank that ends with
/// an error stops the others. Returns the exit code of rank 0. Errors: DeviceMissing when rank 0
/// was ended by a signal, Internal.
api::Result<int> runLocalRanks(std::int64_t count);

}  // namespace likeness::cli
