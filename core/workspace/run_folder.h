// run.yaml of a run folder, and requests whose paths survive a copy to another place.
#pragma once

#include <filesystem>

#include "core/api/requests.h"

namespace likeness::workspace {

/// Paths inside `root` become relative to `folder` (the place of the YAML file), all others
/// absolute: a project or run can then be copied elsewhere as a whole. `starter` stays a name.
api::TrainRequest portable(api::TrainRequest request,
                           const std::filesystem::path& folder,
                           const std::filesystem::path& root);

/// Writes RUN/run.yaml from a request whose runFolder is RUN; the run folder, or the project around
/// it, is the root. Errors: as base::writeFile.
api::Result<void> writeRunRequest(const api::TrainRequest& request);
/// Reads RUN/run.yaml; runFolder is the folder it was read from, resume is false. Errors:
/// FileNotFound, those of config.
api::Result<api::TrainRequest> readRunRequest(const std::filesystem::path& runFolder);

}  // namespace likeness::workspace
