// CLIP's text encoder: a causal transformer, norms before each part.
#include "core/nn/clip_text_model.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/sigmoid.h>

#include <algorithm>

namespace likeness::nn {
// Named, not anonymous: the Parts below hold these types, and unity builds join files.
namespace clip {

struct ClipEncoderLayer {
  std::int64_t heads;
  bool quickGelu;
  LayerNorm layerNorm1;
  Linear kProj, vProj, qProj, outProj;
  LayerNorm layerNorm2;
  Linear fc1, fc2;

  ClipEncoderLayer(const Weights& w, const ClipTextConfig& c)
      : heads(c.numAttentionHeads),
        quickGelu(c.hiddenAct == "quick_gelu"),
        layerNorm1(w / "layer_norm1", c.hiddenSize, c.layerNormEps),
        kProj(w / "self_attn" / "k_proj", c.hiddenSize, c.hiddenSize),
        vProj(w / "self_attn" / "v_proj", c.hiddenSize, c.hiddenSize),
        qProj(w / "self_attn" / "q_proj", c.hiddenSize, c.hiddenSize),
        outProj(w / "self_attn" / "out_proj", c.hiddenSize, c.hiddenSize),
        layerNorm2(w / "layer_norm2", c.hiddenSize, c.layerNormEps),
        fc1(w / "mlp" / "fc1", c.hiddenSize, c.intermediateSize),
        fc2(w / "mlp" / "fc2", c.intermediateSize, c.hiddenSize) {}

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor a = layerNorm1(x);
    const at::Tensor h =
        x + outProj(functions::attention(qProj(a), kProj(a), vProj(a), heads, true));
    return h + fc2(activation(fc1(layerNorm2(h))));
  }

  at::Tensor activation(const at::Tensor& x) const {
    return quickGelu ? x * at::sigmoid(1.702 * x) : at::gelu(x);
  }
};

}  // namespace clip

struct ClipTextModel::Parts {
  Embedding tokenEmbedding, positionEmbedding;
  std::vector<clip::ClipEncoderLayer> layers;
  LayerNorm finalLayerNorm;

  Parts(const Weights& w, const ClipTextConfig& c)
      : tokenEmbedding(w / "embeddings" / "token_embedding", c.vocabSize, c.hiddenSize),
        positionEmbedding(
            w / "embeddings" / "position_embedding", c.maxPositionEmbeddings, c.hiddenSize),
        finalLayerNorm(w / "final_layer_norm", c.hiddenSize, c.layerNormEps) {
    for (std::int64_t i = 0; i < c.numHiddenLayers; ++i)
      layers.emplace_back(w / "encoder" / "layers" / i, c);
  }
};

ClipTextModel::ClipTextModel(const Weights& weights, const ClipTextConfig& config)
    : m_config(config), m_parts(std::make_unique<const Parts>(weights / "text_model", config)) {}
ClipTextModel::~ClipTextModel() = default;

at::Tensor ClipTextModel::forward(const at::Tensor& inputIds,
                                  std::optional<at::ScalarType> dtype,
                                  std::int64_t clipSkip) const {
  const Parts& parts = *m_parts;
  const auto compute = dtype.value_or(parts.tokenEmbedding.masterDtype());
  const at::Tensor positions = at::arange(inputIds.size(1), inputIds.options());
  at::Tensor x =
      parts.tokenEmbedding(inputIds, compute) + parts.positionEmbedding(positions, compute);
  const auto layers = static_cast<std::ptrdiff_t>(parts.layers.size()) - (clipSkip - 1);
  std::for_each_n(parts.layers.begin(), layers, [&](const auto& layer) { x = layer(x); });
  return parts.finalLayerNorm(x);
}

}  // namespace likeness::nn
