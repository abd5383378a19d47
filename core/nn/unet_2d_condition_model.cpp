// UNet2DConditionModel: down, across, up, with skips; the blocks stand in the order in which a
// picture passes them.
#include "core/nn/unet_2d_condition_model.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>

#include <optional>

#include "core/nn/resnet.h"
#include "core/weights/network_tensors.h"

namespace likeness::nn {
// Named, not anonymous: the Parts below hold these types, and unity builds join files.
namespace unet {

/// Two linear layers with a SiLU between: sinusoids -> what every resnet is told about the time.
struct TimestepEmbedding {
  Linear linear1, linear2;
  TimestepEmbedding(const Weights& w, std::int64_t in, std::int64_t out)
      : linear1(w / "linear_1", in, out), linear2(w / "linear_2", out, out) {}
  at::Tensor operator()(const at::Tensor& sinusoids) const {
    return linear2(at::silu(linear1(sinusoids)));
  }
};

/// What the blocks of one level share.
struct LevelConfig {
  std::int64_t layers, timeChannels;
  std::optional<Transformer2DModel::Config> attention;  ///< absent in DownBlock2D and UpBlock2D
  std::int64_t groups;
  double eps;
};

struct DownBlock2D {
  std::vector<ResnetBlock2D> resnets;
  std::vector<Transformer2DModel> attentions;
  std::optional<Downsample2D> downsampler;

  DownBlock2D(
      const Weights& w, std::int64_t in, std::int64_t out, bool last, const LevelConfig& c) {
    for (std::int64_t i = 0; i < c.layers; ++i) {
      resnets.emplace_back(
          w / "resnets" / i, i == 0 ? in : out, out, c.timeChannels, c.groups, c.eps);
      if (c.attention) attentions.emplace_back(w / "attentions" / i, *c.attention);
    }
    if (!last) downsampler.emplace(w / "downsamplers" / 0, out, true);
  }

  /// Appends every intermediate state to `skips`.
  at::Tensor operator()(at::Tensor x,
                        const at::Tensor& time,
                        const TextContext& text,
                        std::vector<at::Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets.size(); ++i) {
      x = resnets[i](x, time);
      if (!attentions.empty()) x = attentions[i](x, text);
      skips.push_back(x);
    }
    if (downsampler) skips.push_back(x = (*downsampler)(x));
    return x;
  }
};

struct MidBlock2D {
  ResnetBlock2D resnet0;
  Transformer2DModel attention;
  ResnetBlock2D resnet1;

  MidBlock2D(const Weights& w, std::int64_t channels, const LevelConfig& c)
      : resnet0(w / "resnets" / 0, channels, channels, c.timeChannels, c.groups, c.eps),
        attention(w / "attentions" / 0, *c.attention),
        resnet1(w / "resnets" / 1, channels, channels, c.timeChannels, c.groups, c.eps) {}

  at::Tensor operator()(const at::Tensor& x,
                        const at::Tensor& time,
                        const TextContext& text) const {
    return resnet1(attention(resnet0(x, time), text), time);
  }
};

struct UpBlock2D {
  std::vector<ResnetBlock2D> resnets;
  std::vector<Transformer2DModel> attentions;
  std::optional<Upsample2D> upsampler;

  /// `before`: channels that arrive; `below`: channels of the next finer level, whose last skip has
  /// its width.
  UpBlock2D(const Weights& w,
            std::int64_t before,
            std::int64_t out,
            std::int64_t below,
            bool last,
            const LevelConfig& c) {
    for (std::int64_t i = 0; i < c.layers; ++i) {
      const std::int64_t skip = i == c.layers - 1 ? below : out;
      resnets.emplace_back(
          w / "resnets" / i, (i == 0 ? before : out) + skip, out, c.timeChannels, c.groups, c.eps);
      if (c.attention) attentions.emplace_back(w / "attentions" / i, *c.attention);
    }
    if (!last) upsampler.emplace(w / "upsamplers" / 0, out);
  }

  at::Tensor operator()(at::Tensor x,
                        const at::Tensor& time,
                        const TextContext& text,
                        std::vector<at::Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets.size(); ++i) {
      x = resnets[i](at::cat({x, skips.back()}, 1), time);
      skips.pop_back();
      if (!attentions.empty()) x = attentions[i](x, text);
    }
    if (upsampler) x = (*upsampler)(x, skips.back().size(2), skips.back().size(3));
    return x;
  }
};

