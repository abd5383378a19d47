// A model in one file: names first, then shapes, then what the metadata says.
#include "core/weights/single_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/weights/pickle_copy.h"

namespace likeness::weights {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view unetPrefix = "model.diffusion_model.";
constexpr std::string_view vaePrefix = "first_stage_model.";
// Limits of what is looked for, so that no header can ask for a giant network.
constexpr std::size_t maxRows = 200, maxDepth = 64, maxLevels = 16, maxTextLayers = 256;

constexpr std::array<std::string_view, 8> uselessStarts{
    "model_ema.",
    "first_stage_model.loss.",
    "first_stage_model.model_ema.",
    "cond_stage_model.model.visual.",
    "cond_stage_model.transformer.vision_model.",
    "safety_checker.",
    "posterior_",
    "edm_",
};
constexpr std::array<std::string_view, 3> uselessEnds{
    ".position_ids", ".logit_scale", ".attn_mask"};
/// Tables of the noise schedule and counters of training.
constexpr std::array<std::string_view, 17> useless{
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "lvlb_weights",
    "logvar",
    "scale_factor",
    "global_step",
    "epoch",
    "v_pred",
    "ztsnr",
    "denoiser.sigmas",
    "conditioner.embedders.0.transformer.text_projection.weight",
};

/// One spelling for names that occur in several; empty for what no network needs.
std::string canonical(const std::string& name) {
  const auto starts = [&](std::string_view text) { return name.starts_with(text); };
  const auto ends = [&](std::string_view text) { return name.ends_with(text); };
  if (std::ranges::any_of(uselessStarts, starts) || std::ranges::any_of(uselessEnds, ends) ||
      std::ranges::find(useless, name) != useless.end())
    return {};
  if (starts("vae.")) return std::string(vaePrefix) + name.substr(4);
  for (const std::string_view prefix : {std::string_view("cond_stage_model.transformer."),
                                        std::string_view("conditioner.embedders.0.transformer.")}) {
    if (!starts(prefix)) continue;
    const std::string rest = name.substr(prefix.size());
    for (const char* part : {"embeddings.", "encoder.", "final_layer_norm."})
      if (rest.starts_with(part)) return std::string(prefix) + "text_model." + rest;
  }
  return name;
}

/// Reads the measures of networks off a pool of names.
class Surveyor {
 public:
  explicit Surveyor(const TensorPool& pool) : m_pool(pool) {}

  /// Empty when the blocks do not look like a UNet of this kind.
  std::optional<UNet2DConditionConfig> unet() const;
  AutoencoderKLConfig vae() const;
  ClipTextConfig text(const std::string& prefix, TextNames names) const;

 private:
  bool has(const std::string& name) const { return m_pool.has(name); }
  std::int64_t size(const std::string& name, std::size_t dimension) const {
    const Shape shape = m_pool.shape(name);
    return dimension < shape.size() ? shape[dimension] : 0;
  }
  /// How many of PREFIX0SUFFIX, PREFIX1SUFFIX, ... there are.
  std::size_t count(const std::string& prefix, const std::string& suffix, std::size_t limit) const {
    std::size_t n = 0;
    while (n < limit && has(prefix + std::to_string(n) + suffix)) ++n;
    return n;
  }

