// Blocks and their order, as core/nn/{unet_2d_condition_model,clip_text_model,autoencoder_kl}.cpp.
#include "core/workspace/network_passes.h"

#include <algorithm>

#include "core/weights/network_tensors.h"

namespace likeness::workspace {
namespace {

using weights::NetworkKind;

std::string operator/(const std::string& path, const std::string& name) {
  return path + "." + name;
}
std::string operator/(const std::string& path, std::size_t index) {
  return path + "." + std::to_string(index);
}

/// `time` without memory: none is added (autoencoder).
Ghost resnet(
    Pass& p, const std::string& at, const Ghost& input, const Ghost& time, std::int64_t out) {
  return p.block(input, time, [=, &p](const Ghost& x, const Ghost& activated) {
    Ghost h = p.conv(at / "conv1", p.norm(at / "norm1", x), out, 3);
    if (activated.memory) h = p.add(h, p.linear(at / "time_emb_proj", activated, out));
    h = p.conv(at / "conv2", p.norm(at / "norm2", h), out, 3);
    return p.add(x.extent.channels != out ? p.conv(at / "conv_shortcut", x, out, 1) : x, h);
  });
}

struct Attends {
  std::int64_t heads, layers;
  bool keepsWords;
};

/// To itself, or to the text.
Ghost attention(Pass& p,
                const std::string& at,
                const Ghost& x,
                const Ghost& from,
                const Attends& attends,
                bool holds) {
  const std::int64_t width = x.extent.channels;
  const Ghost k = p.linear(at / "to_k", from, width, false),
              v = p.linear(at / "to_v", from, width, false);
  if (holds) {
    p.hold(k);
    p.hold(v);
  }
  return p.linear(at / "to_out.0",
                  p.attention(p.linear(at / "to_q", x, width, false), k, v, attends.heads),
                  width);
}

Ghost transformer(
    Pass& p, const std::string& at, const Ghost& x, const Ghost& text, const Attends& attends) {
  const std::int64_t channels = x.extent.channels,
                     width = attends.heads * (channels / attends.heads);
  const Ghost pixels = p.norm(at / "norm", x);
  Ghost tokens = p.linear(at / "proj_in", pixels, width);
  for (std::size_t i = 0; i < static_cast<std::size_t>(attends.layers); ++i) {
    const std::string block = at / "transformer_blocks" / i;
    tokens = p.block(tokens, text, [=, &p](const Ghost& input, const Ghost& states) {
      const auto toItself = [&](const Ghost& y) {
        return attention(p, block / "attn1", y, y, attends, false);
      };
      Ghost h = p.add(input, toItself(p.norm(block / "norm1", input)));
      h = p.add(
          h,
          attention(
              p, block / "attn2", p.norm(block / "norm2", h), states, attends, attends.keepsWords));
      const std::string ff = block / "ff" / "net";
      return p.add(
          h,
          p.linear(
              ff / "2",
              p.activation(
                  p.linear(ff / "0.proj", p.norm(block / "norm3", h), 8 * width), 4 * width, 1),
              width));
    });
  }
  return p.add(x, p.linear(at / "proj_out", tokens, channels));
}

/// The autoencoder's one head over all pixels.
Ghost pixelAttention(Pass& p, const std::string& at, const Ghost& x) {
  const std::int64_t channels = x.extent.channels;
  const Ghost pixels = p.norm(at / "group_norm", x);
  return p.add(x,
               p.linear(at / "to_out.0",
                        p.attention(p.linear(at / "to_q", pixels, channels),
                                    p.linear(at / "to_k", pixels, channels),
                                    p.linear(at / "to_v", pixels, channels),
                                    1),
                        channels));
}

Ghost middle(Pass& p,
             const std::string& at,
             const Ghost& x,
             const weights::AutoencoderKLConfig& config) {
  const Ghost h = resnet(p, at / "resnets" / 0, x, {}, x.extent.channels);
  return resnet(p,
                at / "resnets" / 1,
                config.midBlockAddAttention ? pixelAttention(p, at / "attentions" / 0, h) : h,
                {},
                x.extent.channels);
}

}  // namespace

Ghost passUnet(Pass& p,
               const weights::UNet2DConditionConfig& c,
               const Extent& latents,
               const Ghost& text,
               bool keepsWords) {
  p.enter(NetworkKind::UNet);
  const auto& channels = c.blockOutChannels;
  const std::size_t levels = channels.size();
  const std::int64_t timeChannels = 4 * channels[0];
  const auto twice = [&](const std::string& at, std::int64_t in) {
    return p.linear(at / "linear_2",
                    p.linear(at / "linear_1", p.input({latents.rows, 1, 1, in}), timeChannels),
                    timeChannels);
  };
  Ghost time = twice("time_embedding", channels[0]);
  if (c.addedInputDim > 0) time = p.add(time, twice("add_embedding", c.addedInputDim));
  time = p.activation(time, timeChannels, 1);
  const auto attends = [&](std::size_t level) {
    return Attends{weights::ofBlock(c.attentionHeadDim, level),
                   weights::ofBlock(c.transformerLayersPerBlock, level),
                   keepsWords};
  };
  Extent sample = latents;
  sample.channels = c.inChannels;
  Ghost x = p.conv("conv_in", p.input(sample), channels[0], 3);
  std::vector<Ghost> skips{x};
  for (std::size_t level = 0; level < levels; ++level) {
    const std::string block = std::string("down_blocks") / level;
    for (std::size_t i = 0; i < static_cast<std::size_t>(weights::ofBlock(c.layersPerBlock, level));
         ++i) {
      x = resnet(p, block / "resnets" / i, x, time, channels[level]);
      if (c.downBlockTypes[level] == "CrossAttnDownBlock2D")
        x = transformer(p, block / "attentions" / i, x, text, attends(level));
      skips.push_back(x);
    }
    if (level + 1 == levels) continue;
    x = p.conv(block / "downsamplers.0.conv", x, channels[level], 3, 2);
    skips.push_back(x);
  }
  const std::string mid = "mid_block";
  x = resnet(p, mid / "resnets" / 0, x, time, channels.back());
  x = transformer(p, mid / "attentions" / 0, x, text, attends(levels - 1));
  x = resnet(p, mid / "resnets" / 1, x, time, channels.back());
  for (std::size_t i = 0; i < levels; ++i) {
    const std::size_t level = levels - 1 - i;
    const std::string block = std::string("up_blocks") / i;
    for (std::size_t j = 0;
         j <= static_cast<std::size_t>(weights::ofBlock(c.layersPerBlock, level));
         ++j) {
      x = resnet(p, block / "resnets" / j, p.cat(x, skips.back()), time, channels[level]);
      skips.pop_back();
      if (c.upBlockTypes[i] == "CrossAttnUpBlock2D")
        x = transformer(p, block / "attentions" / j, x, text, attends(level));
    }
    if (level == 0) continue;
    const Extent& finer = skips.back().extent;
    x = p.conv(
        block / "upsamplers.0.conv", p.enlarged(x, finer.height, finer.width), channels[level], 3);
  }
  return p.conv("conv_out", p.norm("conv_norm_out", x), c.outChannels, 3);
}

Ghost passText(Pass& p,
               NetworkKind network,
               const weights::ClipTextConfig& c,
               std::int64_t rows,
               bool wantsGradient) {
  p.enter(network);
  const std::string model = "text_model";
  const Extent states{rows, 1, c.maxPositionEmbeddings, c.hiddenSize};
  Ghost x = p.add(
      wantsGradient ? p.input(states, true)
                    : p.embedding(model / "embeddings.token_embedding.weight", states, c.vocabSize),
      p.embedding(model / "embeddings.position_embedding.weight", states, c.maxPositionEmbeddings));
  for (std::size_t i = 0; i < static_cast<std::size_t>(c.numHiddenLayers); ++i) {
    const std::string layer = model / "encoder.layers" / i;
    x = p.block(x, {}, [=, &p](const Ghost& input, const Ghost&) {
      const auto projected = [&](const char* name, const Ghost& from) {
        return p.linear(layer / "self_attn" / name, from, c.hiddenSize);
      };
      const Ghost a = p.norm(layer / "layer_norm1", input);
      const Ghost h = p.add(input,
                            projected("out_proj",
                                      p.attention(projected("q_proj", a),
                                                  projected("k_proj", a),
                                                  projected("v_proj", a),
                                                  c.numAttentionHeads)));
      const std::string mlp = layer / "mlp";
      // The quick one keeps a sigmoid, too.
      return p.add(
          h,
          p.linear(mlp / "fc2",
                   p.activation(
                       p.linear(mlp / "fc1", p.norm(layer / "layer_norm2", h), c.intermediateSize),
                       c.intermediateSize,
                       c.hiddenAct == "quick_gelu" ? 2 : 1),
                   c.hiddenSize));
    });
  }
  return p.norm(model / "final_layer_norm", x);
}

Ghost passEncoder(Pass& p, const weights::AutoencoderKLConfig& c, const Extent& pictures) {
  p.enter(NetworkKind::Vae);
  const std::string at = "encoder";
  Extent pixels = pictures;
  pixels.channels = c.inChannels;
  Ghost x = p.conv(at / "conv_in", p.input(pixels), c.blockOutChannels[0], 3);
  const std::size_t levels = c.blockOutChannels.size();
  for (std::size_t i = 0; i < levels; ++i) {
    const std::string block = at / "down_blocks" / i;
    for (std::size_t j = 0; j < static_cast<std::size_t>(c.layersPerBlock); ++j)
      x = resnet(p, block / "resnets" / j, x, {}, c.blockOutChannels[i]);
    if (i + 1 == levels) continue;
    // Padded on two sides first, which copies it.
    const Ghost padded = p.enlarged(x, x.extent.height + 1, x.extent.width + 1);
    x = p.conv(block / "downsamplers.0.conv", x, c.blockOutChannels[i], 3, 2, false);
  }
  x = middle(p, at / "mid_block", x, c);
  x = p.conv(at / "conv_out", p.norm(at / "conv_norm_out", x), 2 * c.latentChannels, 3);
  return c.useQuantConv ? p.conv("quant_conv", x, 2 * c.latentChannels, 1) : x;
}

Ghost passDecoder(Pass& p, const weights::AutoencoderKLConfig& c, const Extent& latents) {
  p.enter(NetworkKind::Vae);
  const std::string at = "decoder";
  Extent values = latents;
  values.channels = c.latentChannels;
  Ghost x = p.input(values);
  if (c.usePostQuantConv) x = p.conv("post_quant_conv", x, c.latentChannels, 1);
  x = middle(p, at / "mid_block", p.conv(at / "conv_in", x, c.blockOutChannels.back(), 3), c);
  const std::size_t levels = c.blockOutChannels.size();
  for (std::size_t i = 0; i < levels; ++i) {
    const std::string block = at / "up_blocks" / i;
    const std::int64_t out = c.blockOutChannels[levels - 1 - i];
    for (std::size_t j = 0; j <= static_cast<std::size_t>(c.layersPerBlock); ++j)
      x = resnet(p, block / "resnets" / j, x, {}, out);
    if (i + 1 < levels)
      x = p.conv(block / "upsamplers.0.conv",
                 p.enlarged(x, 2 * x.extent.height, 2 * x.extent.width),
                 out,
                 3);
  }
  return p.conv(at / "conv_out", p.norm(at / "conv_norm_out", x), c.outChannels, 3);
}

}  // namespace likeness::workspace
