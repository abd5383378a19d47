// What tells a model's weights from others: the name under which their class pictures and latents
// are kept.
#pragma once

#include <optional>
#include <string>

#include "core/weights/stored_model.h"

namespace likeness::weights {

/// SHA-256 over the hashes of the networks' files, in the order of NetworkKind. Those of files are
/// remembered by path, size and time of change: hashing gigabytes at every start would be felt.
/// Errors: FileNotFound, FileUnreadable.
api::Result<std::string> weightHash(const StoredModel& model);
/// The same where all files were hashed before; reads none.
std::optional<std::string> knownWeightHash(const StoredModel& model);

}  // namespace likeness::weights
