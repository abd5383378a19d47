// The training job, whole: photos and their latents -> class images and theirs -> steps with
// samples, probes and checkpoints.
#pragma once

#include <filesystem>

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::train {

/// Runs or resumes `request` in its run folder. A stop keeps a checkpoint and returns cancelled.
/// The run begins (run.yaml) once every photo was read, so a bad one costs no class images and
/// leaves no run behind.
/// Takes part with the other ranks where the environment names some (base/placement.h).
/// Every expected failure is an Error; LibTorch may throw (translated by the engine). Figures:
/// steps, step_s_median, total_s, first_step_s, class_images_s, peak_rss_mib, loss_subject,
/// loss_class, probe_subject, probe_class.
api::Result<base::JobResult> train(const api::TrainRequest& request,
                                   const std::filesystem::path& resources,
                                   base::Reporter& reporter);

}  // namespace likeness::train
