// CLIP's text encoder (transformers' CLIPTextModel), final layer norm included.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/nn/layers.h"

namespace likeness::nn {

/// text_encoder/config.json; defaults are transformers' constructor defaults.
struct ClipTextConfig {
  std::int64_t vocabSize = 49408, hiddenSize = 512, intermediateSize = 2048, numHiddenLayers = 12,
               numAttentionHeads = 8, maxPositionEmbeddings = 77;
  std::string hiddenAct = "quick_gelu";  ///< or gelu
  double layerNormEps = 1e-5;
};

class ClipTextModel {
 public:
  ClipTextModel(const Weights& weights, const ClipTextConfig& config);
  ~ClipTextModel();
  /// [N, tokens] int64 -> last hidden state after the final layer norm, [N, tokens, hidden].
  /// Computes in `dtype`, by default that of the masters (layers.h).
  at::Tensor forward(const at::Tensor& inputIds, std::optional<at::ScalarType> dtype = {}) const;
  const ClipTextConfig& config() const { return m_config; }

 private:
  ClipTextConfig m_config;
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

}  // namespace likeness::nn
