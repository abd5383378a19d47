// Generated pictures on disk: each carries its complete request.
#pragma once

#include <filesystem>
#include <string>

#include "core/api/image.h"
#include "core/api/requests.h"

namespace likeness::generate {

/// The request that makes picture `index` of `request` (of api::pictureCount) alone: its seed, its
/// prompts final, with what they were made of as template where that differs. Noise from a file
/// belongs to the whole request, so there `count` stays that of all pictures.
api::GenerateRequest pictureRequest(const api::GenerateRequest& request, std::int64_t index);

/// Writes a PNG whose text holds `request` (as JSON, without the folder it went to) and A1111's
/// parameters. Errors: FileUnwritable, DiskFull.
api::Result<void> writePicture(const std::filesystem::path& file,
                               const api::Image& picture,
                               api::GenerateRequest request);
/// folder/stem.png, or stem-2.png, stem-3.png ...: the first that is free.
std::filesystem::path freeName(const std::filesystem::path& folder, const std::string& stem);

}  // namespace likeness::generate
