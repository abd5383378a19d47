// Requests and projects as YAML and JSON, through the field tables. Unknown keys are errors naming
// the nearest known one.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/api/requests.h"
#include "core/api/workspace.h"

namespace likeness::config {

/// Version of the YAML layout; older ones are migrated, newer ones refused (NewerSchema).
inline constexpr int kSchemaVersion = 1;

/// Every option by name, sections in order, each with its help as a comment when `comments`. Photos
/// are a list of {file, caption, crop, exclude, mask, repeats}, furtherSubjects (where there are
/// any) of {subject, photos, classFolder}; `base` is the path alone unless it names a checkpoint or
/// hash. Folders of the request stand in it when they are set. applyYaml() of the text on defaults
/// gives an equal request.
std::string toYaml(const api::TrainRequest& request, bool comments = false);
/// Overlays the keys of `text` on `request`; keys that are absent stay as they are. Relative paths
/// are relative to `baseFolder`. `photos`, `furtherSubjects` and lists are replaced whole. Nothing
/// is changed when an error is returned. Errors: UnknownKey, WrongType, OutOfRange, NewerSchema,
/// FileUnreadable (not YAML, or YAML that no recipe needs: over 1 MiB, deeper than 8, aliases,
/// doubled keys); each names `fileName` and the dotted key.
api::Result<void> applyYaml(api::TrainRequest& request,
                            const std::string& text,
                            const std::string& fileName,
                            const std::filesystem::path& baseFolder = {});
/// The same for a file, whose folder is the base of relative paths.
api::Result<void> applyYamlFile(api::TrainRequest& request, const std::filesystem::path& file);

/// The guide's page of every option of training, as Markdown made from the field tables.
std::string optionsPage();

/// The candidate with the smallest edit distance to `name`, case aside; empty when none is near.
std::string nearestName(std::string_view name, std::span<const std::string> candidates);

/// The complete request of a picture, for PNG metadata, and back. Reading is strict: every key must
/// be there and known. Errors: FileUnreadable (not JSON), UnknownKey, MissingValue, WrongType,
/// OutOfRange, NewerSchema.
std::string toJson(const api::GenerateRequest& request);
api::Result<api::GenerateRequest> generateRequestFromJson(const std::string& json,
                                                          const std::string& fileName);
/// A1111's `parameters` text: prompt, negative prompt, rendered,
/// then "Steps: 50, Sampler: DDIM, CFG scale: 7.5, Seed: 1, Size: 128x128, ...".
std::string a1111Parameters(const api::GenerateRequest& request, std::int64_t seed);

}  // namespace likeness::config
