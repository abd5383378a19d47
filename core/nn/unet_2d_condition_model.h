// UNet2DConditionModel of Stable Diffusion, any size: the config drives every dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "core/nn/attention.h"

namespace likeness::nn {

/// unet/config.json; defaults are diffusers' constructor defaults. attentionHeadDim is the NUMBER
/// of heads (diffusers' naming). The three lists of counts hold one value for every block, or a
/// single one for all.
struct UNet2DConditionConfig {
  std::int64_t sampleSize = 64, inChannels = 4, outChannels = 4, normNumGroups = 32,
               crossAttentionDim = 1280;
  std::vector<std::int64_t> blockOutChannels = {320, 640, 1280, 1280}, layersPerBlock = {2},
                            attentionHeadDim = {8}, transformerLayersPerBlock = {1};
  std::vector<std::string> downBlockTypes = {
      "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"};
  std::vector<std::string> upBlockTypes = {
      "UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
  bool useLinearProjection = false, flipSinToCos = true;
  double freqShift = 0, normEps = 1e-5;
};

class UNet2DConditionModel {
 public:
  UNet2DConditionModel(const Weights& weights, const UNet2DConditionConfig& config);
  ~UNet2DConditionModel();
  /// sample [N, in, h, w], timesteps [N] (int64 or float), text [N, tokens, crossAttentionDim] ->
  /// [N, out, h, w]. Computes in sample's dtype (layers.h) and returns it; the text is converted.
  at::Tensor forward(const at::Tensor& sample,
                     const at::Tensor& timesteps,
                     const TextContext& text) const;
  const UNet2DConditionConfig& config() const { return m_config; }

 private:
  UNet2DConditionConfig m_config;
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

}  // namespace likeness::nn