  const TensorPool& m_pool;
};

std::optional<UNet2DConditionConfig> Surveyor::unet() const {
  const std::string root(unetPrefix);
  UNet2DConditionConfig c;
  c.blockOutChannels.clear();
  c.layersPerBlock.clear();
  c.transformerLayersPerBlock.clear();
  c.downBlockTypes.clear();
  c.inChannels = size(root + "input_blocks.0.0.weight", 1);
  c.outChannels = std::max<std::int64_t>(1, size(root + "out.2.weight", 0));
  c.addedInputDim = size(root + "label_emb.0.0.weight", 1);
  std::string attention;  // any one of them
  std::int64_t channels = 0, layers = 0, depth = 0;
  const auto endLevel = [&] {
    c.blockOutChannels.push_back(channels);
    c.layersPerBlock.push_back(layers);
    c.transformerLayersPerBlock.push_back(std::max<std::int64_t>(1, depth));
    c.downBlockTypes.emplace_back(depth > 0 ? "CrossAttnDownBlock2D" : "DownBlock2D");
    layers = depth = 0;
  };
  const auto depthOf = [&](const std::string& block) {
    return static_cast<std::int64_t>(
        count(block + ".transformer_blocks.", ".norm1.weight", maxDepth));
  };
  for (std::size_t row = 1; row < maxRows; ++row) {
    const std::string block = root + "input_blocks." + std::to_string(row);
    if (has(block + ".0.op.weight")) {
      if (layers == 0) return {};
      endLevel();
    } else if (has(block + ".0.in_layers.2.weight")) {
      channels = size(block + ".0.in_layers.2.weight", 0);
      if (const std::int64_t found = depthOf(block + ".1"); found > 0) {
        depth = found;
        attention = block + ".1";
      }
      ++layers;
    } else {
      break;
    }
  }
  if (layers > 0) endLevel();
  const std::size_t levels = c.blockOutChannels.size();
  if (levels == 0 || levels > maxLevels || attention.empty() || c.inChannels < 1) return {};
  for (const std::int64_t width : c.blockOutChannels)
    if (width < 1 || width % c.normNumGroups != 0 || width > 1 << 20) return {};
  // The middle has the last level's width, and a depth of its own where that level has none.
  if (c.downBlockTypes.back() == "DownBlock2D")
    c.transformerLayersPerBlock.back() =
        std::max<std::int64_t>(1, depthOf(root + "middle_block.1"));
  c.upBlockTypes.clear();
  for (std::size_t i = 0; i < levels; ++i)
    c.upBlockTypes.emplace_back(
        c.downBlockTypes[levels - 1 - i] == "DownBlock2D" ? "UpBlock2D" : "CrossAttnUpBlock2D");
  c.crossAttentionDim = size(attention + ".transformer_blocks.0.attn2.to_k.weight", 1);
  c.useLinearProjection = m_pool.shape(attention + ".proj_in.weight").size() == 2;
  if (c.crossAttentionDim < 1) return {};
  // Stable Diffusion 1 has 8 heads everywhere, its successors heads of 64 channels.
  if (c.useLinearProjection) {
    c.attentionHeadDim.clear();
    for (const std::int64_t width : c.blockOutChannels)
      c.attentionHeadDim.push_back(std::max<std::int64_t>(1, width / 64));
  }
  for (auto* list : {&c.layersPerBlock, &c.transformerLayersPerBlock, &c.attentionHeadDim})
    if (std::ranges::count(*list, list->front()) == static_cast<std::ptrdiff_t>(list->size()))
      list->resize(1);
  return c;
}

AutoencoderKLConfig Surveyor::vae() const {
  const std::string root(vaePrefix), down = root + "encoder.down.";
  AutoencoderKLConfig c;
  c.blockOutChannels.clear();
  for (std::size_t i = 0; i < maxLevels; ++i) {
    const std::int64_t width = size(down + std::to_string(i) + ".block.0.conv1.weight", 0);
    if (width < 1) break;
    c.blockOutChannels.push_back(width);
  }
  // Without an autoencoder, every tensor of the usual one is missing.
  if (c.blockOutChannels.empty()) c.blockOutChannels = {128, 256, 512, 512};
  c.layersPerBlock = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(count(down + "0.block.", ".conv1.weight", maxDepth)));
  if (!has(down + "0.block.0.conv1.weight")) c.layersPerBlock = 2;
  if (const auto width = size(root + "decoder.conv_in.weight", 1); width > 0)
    c.latentChannels = width;
  c.useQuantConv = c.usePostQuantConv = c.latentChannels == 4;
  return c;
}

