// Finds and loads the engine module, so that programs start without LibTorch and pay for it at the
// first job only.
#pragma once

#include <memory>

#include "core/api/engine.h"

namespace likeness::app {

/// Looks in $LIKENESS_ENGINE (the file itself), then beside the program: ../lib and
/// ../lib/likeness. The module stays loaded until the process ends. Takes about half a second the
/// first time. Any thread. Errors: EngineMissing.
api::Result<std::unique_ptr<api::Engine>> loadEngine(const api::EngineOptions& options);

}  // namespace likeness::app
