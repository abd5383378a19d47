// The export job: a run's checkpoint in the form that other tools read, reopened and re-rendered
// before it is done.
#pragma once

#include <filesystem>

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::engine {

/// Full run or merged LoRA run -> diffusers folder; LoRA run -> kohya file (a full run is refused
/// with the command that extracts one). Then both the run and the written form render the same
/// picture; figures: max_difference (of 255), bytes, verify_s.
api::Result<base::JobResult> exportRun(const api::ExportRequest& request,
                                       const std::filesystem::path& resources,
                                       base::Reporter& reporter);

}  // namespace likeness::engine