ClipTextConfig Surveyor::text(const std::string& prefix, TextNames names) const {
  const bool open = names == TextNames::OpenClip;
  const std::string tokens = open ? "token_embedding.weight"
                                  : "text_model.embeddings.token_embedding.weight",
                    positions = open ? "positional_embedding"
                                     : "text_model.embeddings.position_embedding.weight",
                    layer = open ? "transformer.resblocks." : "text_model.encoder.layers.",
                    norm = open ? ".ln_1.weight" : ".layer_norm1.weight",
                    wide = open ? "mlp.c_fc.weight" : "mlp.fc1.weight";
  ClipTextConfig c;
  c.hiddenAct = open ? "gelu" : "quick_gelu";
  c.hiddenSize = open ? 1024 : 768;
  c.numHiddenLayers = open ? 23 : 12;
  c.intermediateSize = 4 * c.hiddenSize;
  const auto take = [&](const std::string& name, std::size_t dimension, std::int64_t& value) {
    if (const std::int64_t found = size(prefix + name, dimension); found > 0) value = found;
  };
  take(tokens, 0, c.vocabSize);
  take(tokens, 1, c.hiddenSize);
  take(positions, 0, c.maxPositionEmbeddings);
  take(layer + "0." + wide, 0, c.intermediateSize);
  if (const auto layers = count(prefix + layer, norm, maxTextLayers); layers > 0)
    c.numHiddenLayers = static_cast<std::int64_t>(layers);
  c.numAttentionHeads = std::max<std::int64_t>(1, c.hiddenSize / 64);
  return c;
}

/// Standard deviation of a tensor's values; empty for types that are not decoded here.
std::optional<double> deviation(const StoredTensor& tensor) {
  const std::size_t bytes = tensor.info.end - tensor.info.begin;
  if (bytes == 0 || bytes > 1 << 16) return {};
  std::vector<std::byte> data(bytes);
  if (!tensor.read(data)) return {};
  const std::size_t width = bits(tensor.info.dtype) / 8;
  double sum = 0, squares = 0;
  for (std::size_t at = 0; at < bytes; at += width) {
    double value = 0;
    if (tensor.info.dtype == ScalarType::F16) {
      std::uint16_t raw = 0;
      std::memcpy(&raw, &data[at], 2);
      const int exponent = raw >> 10 & 31, fraction = raw & 1023;
      value = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
      if (raw & 0x8000) value = -value;
    } else if (tensor.info.dtype == ScalarType::BF16 || tensor.info.dtype == ScalarType::F32) {
      std::uint32_t raw = 0;  // a bf16 is the upper half of an fp32
      std::memcpy(reinterpret_cast<std::byte*>(&raw) + (4 - width), &data[at], width);
      float single = 0;
      std::memcpy(&single, &raw, 4);
      value = single;
    } else {
      return {};
    }
    sum += value;
    squares += value * value;
  }
  const double n = static_cast<double>(bytes / width);
  return std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
}

/// What the metadata of ModelSpec or of kohya's scripts says.
std::optional<PredictionType> statedPrediction(const std::map<std::string, std::string>& metadata) {
  const auto value = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  const std::string spec = value("modelspec.prediction_type");
  if (spec == "v" || spec == "v_prediction") return PredictionType::VPrediction;
  if (spec == "epsilon" || spec == "eps") return PredictionType::Epsilon;
  if (spec == name(PredictionType::Sample)) return PredictionType::Sample;
  const std::string architecture = value("modelspec.architecture");
  if (architecture.starts_with("stable-diffusion-v2-768-v")) return PredictionType::VPrediction;
  if (architecture.starts_with("stable-diffusion-v2-512")) return PredictionType::Epsilon;
  const std::string kohya = value("ss_base_model_version");
  if (kohya.starts_with("sd_v2"))
    return kohya.ends_with("_v") ? PredictionType::VPrediction : PredictionType::Epsilon;
  return {};
}

Prediction predictionOf(Family family, const TensorPool& pool, const SafetensorsFile& file) {
  if (const auto stated = statedPrediction(file.metadata())) return {*stated, Certainty::Stated};
  if (file.tensors().contains("v_pred")) return {PredictionType::VPrediction, Certainty::Stated};
  if (family != Family::StableDiffusion2) return {PredictionType::Epsilon, Certainty::Family};
  // Nothing in the tensors of a Stable Diffusion 2 says it. Trained with v_prediction, this norm
  // spreads more: a rule of thumb of other programs, right for the published models.
  constexpr double spread = 0.09;
  const auto norm =
      pool.find(std::string(unetPrefix) + "output_blocks.11.1.transformer_blocks.0.norm1.bias");
  const auto found = norm ? deviation(*norm) : std::nullopt;
  return {found && *found <= spread ? PredictionType::Epsilon : PredictionType::VPrediction,
          Certainty::Guessed};
}

