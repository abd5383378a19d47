// Networks that judge pictures: CLIP (transformers' CLIPModel, CLIPVisionModelWithProjection) and
// DINO's vision transformers (ViTModel). They are given by the user, and trained by nobody here.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/api/image.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::nn {

/// config.json of a vision transformer, as far as it is computed.
struct VisionConfig {
  std::int64_t imageSize = 224, patchSize = 16;  ///< pixels
  std::int64_t hiddenSize = 768, intermediateSize = 3072, numHiddenLayers = 12,
               numAttentionHeads = 12;
  std::string hiddenAct = "gelu";  ///< or quick_gelu
  double layerNormEps = 1e-12;
  bool clip = false;               ///< a norm before the layers, no bias of the patches
  std::int64_t projectionDim = 0;  ///< of CLIP; 0 = without
};

/// A transformer over patches; keys are those of CLIPVisionModelWithProjection.
class VisionModel {
 public:
  VisionModel(const Weights& weights, const VisionConfig& config);
  ~VisionModel();
  /// pixels [N, 3, imageSize, imageSize], normalized -> [N, D]: the class token after the last
  /// norm, projected where there is a projection.
  at::Tensor forward(const at::Tensor& pixels) const;

 private:
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

/// What a folder of such a model says of pictures, and CLIP of prompts, as points on the unit
/// sphere: the likeness of two is their product. fp32, without gradients.
class VisionTower {
 public:
  /// `folder` in Hugging Face's form: config.json, model.safetensors or pytorch_model.bin, and for
  /// prompts CLIP's vocabulary. Errors: FileNotFound, FileUnreadable, BadModelFile,
  /// UnsupportedModel (another kind of model, named), ModelMismatch, BadTokenizer.
  static api::Result<VisionTower> open(const std::filesystem::path& folder, at::Device device);

  bool isClip() const { return m_config.clip; }
  /// The network alone, VisionModel::forward.
  at::Tensor forward(const at::Tensor& pixels) const { return m_vision->forward(pixels); }
  /// [1, D]. The picture's middle square at the size of the network; for DINO the middle 7/8 of it,
  /// as is usual (256 px, cut to 224).
  at::Tensor embed(const api::Image& picture) const;
  /// [1, D]; undefined where the folder holds no text encoder.
  at::Tensor embed(const std::string& prompt) const;

 private:
  VisionConfig m_config;
  std::shared_ptr<ParameterStore> m_store;
  std::shared_ptr<const VisionModel> m_vision;
  std::shared_ptr<const ClipTextModel> m_text;  ///< null without
  text::ClipTokenizer m_tokenizer;
};

}  // namespace likeness::nn
