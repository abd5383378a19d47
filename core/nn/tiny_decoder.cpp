#include "core/nn/tiny_decoder.h"

#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <charconv>
#include <cstdlib>
#include <optional>

namespace likeness::nn {
// Named, not anonymous: the Parts below hold these types, and unity builds join files.
namespace tiny {

Conv2d conv3(const Weights& w, std::int64_t in, std::int64_t out) {
  return Conv2d(w, in, out, 3, 1, 1);
}

struct Block {
  Conv2d conv0, conv2, conv4;

  Block(const Weights& w, std::int64_t channels)
      : conv0(conv3(w / "conv" / 0, channels, channels)),
        conv2(conv3(w / "conv" / 2, channels, channels)),
        conv4(conv3(w / "conv" / 4, channels, channels)) {}

  at::Tensor operator()(const at::Tensor& x) const {
    return at::relu(conv4(at::relu(conv2(at::relu(conv0(x))))) + x);
  }
};

/// Blocks at one size, then to the next.
struct Level {
  std::vector<Block> blocks;
  bool upsamples = false;
  Conv2d conv;
};

/// "3.conv.0.weight" of taesd_decoder.safetensors, whose first layer clamps, is diffusers'
/// "decoder.layers.2.conv.0.weight". Empty for what is not the decoder's.
std::string ownKey(const std::string& key) {
  constexpr std::string_view prefix = "decoder.";
  if (key.starts_with(prefix)) return key.substr(prefix.size());
  std::int64_t layer = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), layer);
  return error == std::errc() ? "layers." + std::to_string(layer - 1) + end : std::string();
}

}  // namespace tiny

struct TinyDecoder::Parts {
  Conv2d convIn;
  std::vector<tiny::Level> levels;
};

TinyDecoder::TinyDecoder(const Weights& weights,
                         std::int64_t latentChannels,
                         std::int64_t channels) {
  const Weights layers = weights / "layers";
  Parts parts{tiny::conv3(layers / 0, latentChannels, channels), {}};
  constexpr int blocks[] = {3, 3, 3, 1};
  std::int64_t next = 2;  // after the first convolution and its ReLU
  for (const int count : blocks) {
    const bool last = parts.levels.size() + 1 == std::size(blocks);
    std::vector<tiny::Block> level;
    for (int i = 0; i < count; ++i) level.emplace_back(layers / next++, channels);
    if (!last) ++next;  // the upsampling has a number too
    const Weights place = layers / next++;
    parts.levels.push_back(
        {std::move(level), !last, Conv2d(place, channels, last ? 3 : channels, 3, 1, 1, last)});
  }
  m_parts = std::make_unique<const Parts>(std::move(parts));
}

TinyDecoder::~TinyDecoder() = default;

at::Tensor TinyDecoder::decode(const at::Tensor& latents) const {
  at::Tensor x = at::relu(m_parts->convIn(at::tanh(latents / 3) * 3));
  for (const tiny::Level& level : m_parts->levels) {
    for (const tiny::Block& block : level.blocks) x = block(x);
    if (level.upsamples) x = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
    x = level.conv(x);
  }
  return x * 2 - 1;
}

api::Result<Network<TinyDecoder>> loadTinyDecoder(const std::filesystem::path& file,
                                                  std::int64_t latentChannels,
                                                  at::ScalarType dtype,
                                                  at::Device device) {
  auto read = tensor::loadSafetensors(file);
  if (!read) return api::fail(read.error());
  tensor::StateDict tensors;
  for (auto& [key, value] : *read)
    if (const std::string own = tiny::ownKey(key); !own.empty()) tensors.emplace(own, value);
  const auto first = tensors.find("layers.0.weight");
  const std::int64_t channels =
      first != tensors.end() && first->second.dim() > 0 ? first->second.size(0) : 64;
  Network<TinyDecoder> network;
  network.store =
      std::make_shared<ParameterStore>(std::move(tensors), dtype, device, file.string());
  network.model =
      std::make_shared<const TinyDecoder>(Weights(*network.store), latentChannels, channels);
  if (auto complete = network.store->finish(); !complete) return api::fail(complete.error());
  return network;
}

std::filesystem::path findTinyDecoder(const weights::StoredModel& model) {
  namespace fs = std::filesystem;
  const char* name = model.family == weights::Family::StableDiffusionXl
                         ? "taesdxl_decoder.safetensors"
                         : "taesd_decoder.safetensors";
  std::vector<fs::path> folders;
  if (model.isFolder) folders.push_back(model.path);
  std::error_code error;
  folders.push_back(fs::absolute(model.path, error).lexically_normal().parent_path());
  // What lies in the user's folder knows the latents of the published autoencoders alone.
  const auto& vae = model.configs.vae;
  if (vae.blockOutChannels == std::vector<std::int64_t>{128, 256, 512, 512} &&
      vae.latentChannels == 4) {
    const char *data = std::getenv("XDG_DATA_HOME"), *home = std::getenv("HOME");
    if (data && *data)
      folders.push_back(fs::path(data) / "likeness");
    else if (home && *home)
      folders.push_back(fs::path(home) / ".local/share/likeness");
  }
  for (const fs::path& folder : folders)
    if (fs::is_regular_file(folder / name, error)) return folder / name;
  return {};
}

}  // namespace likeness::nn
