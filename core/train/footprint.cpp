// Memory and disk, predicted from shapes.
#include "core/train/footprint.h"

#include <algorithm>

#include "core/base/file_system.h"
#include "core/nn/adapters.h"
#include "core/tensor/device.h"
#include "core/train/optimizer.h"
#include "core/train/trainables.h"
#include "core/weights/stored_model.h"

namespace likeness::train {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kMiB = 1 << 20;
/// Values kept for the backward pass per pixel and channel of each UNet layer: by its resnet, and
/// by each of its transformer blocks. One of each fits 0.74 GiB in bf16 for Stable Diffusion 1.5 at
/// 512 px, and what the starter model takes.
constexpr std::int64_t kKeptByResnet = 12, kKeptByTransformer = 24;
/// The same per token and width of a text-encoder layer.
constexpr std::int64_t kKeptPerTextLayer = 30;
/// Whatever the allocator and the kernels hold besides.
constexpr std::int64_t kSlackMiB = 48;

std::int64_t activationMiB(const ModelSize& size,
                           const api::TrainRequest& recipe,
                           at::ScalarType compute) {
  const auto& channels = size.unet.blockOutChannels;
  std::int64_t side = recipe.training.resolution / size.latentFactor;
  std::int64_t values = 0;
  for (std::size_t level = 0; level < channels.size(); ++level) {
    const auto& perBlock = size.unet.layersPerBlock;
    const std::int64_t layers = 2 * perBlock[std::min(level, perBlock.size() - 1)] + 1;
    const bool attends = size.unet.downBlockTypes[level] == "CrossAttnDownBlock2D";
    const std::int64_t depth =
        attends ? weights::ofBlock(size.unet.transformerLayersPerBlock, level) : 0;
    values += side * side * channels[level] * layers * (kKeptByResnet + depth * kKeptByTransformer);
    side = (side + 1) / 2;
  }
  if (recipe.training.method == api::Method::Full && recipe.training.trainTextEncoder)
    for (const nn::ClipTextConfig& text : size.texts)
      values +=
          text.maxPositionEmbeddings * text.hiddenSize * text.numHiddenLayers * kKeptPerTextLayer;
  const std::int64_t rows = recipe.training.batchSize * (recipe.prior.classImages > 0 ? 2 : 1);
  return rows * values * (compute == at::kBFloat16 ? 2 : 4) / kMiB;
}

/// What goes with trained parameters beside the weights themselves: a number in fp32 each (the
/// gradient in memory, the weight in a checkpoint) and the optimizer's state.
std::int64_t trainedBytes(std::int64_t trained, const api::TrainRequest& recipe) {
  return trained * 4 + trained * optimizerBytesPer1000Parameters(recipe.optimizer) / 1000;
}

std::string megabytes(std::int64_t mib) { return std::to_string(mib) + " MiB"; }

/// The first gentler recipe that fits, as a sentence; changes add up until one does.
std::string whatFits(const ModelSize& size,
                     api::TrainRequest recipe,
                     at::ScalarType compute,
                     std::int64_t available) {
  std::string words;
  const auto fits = [&](const std::string& change) {
    words += (words.empty() ? "" : " and ") + change;
    const std::int64_t needed = trainingMiB(size, recipe, compute);
    if (needed > available) return false;
    words += " (" + megabytes(needed) + ") would fit";
    words.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(words.front())));
    return true;
  };
  if (recipe.training.batchSize > 1) {
    recipe.training.batchSize = 1;
    if (fits("a batch size of 1")) return words;
  }
  if (recipe.training.method == api::Method::Full) {
    recipe.training.method = api::Method::Lora;
    words.clear();
    if (fits("a LoRA instead of full training")) return words;
  }
  while (recipe.training.resolution > 64) {
    recipe.training.resolution = std::max<std::int64_t>(64, recipe.training.resolution / 16 * 8);
    const std::string before = words;
    if (fits("a resolution of " + std::to_string(recipe.training.resolution) + " px")) return words;
    words = before;
  }
  return "No smaller setting of this model would fit";
}

}  // namespace

ModelSize measureModel(const weights::StoredModel& model) {
  ModelSize size;
  using enum weights::NetworkKind;
  for (const auto& [kind, network] : model.networks)
    (kind == UNet  ? size.unetParameters
     : kind == Vae ? size.vaeParameters
                   : size.textParameters) += network.parameters();
  size.unet = model.configs.unet;
  size.texts = {model.configs.text};
  if (model.configs.text2) size.texts.push_back(*model.configs.text2);
  size.latentFactor = model.configs.vae.factor();
  size.resolution = model.resolution();
  size.vaeChannels = model.configs.vae.blockOutChannels.front();
  return size;
}