bool hasXlNames(const TensorPool& pool) {
  return pool.anyStartsWith("conditioner.embedders.1.model.") ||
         pool.has(std::string(unetPrefix) + "label_emb.0.0.weight");
}

/// The family by names and by the width of what the UNet attends to; empty for none of them.
std::optional<Family> familyOf(const TensorPool& pool) {
  const std::string root(unetPrefix);
  if (pool.anyStartsWith(root + "joint_blocks.")) return Family::StableDiffusion3;
  if (pool.anyStartsWith(root + "double_blocks.")) return Family::Flux;
  if (!pool.has(root + "input_blocks.0.0.weight")) return {};
  if (pool.anyStartsWith("conditioner.embedders.0.model.")) return Family::StableDiffusionXlRefiner;
  if (hasXlNames(pool)) return Family::StableDiffusionXl;
  if (pool.anyStartsWith("cond_stage_model.model.")) return Family::StableDiffusion2;
  if (pool.anyStartsWith("cond_stage_model.transformer.")) return Family::StableDiffusion1;
  const bool linear =
      pool.shape(root + "input_blocks.1.1.proj_in.weight").size() == 2;  // no text encoder
  return linear ? Family::StableDiffusion2 : Family::StableDiffusion1;
}

std::int64_t statedResolution(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("modelspec.resolution");
  std::int64_t width = 0;
  if (found == metadata.end()) return 0;
  const std::string& value = found->second;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), width);
  return error == std::errc() && width >= 8 && width <= 1 << 14 ? width : 0;
}

/// OpenCLIP trains one layer more than Stable Diffusion 2 listens to; programs that write the file
/// from diffusers' folder leave it out, with the projection behind it.
void dropUnheardLayer(ClipTextConfig& text,
                      const TensorPool& pool,
                      std::set<std::string>& unheard) {
  const std::string root = "cond_stage_model.model.";
  const bool whole =
      pool.has(root + "text_projection") || (text.numHiddenLayers == 24 && text.hiddenSize == 1024);
  if (!whole || text.numHiddenLayers < 2) return;
  text.numHiddenLayers -= 1;
  unheard = {root + "text_projection",
             root + "transformer.resblocks." + std::to_string(text.numHiddenLayers) + "."};
}

const std::string bigClipRoot = "conditioner.embedders.1.model.";
std::string clipRoot(Family family) {
  return family == Family::StableDiffusion2    ? "cond_stage_model.model."
         : family == Family::StableDiffusionXl ? "conditioner.embedders.0.transformer."
                                               : "cond_stage_model.transformer.";
}

}  // namespace

std::map<NetworkKind, KeyMap> singleFileMaps(Family family, const ModelConfigs& configs) {
  const bool second = family == Family::StableDiffusion2;
  const TextNames names = second ? TextNames::OpenClip : TextNames::Transformers;
  std::map<NetworkKind, KeyMap> maps{
      {NetworkKind::TextEncoder, singleFileMap(configs.text, names, clipRoot(family))},
      {NetworkKind::UNet, singleFileMap(configs.unet)},
      {NetworkKind::Vae, singleFileMap(configs.vae)}};
  if (configs.text2)
    maps.emplace(NetworkKind::TextEncoder2,
                 singleFileMap(*configs.text2, TextNames::OpenClip, bigClipRoot));
  return maps;
}

bool isCheckpoint(const SafetensorsFile& file) {
  const auto next = file.tensors().lower_bound(std::string(unetPrefix));
  return next != file.tensors().end() && next->first.starts_with(unetPrefix);
}

