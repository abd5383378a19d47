// The networks as a rehearsal goes through them: what core/nn computes, layer by layer.
#pragma once

#include "core/weights/model_configs.h"
#include "core/workspace/rehearsal.h"

namespace likeness::workspace {

/// The prediction for latents [rows, height, width], which listen to `text`. `keepsWords`: keys and
/// values of the text live until the pass ends, as a sampler keeps them.
Ghost passUnet(Pass& pass,
               const weights::UNet2DConditionConfig& config,
               const Extent& latents,
               const Ghost& text,
               bool keepsWords = false);

/// The state of the last layer for whole prompts, one per row. `wantsGradient`: words have vectors
/// of their own that are learned.
Ghost passText(Pass& pass,
               weights::NetworkKind network,
               const weights::ClipTextConfig& config,
               std::int64_t rows,
               bool wantsGradient);

/// Pictures of these sides to the moments of their latents, and latents of these sides to pictures.
Ghost passEncoder(Pass& pass, const weights::AutoencoderKLConfig& config, const Extent& pictures);
Ghost passDecoder(Pass& pass, const weights::AutoencoderKLConfig& config, const Extent& latents);

}  // namespace likeness::workspace
