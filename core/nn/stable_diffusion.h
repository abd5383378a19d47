// A whole Stable Diffusion model ready to compute: text encoders, UNet, autoencoder, tokenizers,
// schedule.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>

#include "core/nn/autoencoder_kl.h"
#include "core/nn/clip_text_model.h"
#include "core/nn/unet_2d_condition_model.h"
#include "core/nn/weights.h"
#include "core/text/clip_tokenizer.h"
#include "core/text/prompt.h"
#include "core/weights/stored_model.h"

namespace likeness::nn {

using weights::NoiseScheduleConfig;
using weights::PredictionType;

/// A network with the store that owns its parameters.
template <class Model>
struct Network {
  std::shared_ptr<ParameterStore> store;
  std::shared_ptr<const Model> model;
};

/// Words with vectors of their own, see embeddings.h.
struct LearnedWords {
  std::vector<text::LearnedWord> words;
  std::vector<at::Tensor> first, second;  ///< of each word and text encoder [n, width]
  std::int64_t count() const { return words.empty() ? 0 : words.back().first + words.back().count; }
};

struct StableDiffusion {
  weights::StoredModel files;  ///< what it was loaded from
  text::ClipTokenizer tokenizer;
  Network<ClipTextModel> textEncoder;
  Network<UNet2DConditionModel> unet;
  Network<AutoencoderKL> vae;
  NoiseScheduleConfig schedule;
  std::string weightHash;                    ///< SHA-256 over the hashes of the weight files, hex
  text::ClipTokenizer tokenizer2 = {};       ///< SDXL's, which pads with "!"
  Network<ClipTextModel> textEncoder2 = {};  ///< null unless it is an SDXL model
  LearnedWords learned = {};                 ///< none after loading
  bool isXl() const { return files.configs.text2.has_value(); }
  std::int64_t resolution() const;  ///< pixels the UNet was made for: sample_size * VAE factor
};

struct LoadOptions {
  /// Masters of UNet and text encoder: fp32 for training (whatever the compute dtype), the compute
  /// dtype for generation.
  at::ScalarType dtype = at::kFloat;
  at::ScalarType vaeDtype = at::kFloat;
  at::Device device = at::kCPU;
};
/// Strict: missing, extra and misshaped tensors are listed. A stop request (looked at per tensor)
/// returns a model whose networks are null. Files are hashed on another thread meanwhile. Errors:
/// UnsupportedModel, ModelMismatch, BadTokenizer, BadModelFolder, BadModelFile, those of reading.
api::Result<StableDiffusion> loadNetworks(weights::StoredModel stored,
                                          const LoadOptions& options,
                                          std::stop_token stop = {});
/// Opens and loads. Errors: also those of weights::openModel.
api::Result<StableDiffusion> loadStableDiffusion(const weights::ModelFiles& files,
                                                 const LoadOptions& options,
                                                 std::stop_token stop = {});
/// Frees networks that nothing has changed; they are null until bringBack() has read the same
/// values from the model's files again (false = stopped meanwhile). Errors: those of reading.
void putAway(StableDiffusion& model, const std::vector<weights::NetworkKind>& kinds);
api::Result<bool> bringBack(StableDiffusion& model,
                            const std::vector<weights::NetworkKind>& kinds,
                            const LoadOptions& options,
                            std::stop_token stop);
/// A diffusers folder with every part (weights::writeModelFolder). Built under a temporary name and
/// renamed; `out` must not exist or be an empty folder. `replaced` may
/// hold other values of networks (merged weights). Errors: FileUnwritable, DiskFull.
api::Result<void> saveStableDiffusion(
    const StableDiffusion& model,
    const std::filesystem::path& out,
    at::ScalarType dtype,
    const std::map<weights::NetworkKind, tensor::StateDict>& replaced = {});

}  // namespace likeness::nn
