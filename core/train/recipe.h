// The one place where "0 = recommended" becomes a number, and where two recipes are compared.
#pragma once

#include <string>

#include "core/api/requests.h"

namespace likeness::train {

/// Whether weights of the text encoder are trained, for some part of the steps at least.
bool trainsTextEncoder(const api::TrainRequest& request);

/// `request` with every automatic value filled in: steps, resolution, text-encoder rate, alpha, the
/// new word's vectors and what they begin as (of several subjects each as its own class; without
/// class pictures where words are all that is learned), sampleEvery, probeEvery (negative = never).
/// The checkpoint interval stays: it follows the clock. `modelResolution` in pixels.
api::TrainRequest completeRecipe(const api::TrainRequest& request, std::int64_t modelResolution);

/// The dotted key of the first option that differs between two complete recipes and changes what a
/// step computes; empty = a run may be continued. The number of steps, watching, checkpoints,
/// device and threads may differ.
std::string firstDifference(const api::TrainRequest& a, const api::TrainRequest& b);

}  // namespace likeness::train
