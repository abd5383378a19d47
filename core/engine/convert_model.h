// A model in another form or number format, tensor by tensor; an adapter in another form.
#pragma once

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::engine {

/// Builds the new form in OUT.partial, compares it with the source and gives it its name. A request
/// that finds the OUT.partial of the same conversion goes on there. Figures: parameters, bytes,
/// resumed_mib (what was there), write_s, verify_s, peak_rss_mib. An adapter is written at once,
/// with the figures of writeLora. Errors: those of opening a model or adapter, ModelMismatch,
/// FileUnwritable, DiskFull; BadCombination for a LoRA run.
api::Result<base::JobResult> convertModel(const api::ConvertRequest& request,
                                          const std::filesystem::path& resources,
                                          base::Reporter& reporter);

}  // namespace likeness::engine
