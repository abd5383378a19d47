// Requests and projects as YAML and JSON, through the field tables. Unknown keys are errors naming the nearest known one.
#pragma once

#include <filesystem>
#include <string>

#include "core/api/requests.h"
#include "core/api/workspace.h"

namespace likeness::config {

/// Version of the YAML layout; older ones are migrated, newer ones refused (NewerSchema).
inline constexpr int kSchemaVersion = 1;

/// Every option by name, sections in order, each with its help as a comment when `comments`.
std::string toYaml(const api::TrainRequest& request, bool comments = false);
/// Overlays the keys of `text` on `request`; keys that are absent stay as they are. Relative paths are relative to `baseFolder`.
/// Errors: UnknownKey, WrongType, OutOfRange, NewerSchema, FileUnreadable (not YAML); each names `fileName` and the key.
api::Result<void> applyYaml(api::TrainRequest& request, const std::string& text, const std::string& fileName,
                            const std::filesystem::path& baseFolder = {});
/// The same for a file.
api::Result<void> applyYamlFile(api::TrainRequest& request, const std::filesystem::path& file);

/// The complete request of a picture, for PNG metadata, and back.
std::string toJson(const api::GenerateRequest& request);
api::Result<api::GenerateRequest> generateRequestFromJson(const std::string& json, const std::string& fileName);
/// A1111's `parameters` text: prompt, negative prompt, "Steps: 50, Sampler: DDIM, CFG scale: 7.5, Seed: 1, Size: 128x128, ...".
std::string a1111Parameters(const api::GenerateRequest& request, std::int64_t seed);

}  // namespace likeness::config
