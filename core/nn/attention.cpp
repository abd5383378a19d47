// Transformer parts of the UNet.
#include "core/nn/attention.h"

namespace likeness::nn {

TextContext::TextContext(Conditioning conditioning, bool reuse)
    : m_conditioning(std::move(conditioning)) {
  if (reuse) m_kept = std::make_shared<std::unordered_map<const Attention*, KeyValue>>();
}

TextContext TextContext::as(at::ScalarType dtype) const {
  TextContext converted = *this;
  converted.m_conditioning = m_conditioning.to(dtype);
  return converted;
}

TextContext TextContext::with(const at::Tensor& states) const {
  TextContext changed = *this;
  changed.m_conditioning.context = states;
  return changed;
}

Attention::Attention(const Weights& w,
                     std::int64_t queryDim,
                     std::int64_t contextDim,
                     std::int64_t heads,
                     std::int64_t headDim)
    : m_heads(heads),
      m_toQ(w / "to_q", queryDim, heads * headDim, false),
      m_toK(w / "to_k", contextDim, heads * headDim, false),
      m_toV(w / "to_v", contextDim, heads * headDim, false),
      m_toOut(w / "to_out" / 0, heads * headDim, queryDim) {}

at::Tensor Attention::operator()(const at::Tensor& x) const {
  return m_toOut(functions::attention(m_toQ(x), m_toK(x), m_toV(x), m_heads, false));
}

at::Tensor Attention::operator()(const at::Tensor& x, const TextContext& text) const {
  const auto keyValue = [&]() -> TextContext::KeyValue {
    return {m_toK(text.states()), m_toV(text.states())};
  };
  TextContext::KeyValue kept;
  if (!text.m_kept) {
    kept = keyValue();
  } else if (const auto found = text.m_kept->find(this); found != text.m_kept->end()) {
    kept = found->second;
  } else {
    kept = text.m_kept->emplace(this, keyValue()).first->second;
  }
  return m_toOut(functions::attention(m_toQ(x), kept.key, kept.value, m_heads, false));
}

FeedForward::FeedForward(const Weights& w, std::int64_t dim)
    : m_proj(w / "net" / 0 / "proj", dim, 8 * dim), m_out(w / "net" / 2, 4 * dim, dim) {}

at::Tensor FeedForward::operator()(const at::Tensor& x) const {
  return m_out(functions::geglu(m_proj(x)));
}

BasicTransformerBlock::BasicTransformerBlock(const Weights& w,
                                             std::int64_t heads,
                                             std::int64_t headDim,
                                             std::int64_t contextDim)
    : m_checkpoint(w),
      m_norm1(w / "norm1", heads * headDim),
      m_attn1(w / "attn1", heads * headDim, heads * headDim, heads, headDim),
      m_norm2(w / "norm2", heads * headDim),
      m_attn2(w / "attn2", heads * headDim, contextDim, heads, headDim),
      m_norm3(w / "norm3", heads * headDim),
      m_ff(w / "ff", heads * headDim) {}

at::Tensor BasicTransformerBlock::operator()(const at::Tensor& input,
                                             const TextContext& text) const {
  return m_checkpoint(
      input, text.states(), [this, text](const at::Tensor& x, const at::Tensor& states) {
        at::Tensor h = x + m_attn1(m_norm1(x));
        h = h + m_attn2(m_norm2(h), text.with(states));
        return h + m_ff(m_norm3(h));
      });
}

namespace {

Linear::Stored projectionForm(const Transformer2DModel::Config& config) {
  return config.linearProjection ? Linear::Stored::Matrix : Linear::Stored::Convolution;
}

}  // namespace

Transformer2DModel::Transformer2DModel(const Weights& w, const Config& config)
    : m_norm(w / "norm", config.groups, config.channels, 1e-6),
      m_projIn(w / "proj_in",
               config.channels,
               config.heads * (config.channels / config.heads),
               true,
               projectionForm(config)),
      m_projOut(w / "proj_out",
                config.heads * (config.channels / config.heads),
                config.channels,
                true,
                projectionForm(config)) {
  for (std::int64_t i = 0; i < config.layers; ++i)
    m_blocks.emplace_back(w / "transformer_blocks" / i,
                          config.heads,
                          config.channels / config.heads,
                          config.contextDim);
}

at::Tensor Transformer2DModel::operator()(const at::Tensor& x, const TextContext& text) const {
  // [N, C, H, W] -> [N, H W, C]: a view of channels-last memory. A 1x1 convolution and a linear
  // layer are one product there.
  const at::Tensor pixels = m_norm(x).permute({0, 2, 3, 1});
  at::Tensor tokens = m_projIn(pixels.flatten(1, 2));
  for (const BasicTransformerBlock& block : m_blocks) tokens = block(tokens, text);
  return x + m_projOut(tokens).view(pixels.sizes()).permute({0, 3, 1, 2});
}

}  // namespace likeness::nn
