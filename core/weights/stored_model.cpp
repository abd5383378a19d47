// Either form of a model, with the parts that are to stand in for its own.
#include "core/weights/stored_model.h"

#include "core/weights/single_file.h"

namespace likeness::weights {
namespace fs = std::filesystem;

namespace {

/// A network from a file of its own.
api::Result<void> replace(StoredModel& model,
                          NetworkKind kind,
                          const fs::path& file,
                          const TensorShapes& expected) {
  if (file.empty()) return {};
  auto network = openNetwork(file, kind, expected);
  if (!network) return api::fail(network.error());
  model.networks[kind] = std::move(*network);
  return {};
}

api::Result<void> replaceParts(StoredModel& model, const ModelFiles& files) {
  const ModelConfigs& c = model.configs;
  if (auto done = replace(model, NetworkKind::UNet, files.unet, networkTensors(c.unet)); !done)
    return done;
  if (auto done =
          replace(model, NetworkKind::TextEncoder, files.textEncoder, networkTensors(c.text));
      !done)
    return done;
  if (c.text2)
    if (auto done =
            replace(model, NetworkKind::TextEncoder2, files.textEncoder2, networkTensors(*c.text2));
        !done)
      return done;
  if (files.vae.empty()) return {};
  auto vae = openAutoencoder(files.vae, c.vae);
  if (!vae) return api::fail(vae.error());
  model.networks[NetworkKind::Vae] = std::move(*vae);
  model.vaePath = files.vae;
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

std::string Prediction::text() const {
  const std::string word = type == PredictionType::Epsilon ? "epsilon" : "v_prediction";
  return certainty == Certainty::Guessed  ? word + " (a guess: the file does not say)"
         : certainty == Certainty::Chosen ? word + " (as you chose)"
                                          : word;
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
