// Words learned by textual inversion, for prompts.
#pragma once

#include "core/nn/stable_diffusion.h"

namespace likeness::nn {

/// Adds the words of embedding files (weights::openEmbedding) to those that promptTokens finds;
/// encodePrompt puts their vectors in place of the vocabulary's. Errors: those of openEmbedding;
/// BadAdapter when a file is for text encoders of another width, or two have the same word.
api::Result<void> addEmbeddings(StableDiffusion& model,
                                const std::vector<std::filesystem::path>& files);

/// Adds a word to learn, its vectors beginning as those of the tokens of `initialWord`, in turn.
/// Returns its fp32 leaves [vectors, width] as an embedding file names them, the word for one text
/// encoder (diffusers), clip_l and clip_g for SDXL's two; they share memory with model.learned.
tensor::StateDict learnWord(StableDiffusion& model,
                            const std::string& word,
                            std::int64_t vectors,
                            const std::string& initialWord);
/// Adds the word of a run from what its checkpoint holds, which is what learnWord returned. Errors:
/// those of reading; BadAdapter when it does not fit the model.
api::Result<void> addWord(StableDiffusion& model,
                          const std::filesystem::path& file,
                          const std::string& word);

}  // namespace likeness::nn
