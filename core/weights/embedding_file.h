// Textual inversions: words learned as vectors of a text encoder's token embedding.
//
// Names of tensors (vectors [n, width] or one [width]):
//   emb_params           one text encoder (kohya's scripts, AUTOMATIC1111; .pt through the safe
//   copy) clip_l, clip_g       SDXL's two a single other name  diffusers: the name is the word
//   itself, "<my-cat>"; one without such
//                        brackets counts where the width is that of a published text encoder, or
//                        where the metadata says so (ModelSpec)
// The word in prompts is the file's name without its ending, as other programs have it, and
// diffusers' own word too.
#pragma once

#include "core/weights/pickle_copy.h"

namespace likeness::weights {

struct EmbeddingFile {
  SafetensorsFile file;
  std::vector<std::string> words;  ///< at least one
  std::string first, second;       ///< tensors for each text encoder; `second` for SDXL alone
  std::int64_t count = 1;          ///< vectors of each
  std::int64_t width = 0, secondWidth = 0;
};
/// Whether the tensors are those of an embedding.
bool isEmbedding(const SafetensorsFile& file);
/// Errors: those of openWeights; BadAdapter {file, reason} for another kind of file.
api::Result<EmbeddingFile> openEmbedding(const std::filesystem::path& path);

}  // namespace likeness::weights
