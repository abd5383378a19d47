// From files to networks.
#include "core/nn/stable_diffusion.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <future>

#include "core/base/hash.h"
#include "core/tensor/user_cache.h"

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

/// SHA-256 over the hashes of the networks' files, in the order of NetworkKind.
api::Result<std::string> hashOf(const weights::StoredModel& model) {
  std::string hashes;
  fs::path last;
  for (const auto& [kind, network] : model.networks)
    for (const fs::path& file : network.files) {
      if (file == last) continue;
      last = file;
      const auto hash = rememberedHash(file);
      if (!hash) return api::fail(hash.error());
      hashes += *hash + "\n";
    }
  return base::sha256(hashes);
}

/// Reads the tensors and builds the network from them; a null network when stopped.
template <class Model, class Config>
api::Result<Network<Model>> loadNetwork(const weights::StoredNetwork& stored,
                                        const Config& config,
                                        at::ScalarType dtype,
                                        at::Device device,
                                        const std::stop_token& stop) {
  if (!stored.problems.empty())
    return api::fail(weights::mismatch(stored.place.string(), stored.problems));
  auto tensors = tensor::loadNetwork(stored, dtype, stop);
  if (!tensors) return api::fail(tensors.error());
  if (stop.stop_requested()) return Network<Model>{};
  Network<Model> network;
  network.store =
      std::make_shared<ParameterStore>(std::move(*tensors), dtype, device, stored.place.string());
  network.model = std::make_shared<const Model>(Weights(*network.store), config);
  if (auto complete = network.store->finish(); !complete) return api::fail(complete.error());
  return network;
}

}  // namespace

std::int64_t StableDiffusion::resolution() const {
  return unet.model->config().sampleSize * vae.model->config().factor();
}

api::Result<StableDiffusion> loadNetworks(weights::StoredModel stored,
                                          const LoadOptions& options,
                                          std::stop_token stop) {
  if (auto read = weights::requireNetworks(stored); !read) return api::fail(read.error());
  const auto refuse = [&](const std::string& reason) {
    return api::fail(api::ErrorCode::UnsupportedModel,
                     {{"file", stored.path.string()}, {"reason", reason}});
  };
  const weights::ModelConfigs& configs = stored.configs;
  if (configs.unet.addedInputDim > 0)
    return refuse(
        "its UNet takes a pooled text embedding, as SDXL's does, which is not computed yet");
  if (configs.unet.inChannels != configs.vae.latentChannels)
    return refuse("it is a model for " + stored.variant + ", which is not computed yet");
  auto tokenizer = text::ClipTokenizer::load(stored.tokenizer.folder, stored.tokenizer.pad);
  if (!tokenizer) return api::fail(tokenizer.error());
  if (tokenizer->vocabularySize() > configs.text.vocabSize)
    return api::fail(
        stored.isFolder ? api::ErrorCode::BadModelFolder : api::ErrorCode::BadModelFile,
        {{stored.isFolder ? "folder" : "file", stored.path.string()},
         {"reason", "the tokenizer has more entries than the text encoder"}});

  auto hash = std::async(std::launch::async, [&stored] { return hashOf(stored); });
  const auto load = [&]<class Model, class Config>(weights::NetworkKind kind,
                                                   const Config& config,
                                                   at::ScalarType dtype,
                                                   Network<Model>& into) -> api::Result<void> {
    auto network =
        loadNetwork<Model>(stored.networks.at(kind), config, dtype, options.device, stop);
    if (!network) return api::fail(network.error());
    into = std::move(*network);
    return {};
  };
  using enum weights::NetworkKind;
  StableDiffusion model{{}, std::move(*tokenizer), {}, {}, {}, configs.schedule, {}};
  if (auto done = load(TextEncoder, configs.text, options.dtype, model.textEncoder); !done)
    return api::fail(done.error());
  if (auto done = load(UNet, configs.unet, options.dtype, model.unet); !done)
    return api::fail(done.error());
  if (auto done = load(Vae, configs.vae, options.vaeDtype, model.vae); !done)
    return api::fail(done.error());
  auto hashed = hash.get();
  if (!hashed) return api::fail(hashed.error());
  model.weightHash = std::move(*hashed);
  if (stop.stop_requested()) model.textEncoder = {}, model.unet = {}, model.vae = {};
  model.files = std::move(stored);
  return model;
}

api::Result<StableDiffusion> loadStableDiffusion(const weights::ModelFiles& files,
                                                 const LoadOptions& options,
                                                 std::stop_token stop) {
  auto stored = weights::openModel(files);
  if (!stored) return api::fail(stored.error());
  return loadNetworks(std::move(*stored), options, stop);
}

text::PromptTokens promptTokens(const StableDiffusion& model,
                                std::string_view prompt,
                                api::PromptSyntax syntax) {
  const std::int64_t length = model.textEncoder.model->config().maxPositionEmbeddings;
  return text::tokenizePrompt(model.tokenizer, prompt, syntax, static_cast<std::size_t>(length));
}

at::Tensor encodePrompt(const StableDiffusion& model,
                        const text::PromptTokens& tokens,
                        std::int64_t clipSkip) {
  const auto device = model.textEncoder.store->parameters().begin()->second.device();
  std::vector<at::Tensor> parts;
  for (const text::PromptChunk& chunk : tokens.chunks) {
    const at::Tensor ids = at::tensor(chunk.ids).unsqueeze(0).to(device);
    at::Tensor z = model.textEncoder.model->forward(ids, {}, clipSkip);
    if (chunk.isWeighted()) {
      const at::Tensor before = z.to(at::kFloat);
      const at::Tensor after = before * at::tensor(chunk.weights).unsqueeze(1).to(device);
      z = (after * (before.mean() / after.mean())).to(z.scalar_type());
    }
    parts.push_back(z);
  }
  return at::cat(parts, 1);
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
