// Adapter files as jobs write them.
#pragma once

#include "core/api/requests.h"
#include "core/base/reporter.h"
#include "core/nn/adapters.h"

namespace likeness::engine {

/// Writes the file, reads it again and compares what both do to weights; one that does something
/// else is removed and is an error. Figures: modules, bytes, difference (relative), write_s,
/// verify_s, peak_rss_mib. Errors: those of saveLora and readLora.
api::Result<api::Figures> writeLora(const nn::Lora& lora,
                                    api::ModelForm form,
                                    const std::filesystem::path& out,
                                    std::optional<api::FileDType> dtype,
                                    base::Reporter& reporter);

}  // namespace likeness::engine
