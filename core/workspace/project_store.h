// Project folders: made, opened, saved, locked, filled with photos.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "core/api/workspace.h"

namespace likeness::workspace {

/// Makes FOLDER (".likeness" appended when missing) with photos/ and project.yaml. Errors:
/// BadProject (not empty), FileUnwritable, DiskFull.
api::Result<api::Project> createProject(const std::filesystem::path& folder,
                                        const api::TrainRequest& recipe);
/// Errors: FileNotFound, BadProject, those of config.
api::Result<api::Project> openProject(const std::filesystem::path& folder);
/// Errors: FileUnwritable, DiskFull.
api::Result<void> saveProject(const api::Project& project);
/// Errors: ProjectInUse, FileUnwritable (read-only).
api::Result<std::unique_ptr<api::ProjectLock>> lockProject(const std::filesystem::path& folder);
/// A photo that is in photos/ already is returned as it is. Errors: FileNotFound, FileUnreadable,
/// ImageTooLarge, FileUnwritable, DiskFull.
api::Result<std::filesystem::path> importPhoto(const api::Project& project,
                                               const std::filesystem::path& file);

/// Runs of a project by name; folders whose run.yaml cannot be read are left out.
std::vector<api::RunSummary> listRuns(const std::filesystem::path& projectFolder);
/// PROJECT/runs/0002, not yet made; runs/ is.
api::Result<std::filesystem::path> nextRunFolder(const std::filesystem::path& projectFolder);

}  // namespace likeness::workspace