LevelConfig levelConfig(const UNet2DConditionConfig& c, std::size_t level, bool attention) {
  LevelConfig config{weights::ofBlock(c.layersPerBlock, level),
                     4 * c.blockOutChannels[0],
                     {},
                     c.normNumGroups,
                     c.normEps};
  if (attention)
    config.attention =
        Transformer2DModel::Config{c.blockOutChannels[level],
                                   weights::ofBlock(c.attentionHeadDim, level),
                                   weights::ofBlock(c.transformerLayersPerBlock, level),
                                   c.crossAttentionDim,
                                   c.normNumGroups,
                                   c.useLinearProjection};
  return config;
}

}  // namespace unet

struct UNet2DConditionModel::Parts {
  Conv2d convIn;
  unet::TimestepEmbedding timeEmbedding;
  std::optional<unet::TimestepEmbedding> addEmbedding;  ///< of SDXL's pooled text and sizes
  std::vector<unet::DownBlock2D> downBlocks;
  unet::MidBlock2D midBlock;
  std::vector<unet::UpBlock2D> upBlocks;
  GroupNorm convNormOut;
  Conv2d convOut;

  Parts(const Weights& w, const UNet2DConditionConfig& c)
      : convIn(w / "conv_in", c.inChannels, c.blockOutChannels[0], 3, 1, 1),
        timeEmbedding(w / "time_embedding", c.blockOutChannels[0], 4 * c.blockOutChannels[0]),
        midBlock(w / "mid_block",
                 c.blockOutChannels.back(),
                 unet::levelConfig(c, c.blockOutChannels.size() - 1, true)),
        convNormOut(w / "conv_norm_out", c.normNumGroups, c.blockOutChannels[0], c.normEps),
        convOut(w / "conv_out", c.blockOutChannels[0], c.outChannels, 3, 1, 1) {
    const auto& channels = c.blockOutChannels;
    const std::size_t levels = channels.size();
    if (c.addedInputDim > 0)
      addEmbedding.emplace(w / "add_embedding", c.addedInputDim, 4 * c.blockOutChannels[0]);
    for (std::size_t i = 0; i < levels; ++i) {
      const bool attention = c.downBlockTypes[i] == "CrossAttnDownBlock2D";
      downBlocks.emplace_back(w / "down_blocks" / static_cast<std::int64_t>(i),
                              channels[i == 0 ? 0 : i - 1],
                              channels[i],
                              i == levels - 1,
                              unet::levelConfig(c, i, attention));
    }
    for (std::size_t i = 0; i < levels; ++i) {
      const std::size_t level = levels - 1 - i;
      unet::LevelConfig config =
          unet::levelConfig(c, level, c.upBlockTypes[i] == "CrossAttnUpBlock2D");
      config.layers += 1;
      upBlocks.emplace_back(w / "up_blocks" / static_cast<std::int64_t>(i),
                            channels[i == 0 ? level : level + 1],
                            channels[level],
                            channels[level == 0 ? 0 : level - 1],
                            level == 0,
                            config);
    }
  }
};

UNet2DConditionModel::UNet2DConditionModel(const Weights& weights,
                                           const UNet2DConditionConfig& config)
    : m_config(config), m_parts(std::make_unique<const Parts>(weights, config)) {}
UNet2DConditionModel::~UNet2DConditionModel() = default;

at::Tensor UNet2DConditionModel::forward(const at::Tensor& sample,
                                         const at::Tensor& timesteps,
                                         const TextContext& text) const {
  const Parts& parts = *m_parts;
  const auto dtype = sample.scalar_type();
  const TextContext context = text.as(dtype);
  const auto sinusoids = [&](const at::Tensor& numbers, std::int64_t size) {
    return timestepEmbedding(numbers, size, m_config.flipSinToCos, m_config.freqShift).to(dtype);
  };
  at::Tensor embedding = parts.timeEmbedding(sinusoids(timesteps, m_config.blockOutChannels[0]));
  if (parts.addEmbedding) {
    const auto& [states, pooled, ids] = context.conditioning();
    const at::Tensor sizes = sinusoids(ids.flatten(), m_config.addedTimeDim);
    embedding =
        embedding + (*parts.addEmbedding)(at::cat({pooled, sizes.view({ids.size(0), -1})}, 1));
  }
  // Every resnet begins with the SiLU of the embedding, so it is taken once.
  const at::Tensor time = at::silu(embedding);

  at::Tensor x = parts.convIn(sample);
  std::vector<at::Tensor> skips{x};
  for (const unet::DownBlock2D& block : parts.downBlocks) x = block(x, time, context, skips);
  x = parts.midBlock(x, time, context);
  for (const unet::UpBlock2D& block : parts.upBlocks) x = block(x, time, context, skips);
  return parts.convOut(parts.convNormOut.thenSilu(x));
}

}  // namespace likeness::nn
