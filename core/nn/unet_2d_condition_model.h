// UNet2DConditionModel of Stable Diffusion, any size: the config drives every dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "core/nn/attention.h"
#include "core/weights/model_configs.h"

namespace likeness::nn {

using weights::UNet2DConditionConfig;

class UNet2DConditionModel {
 public:
  UNet2DConditionModel(const Weights& weights, const UNet2DConditionConfig& config);
  ~UNet2DConditionModel();
  /// sample [N, in, h, w], timesteps [N] (int64 or float), text [N, tokens, crossAttentionDim],
  /// with pooled text and sizes where the config has addedInputDim -> [N, out, h, w]. Computes in
  /// sample's dtype (layers.h) and returns it; the text is converted.
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
