// CLIP's text encoder (transformers' CLIPTextModel), final layer norm included.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>

#include "core/nn/layers.h"
#include "core/weights/model_configs.h"

namespace likeness::nn {

using weights::ClipTextConfig;

class ClipTextModel {
 public:
  ClipTextModel(const Weights& weights, const ClipTextConfig& config);
  ~ClipTextModel();
  /// [N, tokens] int64 -> hidden state after the final layer norm, [N, tokens, hidden]: of the last
  /// layer (clipSkip 1), of the one before (2), ... Computes in `dtype`, by default that of the
  /// masters (layers.h). clipSkip is at most the number of layers.
  at::Tensor forward(const at::Tensor& inputIds,
                     std::optional<at::ScalarType> dtype = {},
                     std::int64_t clipSkip = 1) const;
  const ClipTextConfig& config() const { return m_config; }

 private:
  ClipTextConfig m_config;
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

}  // namespace likeness::nn
