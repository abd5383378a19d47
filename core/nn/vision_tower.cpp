#include "core/nn/vision_tower.h"

#include <ATen/TensorIndexing.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>

#include "core/image/photo.h"
#include "core/nn/clip_encoder_layer.h"
#include "core/tensor/pixels.h"
#include "core/weights/config_reader.h"

namespace likeness::nn {
namespace fs = std::filesystem;

// Named, not anonymous: unity builds join files.
namespace vision {

/// Means and deviations of colours, 0..1, that pictures are normalized by.
struct Colours {
  std::array<float, 3> mean, std;
};
constexpr Colours kClip{{0.48145466F, 0.4578275F, 0.40821073F},
                        {0.26862954F, 0.26130258F, 0.27577711F}};
constexpr Colours kImageNet{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

/// CLIP's key of one of ViTModel's, empty for what is not computed.
std::string clipKey(std::string key) {
  const auto begins = [&](std::string_view prefix, std::string_view with) {
    if (!key.starts_with(prefix)) return false;
    key.replace(0, prefix.size(), with);
    return true;
  };
  const auto inside = [&](std::string_view part, std::string_view with) {
    if (const auto at = key.find(part); at != std::string::npos) key.replace(at, part.size(), with);
  };
  begins("vit.", "");
  if (begins("embeddings.cls_token", "embeddings.class_embedding") ||
      begins("embeddings.position_embeddings", "embeddings.position_embedding.weight") ||
      begins("embeddings.patch_embeddings.projection", "embeddings.patch_embedding") ||
      begins("layernorm.", "post_layernorm."))
    return "vision_model." + key;
  if (!begins("encoder.layer.", "encoder.layers.")) return {};
  inside(".attention.attention.query.", ".self_attn.q_proj.");
  inside(".attention.attention.key.", ".self_attn.k_proj.");
  inside(".attention.attention.value.", ".self_attn.v_proj.");
  inside(".attention.output.dense.", ".self_attn.out_proj.");
  inside(".intermediate.dense.", ".mlp.fc1.");
  inside(".output.dense.", ".mlp.fc2.");
  inside(".layernorm_before.", ".layer_norm1.");
  inside(".layernorm_after.", ".layer_norm2.");
  return "vision_model." + key;
}

void read(weights::ConfigReader& in, VisionConfig& c) {
  in.integer("image_size", c.imageSize, 8, 4096);
  in.integer("patch_size", c.patchSize, 1, 512);
  in.integer("hidden_size", c.hiddenSize);
  in.integer("intermediate_size", c.intermediateSize);
  in.integer("num_hidden_layers", c.numHiddenLayers, 1, 256);
  in.integer("num_attention_heads", c.numAttentionHeads);
  in.text("hidden_act", c.hiddenAct, {"quick_gelu", "gelu"});
  in.number("layer_norm_eps", c.layerNormEps);
  in.fixed("num_channels", 3);
  if (c.hiddenSize % c.numAttentionHeads != 0)
    in.refuse("\"hidden_size\" is not a multiple of \"num_attention_heads\"");
  if (c.imageSize % c.patchSize != 0)
    in.refuse("\"image_size\" is not a multiple of \"patch_size\"");
}

struct Configs {
  VisionConfig vision;
  std::optional<ClipTextConfig> text;
};

api::Result<Configs> readConfigs(const fs::path& folder) {
  auto opened = weights::ConfigReader::open(folder / "config.json");
  if (!opened) return api::fail(opened.error());
  weights::ConfigReader& in = *opened;
  Configs c;
  std::string kind = "vit";
  in.text("model_type", kind, {"vit", "clip", "clip_vision_model"});
  if (kind == "vit") {
    read(in, c.vision);
    in.fixed("qkv_bias", true);
    return in.finish(c);
  }
  c.vision = {224, 32, 768, 3072, 12, 12, "quick_gelu", 1e-5, true, 512};
  in.integer("projection_dim", c.vision.projectionDim);
  if (kind == "clip_vision_model") {
    read(in, c.vision);
    return in.finish(c);
  }
  weights::ConfigReader vision = in.section("vision_config"), text = in.section("text_config");
  read(vision, c.vision);
  c.text = weights::clipTextConfig(text);
  c.text->projectionDim = c.vision.projectionDim;
  for (const auto* section : {&vision, &text})
    if (auto fine = section->finish(c); !fine) return fine;
  return in.finish(c);
}

fs::path weightsIn(const fs::path& folder) {
  std::error_code error;
  const fs::path file = folder / "model.safetensors", pickle = folder / "pytorch_model.bin";
  return !fs::exists(file, error) && fs::exists(pickle, error) ? pickle : file;
}

at::Tensor onSphere(const at::Tensor& rows) { return rows / rows.norm(2, {1}, true); }

}  // namespace vision

struct VisionModel::Parts {
  VisionConfig config;
  at::Tensor classEmbedding, patchWeight, patchBias, positions;
  std::optional<LayerNorm> preNorm;
  std::vector<ClipEncoderLayer> layers;
  LayerNorm postNorm;
  std::optional<Linear> projection;

