// Transformer parts of the UNet: attention, feed-forward, Transformer2DModel.
#pragma once

#include <unordered_map>
#include <vector>

#include "core/nn/conditioning.h"
#include "core/nn/gradient_checkpoint.h"
#include "core/nn/layers.h"

namespace likeness::nn {

class Attention;

/// The conditioning as the UNet uses it. With `reuse`, each cross-attention keeps its keys and
/// values of this text, so that a sampler computes them once: valid while weights, adapters and
/// dtype stay as they are, and only without gradients.
class TextContext {
 public:
  TextContext(Conditioning conditioning, bool reuse = false);  // implicit, as the next
  /// states [N, tokens, crossAttentionDim].
  TextContext(at::Tensor states, bool reuse = false)
      : TextContext(Conditioning(std::move(states)), reuse) {}
  const Conditioning& conditioning() const { return m_conditioning; }
  const at::Tensor& states() const { return m_conditioning.context; }
  /// The same text for computing in `dtype`; kept keys and values are shared.
  TextContext as(at::ScalarType dtype) const;
  /// The same, but for the states.
  TextContext with(const at::Tensor& states) const;

 private:
  friend class Attention;
  struct KeyValue {
    at::Tensor key, value;
  };
  Conditioning m_conditioning;
  std::shared_ptr<std::unordered_map<const Attention*, KeyValue>> m_kept;  ///< null = not reused
};

/// softmax(q k^T / sqrt(d)) v over `heads` heads of `headDim`; q, k, v without bias, output with
/// one.
class Attention {
 public:
  Attention(const Weights& w,
            std::int64_t queryDim,
            std::int64_t contextDim,
            std::int64_t heads,
            std::int64_t headDim);
  Attention(Attention&&) = default;
  /// x [N, L, queryDim] attends to itself.
  at::Tensor operator()(const at::Tensor& x) const;
  /// ... or to the text.
  at::Tensor operator()(const at::Tensor& x, const TextContext& text) const;

 private:
  std::int64_t m_heads;
  Linear m_toQ, m_toK, m_toV, m_toOut;
};

/// GEGLU: (a * gelu(g)) W, [a, g] = x V.
class FeedForward {
 public:
  FeedForward(const Weights& w, std::int64_t dim);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Linear m_proj, m_out;
};

/// Self-attention, cross-attention and feed-forward, each behind its layer norm and with its
/// residual.
class BasicTransformerBlock {
 public:
  BasicTransformerBlock(const Weights& w,
                        std::int64_t heads,
                        std::int64_t headDim,
                        std::int64_t contextDim);
  at::Tensor operator()(const at::Tensor& x, const TextContext& text) const;

 private:
  GradientCheckpoint m_checkpoint;
  LayerNorm m_norm1;
  Attention m_attn1;
  LayerNorm m_norm2;
  Attention m_attn2;
  LayerNorm m_norm3;
  FeedForward m_ff;
};

/// Transformer blocks over the pixels of a feature map, with projections around them and a
/// residual.
class Transformer2DModel {
 public:
  struct Config {
    std::int64_t channels, heads, layers, contextDim, groups;
    bool linearProjection;
  };
  Transformer2DModel(const Weights& w, const Config& config);
  /// x [N, channels, H, W] -> the same shape.
  at::Tensor operator()(const at::Tensor& x, const TextContext& text) const;

 private:
  GroupNorm m_norm;
  Linear m_projIn;
  std::vector<BasicTransformerBlock> m_blocks;
  Linear m_projOut;
};

}  // namespace likeness::nn
