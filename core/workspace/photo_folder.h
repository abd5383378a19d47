// Photos as people and other trainers keep them: folders, and what lies beside a photo.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/api/workspace.h"

namespace likeness::workspace {

/// What a folder holds, by name; nothing when it cannot be read.
std::vector<std::filesystem::path> entries(const std::filesystem::path& folder);

/// What lies beside a photo, by its name: `photo.txt` or `photo.caption` (kohya, OneTrainer,
/// ai-toolkit), `photo-masklabel.png` (OneTrainer). Empty paths for what is not there.
struct BesidePhoto {
  std::filesystem::path caption;
  std::filesystem::path ignoredCaption;  ///< .caption where there is .txt as well
  std::filesystem::path mask;
};
BesidePhoto besidePhoto(const std::filesystem::path& photo);

/// The alternatives that a caption file holds, one a line; none without a file. Errors: those of
/// text::readLines().
api::Result<std::vector<std::string>> readCaptions(const BesidePhoto& beside);

/// See api::Workspace::expandDrop; nothing twice. Photos of a folder whose name speaks of another
/// subject than the first one carry that in their caption: "a photo of {its words}".
api::PhotoDrop expandDrop(const std::vector<std::filesystem::path>& dropped);

}  // namespace likeness::workspace
