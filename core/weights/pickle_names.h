// The names in pickles that mean something here. None of them is ever looked up anywhere else.
#pragma once

#include "core/weights/pickle_machine.h"

namespace likeness::weights::pickle {

/// The functions that are understood; each builds a value of this machine.
enum class Function {
  None,
  Dictionary,       ///< collections.OrderedDict, collections.defaultdict
  Size,             ///< torch.Size: the tuple itself
  TensorV1,         ///< storage, offset, size, stride
  TensorV2,         ///< the same and more that does not matter
  TensorV3,         ///< with a dtype of its own
  Parameter,        ///< the tensor itself
  TensorWithState,  ///< calls one of the others
};

Function function(std::string_view global);

/// What may stand in a file as an opaque value: plain types, and classes of libraries that train
/// networks and keep their state beside the weights.
bool isHarmless(std::string_view module, std::string_view name);

/// torch.HalfStorage and its like; nothing for other names.
std::optional<Storage> storageClass(std::string_view global);

/// Types that have no storage class of their own: torch.float8_e5m2.
std::optional<ScalarType> torchType(std::string_view global);

}  // namespace likeness::weights::pickle
