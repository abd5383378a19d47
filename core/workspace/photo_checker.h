// Reads and judges photos on a thread of its own.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "core/api/workspace.h"

namespace likeness::workspace {

/// See api::Workspace::checkPhotos. `sink` is called on the preparation thread. Destroying the
/// result waits for the photo under way, except from inside the sink itself.
std::unique_ptr<api::Subscription> checkPhotos(std::vector<std::filesystem::path> files,
                                               std::function<void(api::PhotoReport)> sink);

}  // namespace likeness::workspace