std::int64_t trainedParameters(const ModelSize& size, const api::TrainRequest& recipe) {
  using weights::NetworkKind;
  const bool adapts = recipe.training.method == api::Method::Lora;
  std::int64_t count = 0;
  const auto add = [&](NetworkKind network,
                       const weights::TensorShapes& tensors,
                       const nn::ClipTextConfig* readByXl) {
    for (const auto& [key, shape] : tensors) {
      if (readByXl && !nn::ClipTextModel::isReadByXl(*readByXl, key)) continue;
      if (isTrainedInFull(recipe, network, key)) count += weights::elementCount(shape);
      constexpr std::string_view weight = ".weight";
      if (!adapts || shape.size() < 2 || !key.ends_with(weight)) continue;
      const std::string module = key.substr(0, key.size() - weight.size());
      if (const auto rank = nn::adapterRank(network, module, recipe.lora); rank > 0)
        for (const auto& [suffix, part] : nn::adapterShapes(shape, rank, recipe.lora))
          count += weights::elementCount(part);
    }
  };
  add(NetworkKind::UNet, weights::networkTensors(size.unet), nullptr);
  const bool xl = size.texts.size() > 1;
  for (const nn::ClipTextConfig& text : size.texts) {
    add(NetworkKind::TextEncoder, weights::networkTensors(text), xl ? &text : nullptr);
    count += recipe.embedding.vectors * text.hiddenSize;
  }
  return count;
}

std::int64_t trainingMiB(const ModelSize& size,
                         const api::TrainRequest& recipe,
                         at::ScalarType compute) {
  const std::int64_t trained = trainedParameters(size, recipe);
  const std::int64_t weights = size.unetParameters + size.textParameters + size.vaeParameters;
  // A frozen UNet lies in memory in the compute dtype, a trained one as fp32 master; bf16 copies of
  // the masters live through the backward pass.
  const bool half = compute == at::kBFloat16;
  const bool frozenUnet = recipe.training.method != api::Method::Full;
  std::int64_t bytes = weights * 4 + trainedBytes(trained, recipe);
  if (half && frozenUnet) bytes -= (size.unetParameters + size.textParameters) * 2;
  if (half && !frozenUnet) bytes += trained * 2;
  // While training, or before it: encoding a photo, six maps at full resolution in fp32.
  const std::int64_t encoding =
      recipe.training.resolution * recipe.training.resolution * size.vaeChannels * 6 * 4;
  const std::int64_t training = bytes / kMiB + activationMiB(size, recipe, compute);
  return std::max(training, (weights * 4 + encoding) / kMiB) + kSlackMiB;
}

std::uint64_t checkpointBytes(const ModelSize& size, const api::TrainRequest& recipe) {
  return static_cast<std::uint64_t>(trainedBytes(trainedParameters(size, recipe), recipe) + kMiB);
}

api::Result<void> checkResources(const ModelSize& size,
                                 const api::TrainRequest& recipe,
                                 const at::Device& device,
                                 at::ScalarType compute) {
  if (device.is_cpu()) {
    std::int64_t available = tensor::availableMemoryMiB();
    if (recipe.compute.memoryLimit > 0) available = std::min(available, recipe.compute.memoryLimit);
    const std::int64_t needed = trainingMiB(size, recipe, compute);
    if (needed > available)
      return api::fail(api::ErrorCode::NotEnoughMemory,
                       {{"needed", std::to_string(needed)},
                        {"available", std::to_string(available)},
                        {"fits", whatFits(size, recipe, compute, available)}});
  }
  // Those kept, the best one, and the one being written.
  const auto generations = static_cast<std::uint64_t>(recipe.checkpoints.keep) + 2;
  const std::uint64_t neededBytes = generations * checkpointBytes(size, recipe);
  const std::uint64_t freeBytes = base::freeBytes(recipe.runFolder);
  if (neededBytes > freeBytes)
    return api::fail(api::ErrorCode::DiskFull,
                     {{"file", recipe.runFolder.string()},
                      {"needed", std::to_string(neededBytes)},
                      {"free", std::to_string(freeBytes)}});
  return {};
}

}  // namespace likeness::train
