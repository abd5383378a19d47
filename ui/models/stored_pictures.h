// Pictures of earlier trainings, read back from the project's folders as small ones.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/api/workspace.h"
#include "ui/models/picture_list_model.h"

namespace likeness::ui {

/// Samples in RUN/samples up to `lastStep`, by step and prompt; of very many the latest, with those
/// of the untrained model. Those that cannot be read are left out. Any thread.
std::vector<PictureItem> storedSamples(api::Workspace& workspace,
                                       const std::filesystem::path& run,
                                       qint64 lastStep);

/// Class pictures of this prompt in the project's class-images: those of the settings that were
/// used last. Any thread.
std::vector<PictureItem> storedClassPictures(api::Workspace& workspace,
                                             const std::filesystem::path& store,
                                             const std::string& prompt);

}  // namespace likeness::ui
