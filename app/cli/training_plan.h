// What `train --plan` says.
#pragma once

#include "app/cli/command.h"

namespace likeness::cli {

/// A table for a person, or the same figures; exit code 4 and the sentence of the obstacle when it
/// does not fit.
CommandResult planResult(const api::TrainingPlan& plan);

}  // namespace likeness::cli
