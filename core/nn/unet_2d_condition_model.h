// UNet2DConditionModel of Stable Diffusion, any size: the config drives every dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/nn/layers.h"

namespace likeness::nn {

/// unet/config.json; defaults are diffusers' constructor defaults. attentionHeadDim is the NUMBER of heads (diffusers' naming).
struct UNet2DConditionConfig {
  std::int64_t sampleSize = 64, inChannels = 4, outChannels = 4, layersPerBlock = 2, normNumGroups = 32, crossAttentionDim = 1280;
  std::vector<std::int64_t> blockOutChannels = {320, 640, 1280, 1280}, attentionHeadDim = {8}, transformerLayersPerBlock = {1};
  std::vector<std::string> downBlockTypes = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"};
  std::vector<std::string> upBlockTypes = {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
  bool useLinearProjection = false, flipSinToCos = true;
  double freqShift = 0, normEps = 1e-5;
};

class UNet2DConditionModel {
 public:
  UNet2DConditionModel(const Weights& weights, const UNet2DConditionConfig& config);
  ~UNet2DConditionModel();
  /// sample [N, in, h, w], timesteps [N] (int64 or float), text [N, 77, crossAttentionDim] -> [N, out, h, w] in sample's dtype.
  at::Tensor forward(const at::Tensor& sample, const at::Tensor& timesteps, const at::Tensor& encoderHiddenStates) const;
  const UNet2DConditionConfig& config() const { return m_config; }

 private:
  UNet2DConditionConfig m_config;
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

}  // namespace likeness::nn
