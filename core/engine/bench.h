// The bench job: the figures of the README's performance table, measured in this process.
#pragma once

#include <filesystem>

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::engine {

/// Makes its own photos with the model, in a temporary folder that is removed at the end. Medians
/// over request.repeats: load_s, class_image_s and image_s (50 DDIM steps, guidance 7.5; per
/// picture), full_step_s and lora_step_s (rank 16, attention only; one subject and one class
/// picture), first_step_s (start of a run to its first step, class pictures cached), job_s (16
/// class pictures, 60 full steps, saved; once). Memory: idle_rss_mib before anything is loaded,
/// train_peak_rss_mib after full training.
api::Result<base::JobResult> bench(const api::BenchRequest& request,
                                   const std::filesystem::path& resources,
                                   base::Reporter& reporter);

}  // namespace likeness::engine
