// Reading the JSON configs of a diffusers folder. Strict: a value this program cannot honour is
// refused by its key, never ignored.
#pragma once

#include <filesystem>

#include "core/nn/stable_diffusion.h"

namespace likeness::nn {

/// Errors of all four: FileNotFound, FileUnreadable, BadModelFile (malformed, wrong type, out of
/// range), UnsupportedModel (names the key).
api::Result<UNet2DConditionConfig> readUNetConfig(const std::filesystem::path& file);
api::Result<AutoencoderKLConfig> readAutoencoderConfig(const std::filesystem::path& file);
api::Result<ClipTextConfig> readClipTextConfig(const std::filesystem::path& file);
/// Absent keys take the constructor defaults of the scheduler classes, except steps_offset 1, which
/// the pipeline forces.
api::Result<NoiseScheduleConfig> readScheduleConfig(const std::filesystem::path& file);

}  // namespace likeness::nn
