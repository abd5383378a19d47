// Checkpoints in one .safetensors file: which family it is, what its networks measure, and where
// their tensors are. From the header alone, but for one small tensor of a Stable Diffusion 2.
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

/// How sure a prediction type is.
enum class Certainty {
  Stated,   ///< by the file's metadata, or by a tensor that is there for that
  Family,   ///< all of the family have it
  Guessed,  ///< the file does not say; both occur
};
struct Prediction {
  PredictionType type = PredictionType::Epsilon;
  Certainty certainty = Certainty::Family;
  std::string text() const;  ///< "v_prediction (a guess: the file does not say)"
};

/// Configurations of the networks of a model.
struct ModelConfigs {
  UNet2DConditionConfig unet;
  AutoencoderKLConfig vae;
  ClipTextConfig text;
  std::optional<ClipTextConfig> text2;  ///< SDXL
  NoiseScheduleConfig schedule;
};

struct SingleFile {
  std::filesystem::path path;
  std::filesystem::path vaePath;  ///< NAME.vae.safetensors beside it; empty = its own
  Family family = Family::StableDiffusion1;
  std::string variant;  ///< "inpainting", "instructions (pix2pix)"; empty = text to picture
  Prediction prediction;
  ModelConfigs configs;
  std::map<NetworkKind, StoredNetwork> networks;  ///< empty in families other than SD 1, 2 and XL
  std::vector<std::string> unknown;               ///< tensors that belong to nothing
  std::map<std::string, std::string> metadata;
  std::size_t tensorCount = 0;
  /// Everything that is missing, misshaped or unknown.
  std::vector<std::string> problems() const;
  std::int64_t resolution() const;  ///< pixels: as ModelSpec states it, else as the family has it
};

/// Where each network of a Stable Diffusion 1, 2 or XL stands in a single file.
std::map<NetworkKind, KeyMap> singleFileMaps(Family family, const ModelConfigs& configs);

/// Whether the file has a checkpoint's names at all (an adapter or a lone network has not).
bool isCheckpoint(const SafetensorsFile& file);

/// Errors: FileNotFound, FileUnreadable, BadModelFile, UnsupportedModel (not a checkpoint, or one
/// whose UNet has no shape of this kind). What is missing or misshaped is in problems().
api::Result<SingleFile> openSingleFile(const std::filesystem::path& path);

}  // namespace likeness::weights
