// CLIP's text encoder: a causal transformer, norms before each part.
#include "core/nn/clip_text_model.h"

#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/where.h>

#include "core/nn/clip_encoder_layer.h"
#include "core/weights/trainable_tensors.h"

namespace likeness::nn {
struct ClipTextModel::Parts {
  Embedding tokenEmbedding, positionEmbedding;
  std::vector<ClipEncoderLayer> layers;
  LayerNorm finalLayerNorm;
  std::optional<Linear> textProjection;

  Parts(const Weights& root, const Weights& w, const ClipTextConfig& c)
      : tokenEmbedding(w / "embeddings" / "token_embedding", c.vocabSize, c.hiddenSize),
        positionEmbedding(
            w / "embeddings" / "position_embedding", c.maxPositionEmbeddings, c.hiddenSize),
        finalLayerNorm(w / "final_layer_norm", c.hiddenSize, c.layerNormEps) {
    for (std::int64_t i = 0; i < c.numHiddenLayers; ++i)
      layers.emplace_back(w / "encoder" / "layers" / i, c, true);
    if (c.projectionDim > 0)
      textProjection.emplace(root / "text_projection", c.hiddenSize, c.projectionDim, false);
  }

  /// Layers first .. last - 1.
  at::Tensor run(at::Tensor x, std::int64_t first, std::int64_t last) const {
    for (std::int64_t i = first; i < last; ++i) x = layers[static_cast<std::size_t>(i)](x);
    return x;
  }
};

ClipTextModel::ClipTextModel(const Weights& weights, const ClipTextConfig& config)
    : m_config(config),
      m_parts(std::make_unique<const Parts>(weights, weights / "text_model", config)) {}
ClipTextModel::~ClipTextModel() = default;

at::Tensor ClipTextModel::embed(const at::Tensor& inputIds,
                                std::optional<at::ScalarType> dtype,
                                const at::Tensor& learned) const {
  const Parts& parts = *m_parts;
  const auto compute = dtype.value_or(parts.tokenEmbedding.masterDtype());
  const at::Tensor positions = at::arange(inputIds.size(1), inputIds.options());
  at::Tensor tokens = parts.tokenEmbedding(inputIds.clamp_min(0), compute);
  if (learned.defined()) {
    const at::Tensor rows = at::embedding(learned.to(compute), (-1 - inputIds).clamp_min(0));
    tokens = at::where(inputIds.lt(0).unsqueeze(2), rows, tokens);
  }
  return tokens + parts.positionEmbedding(positions, compute);
}

at::Tensor ClipTextModel::forward(const at::Tensor& inputIds,
                                  std::optional<at::ScalarType> dtype,
                                  std::int64_t clipSkip,
                                  const at::Tensor& learned) const {
  const std::int64_t layers = m_config.numHiddenLayers - (clipSkip - 1);
  return m_parts->finalLayerNorm(m_parts->run(embed(inputIds, dtype, learned), 0, layers));
}

ClipTextModel::XlOutput ClipTextModel::forwardXl(const at::Tensor& inputIds,
                                                 std::int64_t endId,
                                                 std::optional<at::ScalarType> dtype,
                                                 std::int64_t clipSkip,
                                                 const at::Tensor& learned) const {
  const std::int64_t layers = m_config.numHiddenLayers;
  XlOutput out;
  out.states = m_parts->run(embed(inputIds, dtype, learned), 0, layers - clipSkip);
  if (!m_parts->textProjection) return out;
  const at::Tensor last =
      m_parts->finalLayerNorm(m_parts->run(out.states, layers - clipSkip, layers));
  const at::Tensor rows = at::arange(inputIds.size(0), inputIds.options());
  const at::Tensor ends = (inputIds == endId).to(at::kLong).argmax(1);
  out.pooled = (*m_parts->textProjection)(last.index({rows, ends}));
  return out;
}

bool ClipTextModel::isReadByXl(const ClipTextConfig& config, std::string_view key) {
  return weights::isReadByXl(config, key);
}

}  // namespace likeness::nn
