// What each request does when its turn comes.
#pragma once

#include <filesystem>
#include <functional>

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::engine {

/// Runs one request to its end on the calling thread. May throw; the engine translates.
using JobRunner = std::function<api::Result<base::JobResult>(
    const api::Request&, const std::filesystem::path& resources, base::Reporter&)>;

/// The jobs of the product: train, generate, class images, export, convert, merge,
/// extract, bench.
api::Result<base::JobResult> runJob(const api::Request& request,
                                    const std::filesystem::path& resources,
                                    base::Reporter& reporter);

/// Completes the class pictures of a model under their key. Figures: load_s, generate_s,
/// per_image_s, made, files, folder, peak_rss_mib.
api::Result<base::JobResult> makeClassImages(const api::ClassImagesRequest& request,
                                             const std::filesystem::path& resources,
                                             base::Reporter& reporter);

}  // namespace likeness::engine
