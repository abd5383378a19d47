// The networks once more, as lists of names and shapes. core/nn is tested against these lists.
#include "core/weights/network_tensors.h"

#include <tuple>

namespace likeness::weights {
namespace {

/// A module path that notes tensors under it.
class At {
 public:
  explicit At(TensorShapes& list, std::string prefix = {})
      : m_list(&list), m_prefix(std::move(prefix)) {}
  At operator/(const std::string& name) const {
    return At(*m_list, m_prefix.empty() ? name : m_prefix + "." + name);
  }
  At operator/(std::size_t index) const { return *this / std::to_string(index); }

  void weight(Shape shape) const { note("weight", std::move(shape)); }
  void norm(std::int64_t channels) const { withBias({channels}); }
  void linear(std::int64_t in, std::int64_t out) const { withBias({out, in}); }
  void conv(std::int64_t in, std::int64_t out, std::int64_t kernel) const {
    withBias({out, in, kernel, kernel});
  }

 private:
  void withBias(Shape shape) const {
    note("bias", {shape.front()});
    weight(std::move(shape));
  }
  void note(const std::string& name, Shape shape) const {
    m_list->emplace((*this / name).m_prefix, std::move(shape));
  }
  TensorShapes* m_list;
  std::string m_prefix;
};

void resnet(const At& at, std::int64_t in, std::int64_t out, std::int64_t timeChannels) {
  (at / "norm1").norm(in);
  (at / "conv1").conv(in, out, 3);
  if (timeChannels > 0) (at / "time_emb_proj").linear(timeChannels, out);
  (at / "norm2").norm(out);
  (at / "conv2").conv(out, out, 3);
  if (in != out) (at / "conv_shortcut").conv(in, out, 1);
}

void transformer(const At& at,
                 std::int64_t channels,
                 std::int64_t heads,
                 std::int64_t depth,
                 std::int64_t contextDim,
                 bool linearProjection) {
  const std::int64_t width = heads * (channels / heads);
  (at / "norm").norm(channels);
  for (const auto& [name, in, out] :
       {std::tuple("proj_in", channels, width), std::tuple("proj_out", width, channels)}) {
    if (linearProjection)
      (at / name).linear(in, out);
    else
      (at / name).conv(in, out, 1);
  }
  for (std::int64_t i = 0; i < depth; ++i) {
    const At block = at / "transformer_blocks" / static_cast<std::size_t>(i);
    for (const char* norm : {"norm1", "norm2", "norm3"}) (block / norm).norm(width);
    for (const auto& [name, context] :
         {std::pair("attn1", width), std::pair("attn2", contextDim)}) {
      (block / name / "to_q").weight({width, width});
      (block / name / "to_k").weight({width, context});
      (block / name / "to_v").weight({width, context});
      (block / name / "to_out" / 0).linear(width, width);
    }
    (block / "ff" / "net" / 0 / "proj").linear(width, 8 * width);
    (block / "ff" / "net" / 2).linear(4 * width, width);
  }
}

}  // namespace

std::int64_t elementCount(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;  // a header's product has been checked
  return count;
}

std::string text(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text.append(i ? ", " : "").append(std::to_string(shape[i]));
  return text + "]";
}

TensorShapes networkTensors(const UNet2DConditionConfig& c) {
  TensorShapes list;
  const At root(list);
  const auto& channels = c.blockOutChannels;
  const std::size_t levels = channels.size();
  const std::int64_t time = 4 * channels[0];
  const auto attention = [&](const At& at, std::size_t level) {
    transformer(at,
                channels[level],
                ofBlock(c.attentionHeadDim, level),
                ofBlock(c.transformerLayersPerBlock, level),
                c.crossAttentionDim,
                c.useLinearProjection);
  };
  (root / "conv_in").conv(c.inChannels, channels[0], 3);
  (root / "time_embedding" / "linear_1").linear(channels[0], time);
  (root / "time_embedding" / "linear_2").linear(time, time);
  if (c.addedInputDim > 0) {
    (root / "add_embedding" / "linear_1").linear(c.addedInputDim, time);
    (root / "add_embedding" / "linear_2").linear(time, time);
  }
  for (std::size_t level = 0; level < levels; ++level) {
    const At block = root / "down_blocks" / level;
    const std::int64_t out = channels[level];
    const auto layers = static_cast<std::size_t>(ofBlock(c.layersPerBlock, level));
    for (std::size_t i = 0; i < layers; ++i) {
      const std::int64_t in = i > 0 || level == 0 ? out : channels[level - 1];
      resnet(block / "resnets" / i, in, out, time);
      if (c.downBlockTypes[level] == "CrossAttnDownBlock2D")
        attention(block / "attentions" / i, level);
    }
    if (level + 1 < levels) (block / "downsamplers" / 0 / "conv").conv(out, out, 3);
  }
  const At mid = root / "mid_block";
  for (const std::size_t i : {0, 1})
    resnet(mid / "resnets" / i, channels.back(), channels.back(), time);
  attention(mid / "attentions" / 0, levels - 1);
  for (std::size_t i = 0; i < levels; ++i) {
    const std::size_t level = levels - 1 - i;
    const At block = root / "up_blocks" / i;
    const std::int64_t out = channels[level];
    const auto layers = static_cast<std::size_t>(ofBlock(c.layersPerBlock, level)) + 1;
    for (std::size_t j = 0; j < layers; ++j) {
      const std::int64_t before = j > 0 || i == 0 ? out : channels[level + 1];
      const std::int64_t skip = j + 1 < layers || level == 0 ? out : channels[level - 1];
      resnet(block / "resnets" / j, before + skip, out, time);
      if (c.upBlockTypes[i] == "CrossAttnUpBlock2D") attention(block / "attentions" / j, level);
    }
    if (level > 0) (block / "upsamplers" / 0 / "conv").conv(out, out, 3);
  }
  (root / "conv_norm_out").norm(channels[0]);
  (root / "conv_out").conv(channels[0], c.outChannels, 3);
  return list;
}

TensorShapes networkTensors(const AutoencoderKLConfig& c) {
  TensorShapes list;
  const At root(list);
  const auto& channels = c.blockOutChannels;
  const std::size_t levels = channels.size();
  const std::int64_t deepest = channels.back();
  for (const char* half : {"encoder", "decoder"}) {
    const At mid = root / half / "mid_block";
    for (const std::size_t i : {0, 1}) resnet(mid / "resnets" / i, deepest, deepest, 0);
    if (!c.midBlockAddAttention) continue;
    const At attention = mid / "attentions" / 0;
    (attention / "group_norm").norm(deepest);
    for (const char* name : {"to_q", "to_k", "to_v"}) (attention / name).linear(deepest, deepest);
    (attention / "to_out" / 0).linear(deepest, deepest);
  }
  const At encoder = root / "encoder", decoder = root / "decoder";
  (encoder / "conv_in").conv(c.inChannels, channels[0], 3);
  (decoder / "conv_in").conv(c.latentChannels, deepest, 3);
  const auto layers = static_cast<std::size_t>(c.layersPerBlock);
  for (std::size_t i = 0; i < levels; ++i) {
    const At down = encoder / "down_blocks" / i;
    for (std::size_t j = 0; j < layers; ++j)
      resnet(down / "resnets" / j, j > 0 || i == 0 ? channels[i] : channels[i - 1], channels[i], 0);
    if (i + 1 < levels) (down / "downsamplers" / 0 / "conv").conv(channels[i], channels[i], 3);
    const At up = decoder / "up_blocks" / i;
    const std::int64_t out = channels[levels - 1 - i];
    for (std::size_t j = 0; j <= layers; ++j)
      resnet(up / "resnets" / j, j > 0 || i == 0 ? out : channels[levels - i], out, 0);
    if (i + 1 < levels) (up / "upsamplers" / 0 / "conv").conv(out, out, 3);
  }
  (encoder / "conv_norm_out").norm(deepest);
  (encoder / "conv_out").conv(deepest, 2 * c.latentChannels, 3);
  (decoder / "conv_norm_out").norm(channels[0]);
  (decoder / "conv_out").conv(channels[0], c.outChannels, 3);
  if (c.useQuantConv) (root / "quant_conv").conv(2 * c.latentChannels, 2 * c.latentChannels, 1);
  if (c.usePostQuantConv) (root / "post_quant_conv").conv(c.latentChannels, c.latentChannels, 1);
  return list;
}

TensorShapes networkTensors(const ClipTextConfig& c) {
  TensorShapes list;
  const At root(list), model = root / "text_model";
  (model / "embeddings" / "token_embedding").weight({c.vocabSize, c.hiddenSize});
  (model / "embeddings" / "position_embedding").weight({c.maxPositionEmbeddings, c.hiddenSize});
  for (std::size_t i = 0; i < static_cast<std::size_t>(c.numHiddenLayers); ++i) {
    const At layer = model / "encoder" / "layers" / i;
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
      (layer / "self_attn" / name).linear(c.hiddenSize, c.hiddenSize);
    for (const char* name : {"layer_norm1", "layer_norm2"}) (layer / name).norm(c.hiddenSize);
    (layer / "mlp" / "fc1").linear(c.hiddenSize, c.intermediateSize);
    (layer / "mlp" / "fc2").linear(c.intermediateSize, c.hiddenSize);
  }
  (model / "final_layer_norm").norm(c.hiddenSize);
  if (c.projectionDim > 0) (root / "text_projection").weight({c.projectionDim, c.hiddenSize});
  return list;
}

}  // namespace likeness::weights
