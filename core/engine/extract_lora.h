// What one model learned beside another, as a LoRA.
#pragma once

#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::engine {

/// One layer at a time: memory is that of one tensor of each model, and of the LoRA. Tensors that
/// differ by the rounding of the coarser number format alone count as equal. Figures: rank and
/// alpha; kept, the part of the whole difference (squared Frobenius norm, UNet and text encoders)
/// that the LoRA holds; outside, the part in tensors that no LoRA holds (biases, norms,
/// embeddings); equal, tensors that do not differ; extract_s; those of writeLora. Errors: those of
/// openWhole, requireSameTensors and writeLora; BadCombination for models without a difference,
/// BadModelFile for one with values that are no numbers.
api::Result<base::JobResult> extractLora(const api::ExtractRequest& request,
                                         const std::filesystem::path& resources,
                                         base::Reporter& reporter);

}  // namespace likeness::engine
