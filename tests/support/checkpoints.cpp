// Measures of the published models, divided.
#include "tests/support/checkpoints.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "core/base/file_system.h"
#include "core/base/hash.h"

namespace likeness::support {
namespace fs = std::filesystem;
using namespace weights;

std::map<NetworkKind, KeyMap> Checkpoint::maps() const { return singleFileMaps(family, configs); }

Checkpoint checkpoint(Family family, std::int64_t width, std::int64_t inChannels) {
  Checkpoint model{family, {}, {}};
  ModelConfigs& c = model.configs;
  c.unet.inChannels = inChannels;
  c.vae.blockOutChannels = {128, 256, 512, 512};
  c.vae.layersPerBlock = 2;
  c.text = {49408, 768, 3072, 12, 12, 77, "quick_gelu", 1e-5, 0};
  c.unet.crossAttentionDim = 768;
  if (family != Family::StableDiffusion1) {
    c.unet.useLinearProjection = true;
    c.unet.attentionHeadDim = {5, 10, 20, 20};
  }
  if (family == Family::StableDiffusion2) {
    c.unet.sampleSize = 96;
    c.unet.crossAttentionDim = 1024;
    c.text = {49408, 1024, 4096, 23, 16, 77, "gelu", 1e-5, 0};
    c.schedule.predictionType = PredictionType::VPrediction;
  } else if (family == Family::StableDiffusionXl) {
    c.unet.sampleSize = 128;
    c.unet.crossAttentionDim = 2048;
    c.unet.blockOutChannels = {320, 640, 1280};
    c.unet.attentionHeadDim = {5, 10, 20};
    c.unet.transformerLayersPerBlock = {1, 2, 10};
    c.unet.downBlockTypes = {"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"};
    c.unet.upBlockTypes = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"};
    c.unet.addedInputDim = 2816;
    c.text2 = ClipTextConfig{49408, 1280, 5120, 32, 20, 77, "gelu", 1e-5, 1280};
    c.vae.scalingFactor = 0.13025;
    c.schedule.timestepSpacing = "leading";
  }
  c.vae.sampleSize = c.unet.sampleSize * 8;
  if (width == 1) return model;
  const auto divide = [&](std::int64_t& value) {
    value = std::max<std::int64_t>(1, value / width);
  };
  for (auto& channels : c.unet.blockOutChannels) divide(channels);
  for (auto& channels : c.vae.blockOutChannels) channels /= 4;
  if (c.unet.useLinearProjection) {
    c.unet.attentionHeadDim.clear();
    for (const auto channels : c.unet.blockOutChannels)
      c.unet.attentionHeadDim.push_back(std::max<std::int64_t>(1, channels / 64));
  }
  for (ClipTextConfig* text : {&c.text, c.text2 ? &*c.text2 : &c.text}) {
    text->vocabSize = 300;
    text->hiddenSize = text == &c.text ? 24 : 40;
    text->intermediateSize = 4 * text->hiddenSize;
    text->numAttentionHeads = 1;
    if (text->projectionDim > 0) text->projectionDim = text->hiddenSize;
  }
  c.unet.crossAttentionDim = c.text.hiddenSize + (c.text2 ? c.text2->hiddenSize : 0);
  if (c.text2) c.unet.addedInputDim = c.text2->projectionDim + 6 * c.unet.addedTimeDim;
  return model;
}

std::vector<std::byte> madeUpBytes(const std::string& key,
                                   const Shape& shape,
                                   const std::string& values) {
  std::size_t bytes = 2;
  for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  std::uint64_t state = std::stoull(base::sha256(values + key).substr(0, 15), nullptr, 16);
  std::vector<std::byte> data(bytes);
  for (std::byte& byte : data) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(state >> 56);
  }
  // Without the exponent's highest bit nothing is infinite.
  if (!values.empty())
    for (std::size_t i = 1; i < bytes; i += 2) data[i] &= std::byte{0xBF};
  return data;
}

std::vector<TensorSource> madeUp(const KeyMap& map, const std::string& values) {
  std::vector<TensorSource> sources;
  for (const MappedTensor& tensor : map)
    sources.push_back(
        {tensor.key, ScalarType::F16, tensor.shape, [tensor, values](const auto& sink) {
           return sink(madeUpBytes(tensor.key, tensor.shape, values));
         }});
  return sources;
}

namespace {

std::vector<TensorSource> allSources(const Checkpoint& checkpoint) {
  std::vector<TensorSource> all;
  for (const auto& [kind, map] : checkpoint.maps())
    for (TensorSource& source : toFileLayout(map, madeUp(map, checkpoint.values)))
      all.push_back(std::move(source));
  return all;
}

}  // namespace

void writeSingleFile(const fs::path& file,
                     const Checkpoint& checkpoint,
                     const std::map<std::string, std::string>& metadata,
                     std::vector<TensorSource> extra) {
  for (TensorSource& source : allSources(checkpoint)) extra.push_back(std::move(source));
  if (!writeSafetensors(file, std::move(extra), metadata)) throw std::runtime_error("not written");
}

void writeSparseFile(const fs::path& file,
                     const Checkpoint& checkpoint,
                     const std::map<std::string, std::string>& metadata) {
  auto sources = allSources(checkpoint);
  std::uint64_t bytes = 0;
  for (const TensorSource& source : sources) bytes += byteSize(source);
  const std::string header = layOutHeader(sources, metadata);
  std::ofstream(file, std::ios::binary) << header;
  fs::resize_file(file, header.size() + bytes);
}

weights::StoredModel openModel(const std::filesystem::path& path) {
  weights::ModelFiles files{path};
  files.vocabulary = base::findResources() / "clip";
  auto model = weights::openModel(files);
  if (!model) throw std::runtime_error(api::message(model.error()));
  return std::move(model).value();
}

}  // namespace likeness::support
