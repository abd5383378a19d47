// run.yaml of a run folder, and requests whose paths survive a copy to another place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

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

/// "samples/000320-01.png": of one prompt, inside the run folder.
std::filesystem::path sampleFile(std::int64_t step, std::int64_t prompt);
/// Step and prompt of such a file's name; nothing for other names.
std::optional<std::pair<std::int64_t, std::size_t>> parseSampleName(const std::string& name);

}  // namespace likeness::workspace
