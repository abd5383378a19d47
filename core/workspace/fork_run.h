// A run that goes on from another's checkpoint under other options.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/api/requests.h"

namespace likeness::workspace {

/// Makes `request.runFolder` (which must not exist) a run whose newest checkpoint is that of
/// `from`: weights, optimizer and step, with the metrics, events and samples until then. It is
/// continued like any other run, by `request`; class pictures and latents of `from` are used where
/// they lie unless the request names other places for them. Returns the step. Errors: those of
/// readRunRequest, NoCheckpoint, DamagedCheckpoint, RunExists, RunIncompatible naming an option on
/// which the shape of what was saved depends, FileUnwritable, DiskFull; nothing is left then.
api::Result<std::int64_t> forkRun(const std::filesystem::path& from, api::TrainRequest request);

}  // namespace likeness::workspace
