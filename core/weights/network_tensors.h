// Which tensors a network of a given configuration has, by diffusers' names: what loading, checking
// and converting agree on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/weights/model_configs.h"

namespace likeness::weights {

using Shape = std::vector<std::int64_t>;
std::string text(const Shape& shape);  ///< "[320, 4, 3, 3]"
std::int64_t elementCount(const Shape& shape);

/// Every tensor by key.
using TensorShapes = std::map<std::string, Shape>;
TensorShapes networkTensors(const UNet2DConditionConfig& config);
TensorShapes networkTensors(const AutoencoderKLConfig& config);
/// With the prefix text_model.; a projection's key is text_projection.weight.
TensorShapes networkTensors(const ClipTextConfig& config);

/// Value of block `i` in a list that has one for every block or a single one.
inline std::int64_t ofBlock(const std::vector<std::int64_t>& list, std::size_t i) {
  return list.size() == 1 ? list[0] : list[i];
}

}  // namespace likeness::weights
