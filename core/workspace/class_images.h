// Where the pictures of a class lie, so that runs share them: what they are made by, as a key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/api/requests.h"

namespace likeness::workspace {

/// What makes the class pictures of a complete recipe, for each class whose subjects bring none of
/// their own, with the first subject of it (api::classesOf). The seed is not the run's: runs of any
/// seed share the pictures of a class.
std::vector<std::pair<std::size_t, api::ClassImagesRequest>> classImagesRequests(
    const api::TrainRequest& recipe);

/// What each picture carries: the request that makes it alone. `modelResolution` in pixels.
api::GenerateRequest classPictureRequest(const api::ClassImagesRequest& request,
                                         const std::string& weightHash,
                                         std::int64_t modelResolution);

/// hash(base weights, class prompt, negative prompt, sampler settings, resolution, dtype, seed) of
/// such a request, not the count: 16 hex digits. `dtype` as LibTorch names it: "Float", "BFloat16".
std::string classImageKey(const api::GenerateRequest& picture, std::string_view dtype);

/// "0000.png", ... in the folder of that name.
std::string classImageFile(std::size_t index);

}  // namespace likeness::workspace
