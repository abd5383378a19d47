// What a recipe means: the one place where "0 = recommended" becomes a number, what it trains, and
// where two of them are compared.
#pragma once

#include <string>

#include "core/api/requests.h"
#include "core/weights/stored_network.h"

namespace likeness::workspace {

/// Whether weights of the text encoder are trained, for some part of the steps at least.
bool trainsTextEncoder(const api::TrainRequest& request);

/// Whether the full method trains the parameter of a network.
bool isTrainedInFull(const api::TrainRequest& recipe,
                     weights::NetworkKind network,
                     const std::string& key);

/// `request` with every automatic value filled in: steps, resolution, text-encoder rate, alpha, the
/// new word's vectors and what they begin as (of several subjects each as its own class; without
/// class pictures where words are all that is learned), sampleEvery, probeEvery (negative = never).
/// The checkpoint interval stays: it follows the clock. `modelResolution` in pixels.
api::TrainRequest completeRecipe(const api::TrainRequest& request, std::int64_t modelResolution);

/// The dotted key of the first option that differs between two complete recipes and changes what a
/// step computes; empty = a run may be continued. The number of steps, watching, checkpoints,
/// device and threads may differ.
std::string firstDifference(const api::TrainRequest& a, const api::TrainRequest& b);

}  // namespace likeness::workspace
