// AutoencoderKL: encoder, decoder and their shared middle.
#include "core/nn/autoencoder_kl.h"

#include <ATen/ops/exp.h>

#include <optional>

#include "core/nn/resnet.h"

namespace likeness::nn {
// Named, not anonymous: the Parts below hold these types, and unity builds join files.
namespace vae {

constexpr double vaeEps = 1e-6;

/// One head over all pixels, with its own norm, biased projections and residual.
struct PixelAttention {
  GroupNorm groupNorm;
  Linear toQ, toK, toV, toOut;

  PixelAttention(const Weights& w, std::int64_t channels, std::int64_t groups)
      : groupNorm(w / "group_norm", groups, channels, vaeEps),
        toQ(w / "to_q", channels, channels),
        toK(w / "to_k", channels, channels),
        toV(w / "to_v", channels, channels),
        toOut(w / "to_out" / 0, channels, channels) {}

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor pixels = groupNorm(x).permute({0, 2, 3, 1});
    const at::Tensor tokens = pixels.flatten(1, 2);
    const at::Tensor attended =
        toOut(functions::attention(toQ(tokens), toK(tokens), toV(tokens), 1, false));
    return x + attended.view(pixels.sizes()).permute({0, 3, 1, 2});
  }
};

struct VaeMidBlock {
  ResnetBlock2D resnet0;
  std::optional<PixelAttention> attention;
  ResnetBlock2D resnet1;

  VaeMidBlock(const Weights& w, std::int64_t channels, const AutoencoderKLConfig& c)
      : resnet0(w / "resnets" / 0, channels, channels, 0, c.normNumGroups, vaeEps),
        resnet1(w / "resnets" / 1, channels, channels, 0, c.normNumGroups, vaeEps) {
    if (c.midBlockAddAttention) attention.emplace(w / "attentions" / 0, channels, c.normNumGroups);
  }

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor h = resnet0(x);
    return resnet1(attention ? (*attention)(h) : h);
  }
};

struct VaeLevel {
  std::vector<ResnetBlock2D> resnets;
  std::optional<Downsample2D> downsampler;
  std::optional<Upsample2D> upsampler;

  VaeLevel(const Weights& w,
           std::int64_t in,
           std::int64_t out,
           std::int64_t layers,
           std::int64_t groups) {
    for (std::int64_t i = 0; i < layers; ++i)
      resnets.emplace_back(w / "resnets" / i, i == 0 ? in : out, out, 0, groups, vaeEps);
  }

  at::Tensor operator()(at::Tensor x) const {
    for (const ResnetBlock2D& resnet : resnets) x = resnet(x);
    if (downsampler) x = (*downsampler)(x);
    if (upsampler) x = (*upsampler)(x, 2 * x.size(2), 2 * x.size(3));
    return x;
  }
};

struct Encoder {
  Conv2d convIn;
  std::vector<VaeLevel> downBlocks;
  VaeMidBlock midBlock;
  GroupNorm convNormOut;
  Conv2d convOut;

  Encoder(const Weights& w, const AutoencoderKLConfig& c)
      : convIn(w / "conv_in", c.inChannels, c.blockOutChannels[0], 3, 1, 1),
        midBlock(w / "mid_block", c.blockOutChannels.back(), c),
        convNormOut(w / "conv_norm_out", c.normNumGroups, c.blockOutChannels.back(), vaeEps),
        convOut(w / "conv_out", c.blockOutChannels.back(), 2 * c.latentChannels, 3, 1, 1) {
    for (std::size_t i = 0; i < c.blockOutChannels.size(); ++i) {
      const Weights block = w / "down_blocks" / static_cast<std::int64_t>(i);
      const std::int64_t out = c.blockOutChannels[i];
      downBlocks.emplace_back(
          block, c.blockOutChannels[i == 0 ? 0 : i - 1], out, c.layersPerBlock, c.normNumGroups);
      if (i + 1 < c.blockOutChannels.size())
        downBlocks.back().downsampler.emplace(block / "downsamplers" / 0, out, false);
    }
  }

  at::Tensor operator()(const at::Tensor& pixels) const {
    at::Tensor x = convIn(pixels);
    for (const VaeLevel& block : downBlocks) x = block(x);
    return convOut(convNormOut.thenSilu(midBlock(x)));
  }
};

struct Decoder {
  Conv2d convIn;
  VaeMidBlock midBlock;
  std::vector<VaeLevel> upBlocks;
  GroupNorm convNormOut;
  Conv2d convOut;

  Decoder(const Weights& w, const AutoencoderKLConfig& c)
      : convIn(w / "conv_in", c.latentChannels, c.blockOutChannels.back(), 3, 1, 1),
        midBlock(w / "mid_block", c.blockOutChannels.back(), c),
        convNormOut(w / "conv_norm_out", c.normNumGroups, c.blockOutChannels[0], vaeEps),
        convOut(w / "conv_out", c.blockOutChannels[0], c.outChannels, 3, 1, 1) {
    const std::size_t levels = c.blockOutChannels.size();
    for (std::size_t i = 0; i < levels; ++i) {
      const Weights block = w / "up_blocks" / static_cast<std::int64_t>(i);
      const std::int64_t out = c.blockOutChannels[levels - 1 - i];
      upBlocks.emplace_back(block,
                            c.blockOutChannels[i == 0 ? levels - 1 : levels - i],
                            out,
                            c.layersPerBlock + 1,
                            c.normNumGroups);
      if (i + 1 < levels) upBlocks.back().upsampler.emplace(block / "upsamplers" / 0, out);
    }
  }

  at::Tensor operator()(const at::Tensor& latents) const {
    at::Tensor x = midBlock(convIn(latents));
    for (const VaeLevel& block : upBlocks) x = block(x);
    return convOut(convNormOut.thenSilu(x));
  }
};

}  // namespace vae

struct AutoencoderKL::Parts {
  vae::Encoder encoder;
  vae::Decoder decoder;
  std::optional<Conv2d> quantConv, postQuantConv;

  Parts(const Weights& w, const AutoencoderKLConfig& c)
      : encoder(w / "encoder", c), decoder(w / "decoder", c) {
    if (c.useQuantConv)
      quantConv.emplace(w / "quant_conv", 2 * c.latentChannels, 2 * c.latentChannels, 1);
    if (c.usePostQuantConv)
      postQuantConv.emplace(w / "post_quant_conv", c.latentChannels, c.latentChannels, 1);
  }
};

AutoencoderKL::AutoencoderKL(const Weights& weights, const AutoencoderKLConfig& config)
    : m_config(config), m_parts(std::make_unique<const Parts>(weights, config)) {}
AutoencoderKL::~AutoencoderKL() = default;

Posterior AutoencoderKL::encode(const at::Tensor& pixels) const {
  at::Tensor moments = m_parts->encoder(pixels);
  if (m_parts->quantConv) moments = (*m_parts->quantConv)(moments);
  const auto parts = moments.chunk(2, 1);
  return {parts[0], parts[1].clamp(-30, 20).mul(0.5).exp()};
}

at::Tensor AutoencoderKL::decode(const at::Tensor& latents) const {
  at::Tensor x = latents / m_config.scalingFactor;
  if (m_parts->postQuantConv) x = (*m_parts->postQuantConv)(x);
  return m_parts->decoder(x);
}

}  // namespace likeness::nn
