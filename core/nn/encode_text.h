// From prompts to what the UNet is conditioned on, for every family. All programs encode here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/nn/conditioning.h"
#include "core/nn/stable_diffusion.h"
#include "core/text/prompt.h"

namespace likeness::nn {

/// What each text encoder of a model reads: [N, tokens] int64 on its device. `second` is undefined
/// where there is no second encoder.
struct TokenIds {
  at::Tensor first, second;
};
/// Token ids of prompts as they are (captions), with the model's learned words, padded as each
/// encoder wants it: [N, 77].
TokenIds tokenIds(const StableDiffusion& model, const std::vector<std::string>& prompts);

struct EncodeOptions {
  std::optional<at::ScalarType> dtype;  ///< of the computation; absent = that of the masters
  /// Layers counted from the end whose state is read: 1 is what the model was made for (SDXL's
  /// encoders are read one layer earlier then), 2 the layer before, ...
  std::int64_t clipSkip = 1;
};
/// Rows of ids -> rows of text. Records gradients where the encoders' parameters want them. Sizes
/// are left to Conditioning::withSizes.
Conditioning encodeText(const StableDiffusion& model,
                        const TokenIds& ids,
                        const EncodeOptions& options = {});
inline Conditioning encodeText(const StableDiffusion& model,
                               const std::vector<std::string>& prompts,
                               const EncodeOptions& options = {}) {
  return encodeText(model, tokenIds(model, prompts), options);
}

/// The chunks of a prompt for the first text encoder; the second's differ in padding alone.
text::PromptTokens promptTokens(const StableDiffusion& model,
                                std::string_view prompt,
                                api::PromptSyntax syntax);
/// One row: chunks encoded one by one, weighted (in fp32, each encoder for itself) and joined,
/// [1, 77 k, D], k = at least `chunks` by empty chunks behind; the pooled text is that of the first
/// chunk.
Conditioning encodePrompt(const StableDiffusion& model,
                          std::string_view prompt,
                          api::PromptSyntax syntax,
                          const EncodeOptions& options = {},
                          std::int64_t chunks = 1);

}  // namespace likeness::nn
