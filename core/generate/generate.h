// The generation job: load, make, write PNGs with the complete request inside.
#pragma once

#include <filesystem>

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::generate {

/// Figures: load_s, generate_s, per_image_s, peak_rss_mib, files.
api::Result<base::JobResult> generate(const api::GenerateRequest& request, const std::filesystem::path& resources, base::Reporter& reporter);

}  // namespace likeness::generate
