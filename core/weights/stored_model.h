// A model as it lies in files, a diffusers folder or one .safetensors or .ckpt: which family it is,
// what its networks measure, and where their tensors are. From configs and headers alone, but for
// one small tensor of a Stable Diffusion 2 in one file.
#pragma once

#include "core/weights/stored_network.h"

namespace likeness::weights {

enum class Family {
  StableDiffusion1,
  StableDiffusion2,
  StableDiffusionXl,
  StableDiffusionXlRefiner,
  StableDiffusion3,
  Flux
};
std::string_view name(Family family);  ///< "Stable Diffusion 1.x"
/// ModelSpec's word for one that is read: "stable-diffusion-v2-768-v".
std::string modelSpecArchitecture(Family family, bool velocity);

/// How sure a prediction type is.
enum class Certainty {
  Stated,   ///< by the file's metadata, or by a tensor that is there for that
  Family,   ///< all of the family have it
  Guessed,  ///< the file does not say; both occur
  Chosen,   ///< by the person
};
struct Prediction {
  PredictionType type = PredictionType::Epsilon;
  Certainty certainty = Certainty::Family;
};

/// Configurations of the networks of a model.
struct ModelConfigs {
  UNet2DConditionConfig unet;
  AutoencoderKLConfig vae;
  ClipTextConfig text;
  std::optional<ClipTextConfig> text2;  ///< SDXL
  NoiseScheduleConfig schedule;
};

/// The vocabulary of a text encoder.
struct TokenizerFiles {
  std::filesystem::path folder;
  std::string pad;  ///< the token that fills prompts up; empty = as the folder says
};

/// What is to be opened as a model.
struct ModelFiles {
  std::filesystem::path path;  ///< diffusers folder, .safetensors or pickle file
  /// A run's checkpoint, an autoencoder of one's own: in place of the model's; empty = the model's.
  std::filesystem::path unet{}, textEncoder{}, textEncoder2{}, vae{};
  std::filesystem::path vocabulary{};          ///< folder of CLIP's, for a single file
  std::optional<PredictionType> prediction{};  ///< for what a file cannot tell
  /// What cannot be opened in a folder is noted in `faults` instead of ending it: for a report.
  bool partial = false;
  const std::filesystem::path& replacement(NetworkKind kind) const;
};

struct StoredModel {
  std::filesystem::path path;
  bool isFolder = false;
  std::filesystem::path vaePath;  ///< of an autoencoder beside the model; empty = its own
  Family family = Family::StableDiffusion1;
  std::string variant;  ///< "inpainting", "instructions (pix2pix)"; empty = text to picture
  Prediction prediction;
  ModelConfigs configs;
  std::map<NetworkKind, StoredNetwork> networks;  ///< empty in families other than SD 1, 2 and XL
  TokenizerFiles tokenizer, tokenizer2;           ///< the second for SDXL
  bool zerosForEmptyPrompt = true;   ///< SDXL: an empty negative prompt is no text at all
  std::vector<std::string> unknown;  ///< tensors that belong to nothing
  std::map<std::string, std::string> metadata;
  std::size_t tensorCount = 0;
  std::vector<api::Error> faults;  ///< see ModelFiles::partial
  /// Everything that is missing, misshaped or unknown.
  std::vector<std::string> problems() const;
  std::int64_t resolution() const;  ///< pixels: as ModelSpec states it, else as the family has it
};

/// Where each network of a Stable Diffusion 1, 2 or XL stands in a single file.
std::map<NetworkKind, KeyMap> singleFileMaps(Family family, const ModelConfigs& configs);

/// Whether the file has a checkpoint's names at all (an adapter or a lone network has not).
bool isCheckpoint(const SafetensorsFile& file);

/// What is missing or misshaped is in problems(). Errors: FileNotFound, those of openWeights,
/// BadModelFile, UnsupportedModel (not a checkpoint, or one whose UNet has no shape of this kind),
/// BadModelFolder (parts that do not fit one another), those of the configs.
api::Result<StoredModel> openModel(const ModelFiles& files);
/// UnsupportedModel for one of a family that is recognised and not read.
api::Result<void> requireNetworks(const StoredModel& model);
/// The first tokenizer alone: a folder's weights are not opened for it.
api::Result<TokenizerFiles> openTokenizer(const ModelFiles& files);

}  // namespace likeness::weights
