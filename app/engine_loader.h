// Finds and loads the engine module, so that programs start without LibTorch and pay for it at the
// first job only.
#pragma once

#include <memory>

#include "core/api/engine.h"

namespace likeness::app {

/// Call first in main. Sets how long LibTorch's threads spin before they sleep when they wait for
/// each other: about 20 microseconds. libgomp's own 2 milliseconds let a second busy program slow a
/// job by 20 to 30 times; sleeping at once doubles the time of a step. libgomp reads its settings
/// when it is loaded, so a program that brought it along starts itself again (`argv` as main got
/// it), and the call does not return. GOMP_SPINCOUNT or OMP_WAIT_POLICY in the environment stand.
void spinBriefly(char** argv);

/// Looks in $LIKENESS_ENGINE (the file itself), then in ../lib and ../lib/likeness seen from the
/// program, then beside it. The module stays loaded until the process ends. Takes about half a
/// second the first time. Any thread. Errors: EngineMissing.
api::Result<std::unique_ptr<api::Engine>> loadEngine(const api::EngineOptions& options);

}  // namespace likeness::app
