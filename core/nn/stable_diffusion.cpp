// From files to networks.
#include "core/nn/stable_diffusion.h"

#include <future>

#include "core/tensor/host_memory.h"
#include "core/weights/weight_hash.h"

namespace likeness::nn {
namespace {

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

/// Puts a network of `stored` into the model.
api::Result<void> readNetwork(StableDiffusion& model,
                              const weights::StoredModel& stored,
                              weights::NetworkKind kind,
                              const LoadOptions& options,
                              const std::stop_token& stop) {
  const weights::ModelConfigs& configs = stored.configs;
  const auto read = [&]<class Model, class Config>(Network<Model>& into,
                                                   const Config& config,
                                                   at::ScalarType dtype) -> api::Result<void> {
    auto network =
        loadNetwork<Model>(stored.networks.at(kind), config, dtype, options.device, stop);
    if (!network) return api::fail(network.error());
    into = std::move(*network);
    return {};
  };
  using enum weights::NetworkKind;
  switch (kind) {
    case TextEncoder:
      return read(model.textEncoder, configs.text, options.dtype);
    case TextEncoder2:
      if (!configs.text2) return {};
      return read(model.textEncoder2, *configs.text2, options.dtype);
    case UNet:
      return read(model.unet, configs.unet, options.dtype);
    case Vae:
      return read(model.vae, configs.vae, options.vaeDtype);
  }
  return {};
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
  const std::int64_t channels = configs.vae.latentChannels;
  if (configs.unet.inChannels != channels && configs.unet.inChannels != 2 * channels + 1)
    return refuse("it is a model for " + stored.variant + ", which is not computed yet");
  const auto loadTokenizer = [&](const weights::TokenizerFiles& from,
                                 const ClipTextConfig& text) -> api::Result<text::ClipTokenizer> {
    auto loaded = text::ClipTokenizer::load(from.folder, from.pad);
    if (loaded && loaded->vocabularySize() > text.vocabSize)
      return api::fail(
          stored.isFolder ? api::ErrorCode::BadModelFolder : api::ErrorCode::BadModelFile,
          {{stored.isFolder ? "folder" : "file", stored.path.string()},
           {"reason", "the tokenizer has more entries than the text encoder"}});
    return loaded;
  };
  auto tokenizer = loadTokenizer(stored.tokenizer, configs.text);
  if (!tokenizer) return api::fail(tokenizer.error());
  StableDiffusion model{{}, std::move(*tokenizer), {}, {}, {}, configs.schedule, {}};
  if (configs.text2) {
    auto second = loadTokenizer(stored.tokenizer2, *configs.text2);
    if (!second) return api::fail(second.error());
    model.tokenizer2 = std::move(*second);
  }

  auto hash = std::async(std::launch::async, [&stored] { return weights::weightHash(stored); });
  using enum weights::NetworkKind;
  for (const weights::NetworkKind kind : {TextEncoder, TextEncoder2, UNet, Vae})
    if (auto read = readNetwork(model, stored, kind, options, stop); !read)
      return api::fail(read.error());
  auto hashed = hash.get();
  if (!hashed) return api::fail(hashed.error());
  model.weightHash = std::move(*hashed);
  if (stop.stop_requested())
    model.textEncoder = model.textEncoder2 = {}, model.unet = {}, model.vae = {};
  model.files = std::move(stored);
  return model;
}

void putAway(StableDiffusion& model, const std::vector<weights::NetworkKind>& kinds) {
  using enum weights::NetworkKind;
  for (const weights::NetworkKind kind : kinds) {
    if (kind == TextEncoder) model.textEncoder = {};
    if (kind == TextEncoder2) model.textEncoder2 = {};
    if (kind == UNet) model.unet = {};
    if (kind == Vae) model.vae = {};
  }
  if (!kinds.empty()) tensor::releaseHostMemory();
}

api::Result<bool> bringBack(StableDiffusion& model,
                            const std::vector<weights::NetworkKind>& kinds,
                            const LoadOptions& options,
                            std::stop_token stop) {
  for (const weights::NetworkKind kind : kinds)
    if (auto read = readNetwork(model, model.files, kind, options, stop); !read)
      return api::fail(read.error());
  return !stop.stop_requested();
}

api::Result<StableDiffusion> loadStableDiffusion(const weights::ModelFiles& files,
                                                 const LoadOptions& options,
                                                 std::stop_token stop) {
  auto stored = weights::openModel(files);
  if (!stored) return api::fail(stored.error());
  return loadNetworks(std::move(*stored), options, stop);
}

}  // namespace likeness::nn
