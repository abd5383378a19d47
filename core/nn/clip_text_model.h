// CLIP's text encoder (transformers' CLIPTextModel), final layer norm included.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

#include "core/nn/layers.h"

namespace likeness::nn {

/// text_encoder/config.json; defaults are transformers' constructor defaults.
struct ClipTextConfig {
  std::int64_t vocabSize = 49408, hiddenSize = 512, intermediateSize = 2048, numHiddenLayers = 12, numAttentionHeads = 8, maxPositionEmbeddings = 77;
  std::string hiddenAct = "quick_gelu";  ///< or gelu
  double layerNormEps = 1e-5;
};

class ClipTextModel {
 public:
  ClipTextModel(const Weights& weights, const ClipTextConfig& config);
  /// [N, 77] int64 -> last hidden state after the final layer norm, [N, 77, hidden].
  at::Tensor forward(const at::Tensor& inputIds) const;
  const ClipTextConfig& config() const { return m_config; }

 private:
  ClipTextConfig m_config;
  struct Layer;
  std::vector<std::shared_ptr<const Layer>> m_layers;
  at::Tensor m_tokenEmbedding, m_positionEmbedding;
  LayerNorm m_finalLayerNorm;
};

}  // namespace likeness::nn