api::Result<StoredModel> openSingleFile(const ModelFiles& files) {
  const fs::path& path = files.path;
  const auto refuse = [&](const std::string& reason) {
    return api::fail(api::ErrorCode::UnsupportedModel,
                     {{"file", path.string()}, {"reason", reason}});
  };
  auto opened = openWeights(path);
  if (!opened) return api::fail(opened.error());
  const auto file = std::make_shared<const SafetensorsFile>(std::move(*opened));
  TensorPool pool;
  pool.add(file, canonical);
  const auto family = familyOf(pool);
  if (!family) return refuse("its tensors are not named like those of a Stable Diffusion model");

  StoredModel single;
  single.path = path;
  single.family = *family;
  single.metadata = file->metadata();
  single.tensorCount = file->tensors().size();
  single.prediction = files.prediction ? Prediction{*files.prediction, Certainty::Chosen}
                                       : predictionOf(*family, pool, *file);
  ModelConfigs& configs = single.configs;
  const std::int64_t stated = statedResolution(single.metadata);
  const bool readable = *family == Family::StableDiffusion1 ||
                        *family == Family::StableDiffusion2 || *family == Family::StableDiffusionXl;
  if (!readable) return single;

  const Surveyor survey(pool);
  const auto unet = survey.unet();
  if (!unet) return refuse("its UNet has other blocks than a Stable Diffusion model");
  configs.unet = *unet;
  single.variant = variantOf(*unet);
  configs.vae = survey.vae();
  const bool xl = *family == Family::StableDiffusionXl;
  std::set<std::string> unheard;
  if (xl) {
    configs.text = survey.text(clipRoot(*family), TextNames::Transformers);
    configs.text2 = survey.text(bigClipRoot, TextNames::OpenClip);
    configs.text2->projectionDim = configs.text2->hiddenSize;
    configs.vae.scalingFactor = 0.13025;
  } else {
    const bool second = *family == Family::StableDiffusion2;
    configs.text =
        survey.text(clipRoot(*family), second ? TextNames::OpenClip : TextNames::Transformers);
    if (second) dropUnheardLayer(configs.text, pool, unheard);
  }
  auto maps = singleFileMaps(*family, configs);
  const bool wide = xl || (*family == Family::StableDiffusion2 &&
                           single.prediction.type == PredictionType::VPrediction);
  const std::int64_t usual = xl ? 1024 : wide ? 768 : 512;
  configs.unet.sampleSize = (stated > 0 ? stated : usual) / configs.vae.factor();
  configs.schedule.predictionType = single.prediction.type;
  if (xl) configs.schedule.timestepSpacing = "leading";

  single.tokenizer = {files.vocabulary, *family == Family::StableDiffusion2 ? "!" : ""};
  if (xl) single.tokenizer2 = {files.vocabulary, "!"};

  std::error_code ignored;
  fs::path vaePath;
  for (const char* ending : {".vae.safetensors", ".vae.pt", ".vae.ckpt"})
    if (const fs::path beside = fs::path(path).replace_extension(ending);
        vaePath.empty() && fs::exists(beside, ignored))
      vaePath = beside;
  if (files.vae.empty() && !vaePath.empty()) {
    auto vae = openAutoencoder(vaePath, configs.vae);
    if (!vae) return api::fail(vae.error());
    single.vaePath = vaePath;
    single.networks.emplace(NetworkKind::Vae, std::move(*vae));
    unheard.insert(std::string(vaePrefix));
    maps.erase(NetworkKind::Vae);
  }
  configs.vae.sampleSize = single.resolution();

  for (const auto& [kind, map] : maps) {
    StoredNetwork network = pool.take(map);
    network.place = path;
    network.files = {path};
    single.networks.emplace(kind, std::move(network));
  }
  // A tensor too many in a network means another network; elsewhere it is no loss.
  const std::pair<NetworkKind, std::string> roots[] = {
      {NetworkKind::UNet, std::string(unetPrefix)},
      {NetworkKind::Vae, std::string(vaePrefix)},
      {NetworkKind::TextEncoder, clipRoot(*family)},
      {NetworkKind::TextEncoder2, bigClipRoot}};
  for (const std::string& name : pool.left()) {
    const auto inside = [&](const std::string& root) { return name.starts_with(root); };
    if (std::ranges::any_of(unheard, inside)) continue;
    const auto* owner =
        std::ranges::find_if(roots, [&](const auto& root) { return inside(root.second); });
    const auto network =
        owner == std::end(roots) ? single.networks.end() : single.networks.find(owner->first);
    if (network != single.networks.end())
      network->second.problems.push_back("unknown " + name);
    else
      single.unknown.push_back(name);
  }
  return single;
}

}  // namespace likeness::weights
