// The generation job: load, make, write PNGs with the complete request inside.
#pragma once

#include <filesystem>

#include "core/api/requests.h"
#include "core/base/reporter.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::generate {

/// Makes request.count pictures, batch by batch; each is shown and written as its batch is done, as
/// SEED.png or, where that exists, SEED-2.png and so on. Plain prompts longer than the model
/// reads warn (PromptTooLong) and lose their end. Stopped: cancelled, with the pictures of the
/// finished batches. Figures: load_s, generate_s, per_image_s, peak_rss_mib, prompt_tokens and
/// prompt_limit (of the longest prompt), files. Errors: those of loadModel, readInitialLatents and
/// Generator; NotEnoughMemory; FileUnwritable, DiskFull.
api::Result<base::JobResult> generate(const api::GenerateRequest& request,
                                      const std::filesystem::path& resources,
                                      base::Reporter& reporter);

/// Warns when the model cannot read all of a rendered plain prompt. Limit: what the text encoder
/// takes without its two marks.
void warnIfTooLong(const nn::StableDiffusion& model,
                   const std::string& prompt,
                   base::Reporter& reporter);

}  // namespace likeness::generate
