// Two or three models in one: the weighted sum, or one with the difference of two others.
#pragma once

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::engine {

/// Built, continued and compared by writeWhole, with its figures; one tensor of each model at a
/// time is in memory. Errors: those of openWhole and writeWhole; BadCombination for models of other
/// families, shapes or kinds of prediction.
api::Result<base::JobResult> mergeModels(const api::MergeRequest& request,
                                         const std::filesystem::path& resources,
                                         base::Reporter& reporter);

}  // namespace likeness::engine
