// Starting noise from a file, so that pictures can be compared with another program's.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

#include "core/api/result.h"

namespace likeness::generate {

/// The tensor `latents` of a safetensors file, [N, C, h, w] = `shape`, fp32, standard noise.
/// Errors: those of loadSafetensors; FileUnreadable when it is missing, has another shape or holds
/// a value that is no number.
api::Result<at::Tensor> readInitialLatents(const std::filesystem::path& file,
                                           at::IntArrayRef shape);

}  // namespace likeness::generate
