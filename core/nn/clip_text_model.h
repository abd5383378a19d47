// CLIP's text encoder (transformers' CLIPTextModel, and CLIPTextModelWithProjection where the
// config has a projection).
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
  /// [N, tokens] int64 -> hidden state after the final layer norm, [N, tokens, hidden], of the last
  /// layer (clipSkip 1), of the one before (2), ...; clipSkip is at most the number of layers.
  /// Computes in `dtype`, by default that of the masters (layers.h). An id below 0 stands for row
  /// -1 - id of `learned` [n, hidden].
  at::Tensor forward(const at::Tensor& inputIds,
                     std::optional<at::ScalarType> dtype = {},
                     std::int64_t clipSkip = 1,
                     const at::Tensor& learned = {}) const;

  struct XlOutput {
    at::Tensor states;  ///< [N, tokens, hidden]
    at::Tensor pooled;  ///< [N, projectionDim]; undefined without projection
  };
  /// What SDXL reads: the state before the last `clipSkip` layers, without the final layer norm;
  /// and, with a projection, the projected final state of the first `endId` in each row (of its
  /// first token where there is none, as transformers). Without one the last layers do not run.
  XlOutput forwardXl(const at::Tensor& inputIds,
                     std::int64_t endId,
                     std::optional<at::ScalarType> dtype = {},
                     std::int64_t clipSkip = 1,
                     const at::Tensor& learned = {}) const;
  /// Whether forwardXl, at clipSkip 1, depends on the parameter or layer.
  static bool isReadByXl(const ClipTextConfig& config, std::string_view key);
  bool isReadByXl(std::string_view key) const { return isReadByXl(m_config, key); }
  const ClipTextConfig& config() const { return m_config; }

 private:
  at::Tensor embed(const at::Tensor& inputIds,
                   std::optional<at::ScalarType> dtype,
                   const at::Tensor& learned) const;

  ClipTextConfig m_config;
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

}  // namespace likeness::nn
