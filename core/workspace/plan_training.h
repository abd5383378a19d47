// A training's plan, as the window and the command line show it.
#pragma once

#include <filesystem>

#include "core/workspace/training_need.h"

namespace likeness::workspace {

/// How a complete recipe will run: with what is there already, and what may be taken. Memory counts
/// on the CPU alone.
RunConditions runConditions(const api::TrainRequest& recipe,
                            const weights::StoredModel& model,
                            bool cpu,
                            bool bf16);

/// Keeps how fast a run's steps were, on the CPU, for later plans.
void rememberSpeed(const weights::ModelConfigs& configs,
                   const api::TrainRequest& recipe,
                   const RunConditions& conditions,
                   double secondsPerStep);

/// See api::Workspace::planTraining().
api::Result<api::TrainingPlan> planTraining(const api::TrainRequest& request,
                                            const std::filesystem::path& resources);

}  // namespace likeness::workspace
