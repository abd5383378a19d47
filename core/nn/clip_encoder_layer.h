// The layer of CLIP's transformers, of words and of pictures: norms before each part.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/sigmoid.h>

#include "core/nn/gradient_checkpoint.h"
#include "core/nn/layers.h"

namespace likeness::nn {

struct ClipEncoderLayer {
  std::int64_t heads;
  bool quickGelu, causal;
  GradientCheckpoint checkpoint;
  LayerNorm layerNorm1;
  Linear kProj, vProj, qProj, outProj;
  LayerNorm layerNorm2;
  Linear fc1, fc2;

  /// `causal`: each token sees those before it alone.
  template <class Config>
  ClipEncoderLayer(const Weights& w, const Config& c, bool isCausal)
      : heads(c.numAttentionHeads),
        quickGelu(c.hiddenAct == "quick_gelu"),
        causal(isCausal),
        checkpoint(w),
        layerNorm1(w / "layer_norm1", c.hiddenSize, c.layerNormEps),
        kProj(w / "self_attn" / "k_proj", c.hiddenSize, c.hiddenSize),
        vProj(w / "self_attn" / "v_proj", c.hiddenSize, c.hiddenSize),
        qProj(w / "self_attn" / "q_proj", c.hiddenSize, c.hiddenSize),
        outProj(w / "self_attn" / "out_proj", c.hiddenSize, c.hiddenSize),
        layerNorm2(w / "layer_norm2", c.hiddenSize, c.layerNormEps),
        fc1(w / "mlp" / "fc1", c.hiddenSize, c.intermediateSize),
        fc2(w / "mlp" / "fc2", c.intermediateSize, c.hiddenSize) {}

  /// [N, tokens, hidden] -> the same shape.
  at::Tensor operator()(const at::Tensor& input) const {
    return checkpoint(input, {}, [this](const at::Tensor& x, const at::Tensor&) {
      const at::Tensor a = layerNorm1(x);
      const at::Tensor h =
          x + outProj(functions::attention(qProj(a), kProj(a), vProj(a), heads, causal));
      return h + fc2(activation(fc1(layerNorm2(h))));
    });
  }

  at::Tensor activation(const at::Tensor& x) const {
    return quickGelu ? x * at::sigmoid(1.702 * x) : at::gelu(x);
  }
};

}  // namespace likeness::nn