  Parts(const Weights& root, const Weights& w, const VisionConfig& c)
      : config(c), postNorm(w / "post_layernorm", c.hiddenSize, c.layerNormEps) {
    const Weights embeddings = w / "embeddings", patch = embeddings / "patch_embedding";
    const std::int64_t patches = (c.imageSize / c.patchSize) * (c.imageSize / c.patchSize);
    classEmbedding = embeddings.tensor("class_embedding", {c.hiddenSize});
    patchWeight = patch.tensor("weight", {c.hiddenSize, 3, c.patchSize, c.patchSize});
    if (!c.clip) patchBias = patch.tensor("bias", {c.hiddenSize});
    positions = (embeddings / "position_embedding").tensor("weight", {patches + 1, c.hiddenSize});
    // Misspelt by its authors, and so in every file.
    if (c.clip) preNorm.emplace(w / "pre_layrnorm", c.hiddenSize, c.layerNormEps);
    for (std::int64_t i = 0; i < c.numHiddenLayers; ++i)
      layers.emplace_back(w / "encoder" / "layers" / i, c, false);
    if (c.projectionDim > 0)
      projection.emplace(root / "visual_projection", c.hiddenSize, c.projectionDim, false);
  }
};

VisionModel::VisionModel(const Weights& weights, const VisionConfig& config)
    : m_parts(std::make_unique<const Parts>(weights, weights / "vision_model", config)) {}
VisionModel::~VisionModel() = default;

at::Tensor VisionModel::forward(const at::Tensor& pixels) const {
  const Parts& p = *m_parts;
  const std::int64_t side = p.config.patchSize;
  const at::Tensor patches =
      at::conv2d(pixels, p.patchWeight, p.patchBias, {side, side}).flatten(2).transpose(1, 2);
  at::Tensor x = at::cat({p.classEmbedding.expand({pixels.size(0), 1, -1}), patches}, 1);
  x = x + p.positions;
  if (p.preNorm) x = (*p.preNorm)(x);
  for (const ClipEncoderLayer& layer : p.layers) x = layer(x);
  x = p.postNorm(x.select(1, 0).contiguous());
  return p.projection ? (*p.projection)(x) : x;
}

api::Result<VisionTower> VisionTower::open(const fs::path& folder, at::Device device) {
  const auto configs = vision::readConfigs(folder);
  if (!configs) return api::fail(configs.error());
  const fs::path file = vision::weightsIn(folder);
  auto tensors = tensor::loadSafetensors(file, at::kFloat);
  if (!tensors) return api::fail(tensors.error());
  tensor::StateDict own;
  for (auto& [key, value] : *tensors) {
    if (configs->vision.clip) {
      // Kept by older files, and said by the shapes.
      if (!key.ends_with("position_ids") && key != "logit_scale") own.emplace(key, value);
    } else if (std::string name = vision::clipKey(key); !name.empty()) {
      // [1, 1, D] and [1, tokens, D] there.
      while (value.dim() > 1 && value.size(0) == 1) value = value.squeeze(0);
      own.emplace(std::move(name), value);
    }
  }
  VisionTower tower;
  tower.m_config = configs->vision;
  tower.m_store =
      std::make_shared<ParameterStore>(std::move(own), at::kFloat, device, file.string());
  tower.m_vision = std::make_shared<const VisionModel>(Weights(*tower.m_store), configs->vision);
  if (configs->text) {
    tower.m_text = std::make_shared<const ClipTextModel>(Weights(*tower.m_store), *configs->text);
    auto tokenizer = text::ClipTokenizer::load(folder);
    if (!tokenizer) return api::fail(tokenizer.error());
    tower.m_tokenizer = std::move(*tokenizer);
  }
  if (auto complete = tower.m_store->finish(); !complete) return api::fail(complete.error());
  return tower;
}

at::Tensor VisionTower::embed(const api::Image& picture) const {
  const at::NoGradGuard noGradients;
  const auto& colours = m_config.clip ? vision::kClip : vision::kImageNet;
  const int side = static_cast<int>(m_config.imageSize);
  image::PixelRect cut = image::cutOf(picture, {}, side, side);
  if (!m_config.clip)
    cut = {cut.x + cut.width / 16, cut.y + cut.height / 16, cut.width * 7 / 8, cut.height * 7 / 8};
  const api::Image square = image::resizeCut(picture, cut, side, side);
  const auto row = [](const std::array<float, 3>& values) {
    return at::tensor(std::vector<float>(values.begin(), values.end())).view({1, 3, 1, 1});
  };
  const at::Tensor pixels =
      ((tensor::toTensor(square) + 1) / 2 - row(colours.mean)) / row(colours.std);
  return vision::onSphere(m_vision->forward(pixels.to(m_store->device())));
}

at::Tensor VisionTower::embed(const std::string& prompt) const {
  if (!m_text) return {};
  const at::NoGradGuard noGradients;
  const auto length = static_cast<std::size_t>(m_text->config().maxPositionEmbeddings);
  const at::Tensor ids =
      at::tensor(m_tokenizer.encodePadded(prompt, length)).unsqueeze(0).to(m_store->device());
  return vision::onSphere(m_text->forwardXl(ids, m_tokenizer.endId()).pooled);
}

}  // namespace likeness::nn
