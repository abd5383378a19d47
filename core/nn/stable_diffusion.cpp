// Opening a diffusers folder.
#include "core/nn/stable_diffusion.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/tensor/user_cache.h"
#include "core/weights/config_reader.h"
#include "core/weights/model_configs.h"

namespace likeness::nn {
namespace {

namespace fs = std::filesystem;

/// SHA-256 of a file, remembered by path, size and time of change: hashing gigabytes at every start
/// would be felt.
api::Result<std::string> rememberedHash(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  const auto time = fs::last_write_time(file, error).time_since_epoch().count();
  const std::string key = "sha256 " + std::to_string(size) + " " + std::to_string(time) + " " +
                          fs::weakly_canonical(file, error).string();
  if (auto known = tensor::recall(key); known && known->size() == 64) return *known;
  auto hash = base::sha256File(file);
  if (hash) tensor::remember(key, *hash);
  return hash;
}

/// The weights in `folder` under diffusers' names: plain, or the fp16 variant.
api::Result<fs::path> weightFile(const fs::path& folder, const std::string& stem) {
  std::error_code ignored;
  for (const char* ending : {".safetensors", ".fp16.safetensors"})
    if (fs::path file = folder / (stem + ending); fs::exists(file, ignored)) return file;
  const bool pickled = fs::exists(folder / (stem + ".bin"), ignored) ||
                       fs::exists(folder / "pytorch_model.bin", ignored);
  if (pickled)
    return api::fail(api::ErrorCode::UnsupportedModel,
                     {{"file", folder.string()},
                      {"reason", "its weights are a pickle file; only .safetensors is read"}});
  if (fs::exists(folder / (stem + ".safetensors.index.json"), ignored))
    return api::fail(api::ErrorCode::UnsupportedModel,
                     {{"file", folder.string()}, {"reason", "its weights are split into shards"}});
  return api::fail(api::ErrorCode::FileNotFound,
                   {{"file", (folder / (stem + ".safetensors")).string()}});
}

/// transformers 5.6 and later write CLIP's text encoder without its prefix; older files carry a
/// table of positions.
void toPrefixedClipKeys(tensor::StateDict& tensors) {
  tensors.erase("text_model.embeddings.position_ids");
  tensors.erase("embeddings.position_ids");
  if (tensors.empty() || tensors.begin()->first.starts_with("text_model.")) return;
  tensor::StateDict prefixed;
  for (auto& [key, tensor] : tensors) prefixed.emplace("text_model." + key, std::move(tensor));
  tensors = std::move(prefixed);
}

/// Early diffusers named the autoencoder's attention otherwise.
void toNewAttentionKeys(tensor::StateDict& tensors) {
  const std::pair<std::string_view, std::string_view> names[] = {
      {"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}};
  for (const char* half : {"encoder", "decoder"})
    for (const auto& [before, after] : names)
      for (const char* part : {".weight", ".bias"}) {
        const std::string module = std::string(half) + ".mid_block.attentions.0.";
        auto node = tensors.extract(module + std::string(before) + part);
        if (node.empty()) continue;
        if (node.mapped().dim() == 4) node.mapped() = node.mapped().flatten(1);
        node.key() = module + std::string(after) + part;
        tensors.insert(std::move(node));
      }
}

struct NetworkFile {
  fs::path file;
  at::ScalarType dtype;
  at::Device device;
  void (*rename)(tensor::StateDict&) = nullptr;
};

/// Reads the file and builds the network from it; a null network when stopped.
template <class Model, class Config>
api::Result<Network<Model>> loadNetwork(const NetworkFile& from,
                                        const Config& config,
                                        const std::stop_token& stop) {
  auto tensors = tensor::loadSafetensors(from.file, from.dtype, stop);
  if (!tensors) return api::fail(tensors.error());
  if (stop.stop_requested()) return Network<Model>{};
  if (from.rename) from.rename(*tensors);
  Network<Model> network;
  network.store = std::make_shared<ParameterStore>(
      std::move(*tensors), from.dtype, from.device, from.file.string());
  network.model = std::make_shared<const Model>(Weights(*network.store), config);
  if (auto complete = network.store->finish(); !complete) return api::fail(complete.error());
  return network;
}

api::Result<void> checkPipelineClass(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    return api::fail(api::ErrorCode::FileNotFound, {{"file", folder.string()}});
  const fs::path file = folder / "model_index.json";
  if (!fs::exists(file, ignored))
    return api::fail(api::ErrorCode::BadModelFolder,
                     {{"folder", folder.string()}, {"reason", "model_index.json is missing"}});
  auto in = weights::ConfigReader::open(file);
  if (!in) return api::fail(in.error());
  std::string pipeline;
  in->text("_class_name", pipeline, {"StableDiffusionPipeline"});
  if (auto read = in->finish(pipeline); !read) return api::fail(read.error());
  return {};
}

/// The parts must fit one another.
api::Result<void> checkTogether(const StableDiffusion& model) {
  const auto& unet = model.unet.model->config();
  const auto& clip = model.textEncoder.model->config();
  const auto& vae = model.vae.model->config();
  std::string reason;
  if (unet.crossAttentionDim != clip.hiddenSize)
    reason = "the UNet expects text of width " + std::to_string(unet.crossAttentionDim) +
             ", the text encoder makes " + std::to_string(clip.hiddenSize);
  else if (unet.inChannels != vae.latentChannels || unet.outChannels != vae.latentChannels)
    reason = "the UNet has " + std::to_string(unet.inChannels) +
             " input channels, the autoencoder " + std::to_string(vae.latentChannels) +
             " latent channels";
  else if (vae.inChannels != 3 || vae.outChannels != 3)
    reason = "the autoencoder is not made for RGB pictures";
  else if (model.tokenizer.vocabularySize() > clip.vocabSize)
    reason = "the tokenizer has more entries than the text encoder";
  if (reason.empty()) return {};
  return api::fail(api::ErrorCode::BadModelFolder,
                   {{"folder", model.folder.string()}, {"reason", reason}});
}

}  // namespace

std::int64_t StableDiffusion::resolution() const {
  return unet.model->config().sampleSize * vae.model->config().factor();
}

api::Result<StableDiffusion> loadStableDiffusion(const fs::path& folder,
                                                 const LoadOptions& options,
                                                 std::stop_token stop) {
  if (auto checked = checkPipelineClass(folder); !checked) return api::fail(checked.error());
  const auto clip = weights::readClipTextConfig(folder / "text_encoder" / "config.json");
  if (!clip) return api::fail(clip.error());
  const auto unet = weights::readUNetConfig(folder / "unet" / "config.json");
  if (!unet) return api::fail(unet.error());
  if (unet->addedInputDim > 0)
    return api::fail(api::ErrorCode::UnsupportedModel,
                     {{"file", (folder / "unet" / "config.json").string()},
                      {"reason", "its UNet takes a pooled text embedding, as SDXL's does"}});
  const auto vae = weights::readAutoencoderConfig(folder / "vae" / "config.json");
  if (!vae) return api::fail(vae.error());
  const auto schedule = weights::readScheduleConfig(folder / "scheduler" / "scheduler_config.json");
  if (!schedule) return api::fail(schedule.error());
  auto tokenizer = text::ClipTokenizer::load(folder / "tokenizer");
  if (!tokenizer) return api::fail(tokenizer.error());

  const std::string diffusersName = "diffusion_pytorch_model";
  auto clipFile = options.textEncoderFile.empty() ? weightFile(folder / "text_encoder", "model")
                                                  : options.textEncoderFile;
  auto unetFile =
      options.unetFile.empty() ? weightFile(folder / "unet", diffusersName) : options.unetFile;
  auto vaeFile = weightFile(folder / "vae", diffusersName);
  std::string hashes;
  for (const auto* file : {&clipFile, &unetFile, &vaeFile}) {
    if (!*file) return api::fail(file->error());
    const auto hash = rememberedHash(**file);
    if (!hash) return api::fail(hash.error());
    hashes += *hash + "\n";
  }

  StableDiffusion model{folder, std::move(*tokenizer), {}, {}, {}, *schedule, base::sha256(hashes)};
  auto textEncoder = loadNetwork<ClipTextModel>(
      {*clipFile, options.dtype, options.device, toPrefixedClipKeys}, *clip, stop);
  if (!textEncoder) return api::fail(textEncoder.error());
  auto unetNetwork =
      loadNetwork<UNet2DConditionModel>({*unetFile, options.dtype, options.device}, *unet, stop);
  if (!unetNetwork) return api::fail(unetNetwork.error());
  auto vaeNetwork = loadNetwork<AutoencoderKL>(
      {*vaeFile, options.vaeDtype, options.device, toNewAttentionKeys}, *vae, stop);
  if (!vaeNetwork) return api::fail(vaeNetwork.error());
  if (stop.stop_requested()) return model;
  model.textEncoder = std::move(*textEncoder);
  model.unet = std::move(*unetNetwork);
  model.vae = std::move(*vaeNetwork);
  if (auto fits = checkTogether(model); !fits) return api::fail(fits.error());
  return model;
}

at::Tensor tokenIds(const StableDiffusion& model, const std::vector<std::string>& prompts) {
  const std::int64_t length = model.textEncoder.model->config().maxPositionEmbeddings;
  at::Tensor ids = at::empty({static_cast<std::int64_t>(prompts.size()), length}, at::kLong);
  auto* row = ids.mutable_data_ptr<std::int64_t>();
  for (const std::string& prompt : prompts)
    row = std::ranges::copy(model.tokenizer.encodePadded(prompt, static_cast<std::size_t>(length)),
                            row)
              .out;
  const auto& parameters = model.textEncoder.store->parameters();
  return ids.to(parameters.begin()->second.device());
}

}  // namespace likeness::nn
