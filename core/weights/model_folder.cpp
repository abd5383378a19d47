// A model as a diffusers folder: configs, then the weights beside them.
#include "core/weights/config_reader.h"
#include "core/weights/single_file.h"

namespace likeness::weights {
namespace fs = std::filesystem;
using api::Result;

namespace {

/// What model_index.json says, as far as it matters here.
struct Index {
  bool xl = false, zerosForEmptyPrompt = true;
};

Result<Index> readIndex(const fs::path& folder) {
  const fs::path file = folder / "model_index.json";
  if (std::error_code ignored; !fs::exists(file, ignored))
    return api::fail(api::ErrorCode::BadModelFolder,
                     {{"folder", folder.string()}, {"reason", "model_index.json is missing"}});
  auto in = ConfigReader::open(file);
  if (!in) return api::fail(in.error());
  std::string pipeline;
  Index index;
  in->text("_class_name",
           pipeline,
           {"StableDiffusionPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionInpaintPipeline",
            "LatentConsistencyModelPipeline",
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline"});
  in->flag("force_zeros_for_empty_prompt", index.zerosForEmptyPrompt);
  index.xl = pipeline.starts_with("StableDiffusionXL");
  return in->finish(index);
}

/// A guess for people: nothing depends on it but words and the layout of a single file.
Family familyOf(const ModelConfigs& c) {
  if (c.text2) return Family::StableDiffusionXl;
  return c.text.hiddenAct == "gelu" ? Family::StableDiffusion2 : Family::StableDiffusion1;
}

}  // namespace

Result<StoredModel> openModelFolder(const ModelFiles& files) {
  const fs::path& folder = files.path;
  const auto index = readIndex(folder);
  if (!index) return api::fail(index.error());
  StoredModel model;
  model.path = folder;
  model.isFolder = true;
  model.zerosForEmptyPrompt = index->zerosForEmptyPrompt;
  ModelConfigs& c = model.configs;
  const auto read = [&](const fs::path& file, auto reader, auto& config) {
    auto found = reader(folder / file);
    if (found)
      config = std::move(*found);
    else
      model.faults.push_back(found.error());
    return found.has_value();
  };
  const bool text = read("text_encoder/config.json", readClipTextConfig, c.text);
  const bool text2 =
      index->xl && read("text_encoder_2/config.json", readClipTextConfig, c.text2.emplace());
  const bool unet = read("unet/config.json", readUNetConfig, c.unet);
  const bool vae = read("vae/config.json", readAutoencoderConfig, c.vae);
  read("scheduler/scheduler_config.json", readScheduleConfig, c.schedule);
  if (files.prediction) c.schedule.predictionType = *files.prediction;
  model.prediction = {c.schedule.predictionType,
                      files.prediction ? Certainty::Chosen : Certainty::Stated};
  model.family = familyOf(c);
  model.variant = variantOf(c.unet);
  model.tokenizer.folder = folder / "tokenizer";
  if (c.text2) model.tokenizer2.folder = folder / "tokenizer_2";

  // What a checkpoint of a run replaces need not be there.
  using enum NetworkKind;
  for (const auto& [kind, described] :
       {std::pair(TextEncoder, text), {TextEncoder2, text2}, {UNet, unet}, {Vae, vae}}) {
    if (!described || !files.replacement(kind).empty()) continue;
    auto network = openPart(c, kind, folder / folderName(kind));
    if (network) {
      model.tensorCount += network->tensors.size();
      model.networks.emplace(kind, std::move(*network));
    } else {
      model.faults.push_back(network.error());
    }
  }
  if (!model.faults.empty() && !files.partial) return api::fail(model.faults.front());
  return model;
}

}  // namespace likeness::weights
