// Words learned by textual inversion, for prompts.
#pragma once

#include "core/nn/stable_diffusion.h"

namespace likeness::nn {

/// Adds the words of embedding files (weights::openEmbedding) to those that promptTokens finds;
/// encodePrompt puts their vectors in place of the vocabulary's. Errors: those of openEmbedding;
/// BadAdapter when a file is for text encoders of another width, or two have the same word.
api::Result<void> addEmbeddings(StableDiffusion& model,
                                const std::vector<std::filesystem::path>& files);

}  // namespace likeness::nn
