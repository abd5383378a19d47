// Either form of a model, with the parts that are to stand in for its own.
#include "core/weights/stored_model.h"

#include "core/weights/single_file.h"

namespace likeness::weights {
namespace fs = std::filesystem;

namespace {

api::Result<void> replaceParts(StoredModel& model, const ModelFiles& files) {
  using enum NetworkKind;
  for (const NetworkKind kind : {UNet, TextEncoder, TextEncoder2, Vae}) {
    const fs::path& file = files.replacement(kind);
    if (file.empty() || (kind == TextEncoder2 && !model.configs.text2)) continue;
    auto network = openPart(model.configs, kind, file);
    if (!network) return api::fail(network.error());
    model.networks[kind] = std::move(*network);
  }
  if (!files.vae.empty()) model.vaePath = files.vae;
  return {};
}

/// The parts must fit one another.
std::string whatDoesNotFit(const ModelConfigs& c) {
  const std::int64_t width = c.text.hiddenSize + (c.text2 ? c.text2->hiddenSize : 0);
  if (c.unet.crossAttentionDim != width)
    return "the UNet expects text of width " + std::to_string(c.unet.crossAttentionDim) +
           ", the text encoder makes " + std::to_string(width);
  const std::int64_t latent = c.vae.latentChannels;
  // Inpainting adds the mask and the latents of the masked picture, pix2pix those of a picture.
  if ((c.unet.inChannels != latent && c.unet.inChannels != 2 * latent + 1 &&
       c.unet.inChannels != 2 * latent) ||
      c.unet.outChannels != latent)
    return "the UNet has " + std::to_string(c.unet.inChannels) +
           " input channels, the autoencoder " + std::to_string(latent) + " latent channels";
  if (c.vae.inChannels != 3 || c.vae.outChannels != 3)
    return "the autoencoder is not made for RGB pictures";
  if (c.text2 && c.unet.addedInputDim != c.text2->projectionDim + 6 * c.unet.addedTimeDim)
    return "the UNet expects " + std::to_string(c.unet.addedInputDim) +
           " values of pooled text and sizes, the second text encoder makes " +
           std::to_string(c.text2->projectionDim);
  if (!c.text2 && c.unet.addedInputDim > 0)
    return "its UNet takes a pooled text embedding, as SDXL's does, and there is no second text "
           "encoder";
  return {};
}

}  // namespace

const fs::path& ModelFiles::replacement(NetworkKind kind) const {
  switch (kind) {
    case NetworkKind::TextEncoder:
      return textEncoder;
    case NetworkKind::TextEncoder2:
      return textEncoder2;
    case NetworkKind::UNet:
      return unet;
    case NetworkKind::Vae:
      break;
  }
  return vae;
}

api::Result<StoredNetwork> openPart(const ModelConfigs& configs,
                                    NetworkKind kind,
                                    const fs::path& fileOrFolder) {
  if (kind == NetworkKind::Vae) return openAutoencoder(fileOrFolder, configs.vae);
  return openNetwork(fileOrFolder,
                     kind,
                     kind == NetworkKind::UNet          ? networkTensors(configs.unet)
                     : kind == NetworkKind::TextEncoder ? networkTensors(configs.text)
                                                        : networkTensors(configs.text2.value()));
}

std::string variantOf(const UNet2DConditionConfig& unet) {
  return unet.inChannels == 9 ? "inpainting" : unet.inChannels == 8 ? "instructions (pix2pix)" : "";
}

std::string_view name(Family family) {
  switch (family) {
    case Family::StableDiffusion1:
      return "Stable Diffusion 1.x";
    case Family::StableDiffusion2:
      return "Stable Diffusion 2.x";
    case Family::StableDiffusionXl:
      return "Stable Diffusion XL";
    case Family::StableDiffusionXlRefiner:
      return "Stable Diffusion XL refiner";
    case Family::StableDiffusion3:
      return "Stable Diffusion 3";
    case Family::Flux:
      return "FLUX.1";
  }
  return "";
}

std::string modelSpecArchitecture(Family family, bool velocity) {
  if (family == Family::StableDiffusionXl) return "stable-diffusion-xl-v1-base";
  if (family != Family::StableDiffusion2) return "stable-diffusion-v1";
  return velocity ? "stable-diffusion-v2-768-v" : "stable-diffusion-v2-512";
}

std::vector<std::string> StoredModel::problems() const {
  std::vector<std::string> all;
  for (const auto& [kind, network] : networks)
    all.insert(all.end(), network.problems.begin(), network.problems.end());
  for (const std::string& name : unknown) all.push_back("unknown " + name);
  return all;
}

std::int64_t StoredModel::resolution() const {
  return configs.unet.sampleSize * configs.vae.factor();
}

api::Result<void> requireNetworks(const StoredModel& model) {
  if (!model.networks.empty()) return {};
  return api::fail(api::ErrorCode::UnsupportedModel,
                   {{"file", model.path.string()},
                    {"reason", "it is a " + std::string(name(model.family)) + " model"}});
}

api::Result<TokenizerFiles> openTokenizer(const ModelFiles& files) {
  std::error_code ignored;
  if (fs::is_directory(files.path, ignored)) return TokenizerFiles{files.path / "tokenizer", ""};
  auto model = openModel(files);
  if (!model) return api::fail(model.error());
  return std::move(model->tokenizer);
}

api::Result<StoredModel> openModel(const ModelFiles& files) {
  std::error_code ignored;
  if (!fs::exists(files.path, ignored))
    return api::fail(api::ErrorCode::FileNotFound, {{"file", files.path.string()}});
  auto model =
      fs::is_directory(files.path, ignored) ? openModelFolder(files) : openSingleFile(files);
  if (!model || model->networks.empty()) return model;
  if (auto replaced = replaceParts(*model, files); !replaced) return api::fail(replaced.error());
  if (const std::string reason = whatDoesNotFit(model->configs);
      model->faults.empty() && !reason.empty())
    model->faults.push_back(
        {model->isFolder ? api::ErrorCode::BadModelFolder : api::ErrorCode::BadModelFile,
         {{model->isFolder ? "folder" : "file", files.path.string()}, {"reason", reason}},
         {}});
  if (!model->faults.empty() && !files.partial) return api::fail(model->faults.front());
  return model;
}

}  // namespace likeness::weights
