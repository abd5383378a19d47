// What a training needs of memory, disk and arithmetic, predicted before it begins, so that it is
// refused with advice instead of being killed half-way. The engine's own check and the plan that a
// person sees ask the same functions.
//
// The rule: a run goes through stages (encoding pictures, making those of the class, probes, steps,
// samples), of which the fullest counts. In each there are the networks' weights as they lie then,
// the optimizer's state, and what a rehearsal of the pass finds alive at once (rehearsal.h).
#pragma once

#include <cstdint>

#include "core/api/workspace.h"
#include "core/weights/stored_model.h"

namespace likeness::workspace {

/// Bytes that an optimizer holds for a trained tensor beside weight and gradient; with the averaged
/// weight when there is one.
std::int64_t optimizerBytes(const weights::Shape& shape, const api::OptimizerOptions& options);

/// What of a model is trained by a complete recipe.
struct TrainedPart {
  std::int64_t parameters = 0;
  std::int64_t optimizerBytes = 0;
  std::int64_t savedBytes = 0;  ///< of one checkpoint
};
TrainedPart trainedPart(const weights::ModelConfigs& configs, const api::TrainRequest& recipe);

/// What of a run is computed where, beside what the recipe says.
struct RunConditions {
  bool bf16 = false;             ///< what it computes in; else fp32
  std::int64_t classImages = 0;  ///< still to be made
  /// 0 = not known. Class pictures are made as many at a time as this allows.
  std::int64_t availableMiB = 0;
};

/// Of the process that trains, with the parts of its fullest moment. `recipe` is complete.
api::TrainingPlan::Memory peakMemory(const weights::ModelConfigs& configs,
                                     const api::TrainRequest& recipe,
                                     const RunConditions& conditions);

/// Bytes that the run writes.
api::TrainingPlan::Disk diskUse(const weights::ModelConfigs& configs,
                                const api::TrainRequest& recipe,
                                const RunConditions& conditions);

/// Floating-point operations of one step, and of everything else of `steps` steps.
struct Work {
  double step = 0, beside = 0;
};
Work workOf(const weights::ModelConfigs& configs,
            const api::TrainRequest& recipe,
            const RunConditions& conditions,
            std::int64_t steps);

/// NotEnoughMemory, naming the smallest change of the recipe that fits, or DiskFull; nothing when
/// both suffice. Memory counts where `conditions` know how much there is.
std::optional<api::Error> obstacleTo(const weights::ModelConfigs& configs,
                                     const api::TrainRequest& recipe,
                                     const RunConditions& conditions);

}  // namespace likeness::workspace
