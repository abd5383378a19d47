// Stages of a run, and the fullest of them.
#include "core/workspace/training_need.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <vector>

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/weights/trainable_tensors.h"
#include "core/workspace/network_passes.h"
#include "core/workspace/recipe.h"

namespace likeness::workspace {
namespace {

using api::Method;
using weights::NetworkKind;
using Parts = api::TrainingPlan::Memory;

constexpr std::int64_t kMiB = 1 << 20;
/// The program with LibTorch and oneDNN, their threads, compiled kernels and buffers: 180 to 210.
constexpr std::int64_t kProgramMiB = 220;
/// Of bf16, oneDNN compiles kernels for every shape: 30 to 60 for each kind of pass beside the
/// step.
constexpr std::int64_t kKernelsMiB = 65;
/// What weights take beyond their bytes by lying in pages of 2 MiB.
constexpr double kWeightPages = 0.05;
/// Activations come and go in all sizes; a block may be an eighth larger than what lies in it, and
/// what is smaller than 128 KiB leaves holes in malloc's heaps (core/tensor/host_memory.h).
constexpr double kHoles = 0.1;
/// A photo of many pixels while it is decoded and turned.
constexpr std::int64_t kPhotoMiB = 96;
/// Pictures that core/data makes, core/generate decodes and core/train probes at a time.
constexpr std::int64_t kClassBatch = 8, kPixelsPerDecode = 512 * 512, kProbeRows = 8;
/// core/nn/tiled_autoencoder.h
constexpr std::int64_t kTiledAbove = 1024 * 1024, kTile = 96;
/// Bytes of a pixel of a PNG file of a photo's kind; of what is around a picture's latents.
constexpr double kPngBytes = 1.8;
constexpr std::int64_t kCacheHeader = 1024;

double asDouble(std::int64_t value) { return static_cast<double>(value); }
std::int64_t toMiB(std::int64_t bytes) { return (bytes + kMiB - 1) / kMiB; }

/// visit(network, key, shape) of every tensor of UNet and text encoders on which something depends.
template <class Visit>
void forEachTensor(const weights::ModelConfigs& configs, const Visit& visit) {
  for (const auto& [key, shape] : weights::networkTensors(configs.unet))
    visit(NetworkKind::UNet, key, shape);
  const auto text = [&](NetworkKind network, const weights::ClipTextConfig& config) {
    for (const auto& [key, shape] : weights::networkTensors(config))
      if (!configs.text2 || weights::isReadByXl(config, key)) visit(network, key, shape);
  };
  text(NetworkKind::TextEncoder, configs.text);
  if (configs.text2) text(NetworkKind::TextEncoder2, *configs.text2);
}

std::int64_t countOf(const weights::TensorShapes& tensors, std::string_view prefix = {}) {
  std::int64_t count = 0;
  for (const auto& [key, shape] : tensors)
    if (key.starts_with(prefix)) count += weights::elementCount(shape);
  return count;
}

bool isGuided(const api::SamplingOptions& sampling) { return sampling.guidance != 1; }

/// How often the UNet is asked for one picture.
std::int64_t evaluations(const api::SamplingOptions& sampling) {
  using enum api::SamplerKind;
  return sampling.steps * (sampling.sampler == Heun || sampling.sampler == DpmppSde ? 2 : 1);
}

std::int64_t pictureBytes(const api::TrainRequest& recipe) {
  const double side = asDouble(recipe.training.resolution);
  return static_cast<std::int64_t>(side * side * kPngBytes);
}

/// Pictures of all classes that are trained, at most.
std::int64_t classPictures(const api::TrainRequest& recipe) {
  const auto classes = api::classesOf(recipe);
  return recipe.prior.classImages *
         static_cast<std::int64_t>(std::set(classes.begin(), classes.end()).size());
}

/// How often something happens that is due every so many steps, and at the begin and end.
std::int64_t timesDue(std::int64_t every, std::int64_t steps) {
  return every > 0 ? 2 + (steps - 1) / every : 0;
}

/// One run, and the passes through its networks.
class Run {
 public:
  Run(const weights::ModelConfigs& configs,
      const api::TrainRequest& recipe,
      const RunConditions& conditions)
      : m_configs(configs),
        m_recipe(recipe),
        m_conditions(conditions),
        m_trained(trainedPart(configs, recipe)),
        m_compute(conditions.bf16 ? 2 : 4),
        m_master(recipe.training.method != Method::Full ? m_compute
                 : recipe.memory.bf16Weights            ? 2
                                                        : 4) {}

  Parts fullest() const {
    const std::int64_t vae = countOf(weights::networkTensors(m_configs.vae)) * 4;
    const std::int64_t stored = vae + (textParameters() + unetParameters()) * m_master;
    const std::int64_t text = textParameters() * (m_master + copyBytes());
    // Copies come with the first use, those of the decoder with the first picture.
    const std::int64_t used = vae + text + unetParameters() * (m_master + copyBytes());
    const std::int64_t decoder =
        m_compute == 2 ? countOf(weights::networkTensors(m_configs.vae), "decoder.") * 2 : 0;
    const std::int64_t all = used + learned(), state = m_trained.optimizerBytes;
    const bool makesSamples = m_recipe.watch.sampleEvery > 0;

    Pass encoding({});
    passEncoder(encoding, m_configs.vae, {1, side(), side()});
    std::vector<Parts> stages{parts(stored, 0, 0, kPhotoMiB), parts(stored, 0, encoding)};
    if (const std::int64_t batch = classBatch(used + decoder); batch > 0) {
      stages.push_back(parts(used + decoder, 0, samplingPass(batch, m_recipe.prior.sampling)));
      stages.push_back(parts(used + decoder, 0, decodingPass(batch)));
    }
    if (makesSamples) {
      stages.push_back(
          parts(all + decoder, state, samplingPass(1, m_recipe.watch.sampling, &m_recipe)));
      stages.push_back(parts(all + decoder, state, decodingPass(1)));
    }
    const bool decodes = makesSamples || m_conditions.classImages > 0;
    const std::int64_t awake = m_recipe.memory.offload ? all - vae - (everReadsText() ? 0 : text)
                                                       : all + (decodes ? decoder : 0);
    if (m_recipe.watch.probeEvery > 0) stages.push_back(parts(awake, state, probingPass()));
    stages.push_back(parts(awake, state, stepPass(m_recipe)));
    if (learnsWord()) stages.push_back(parts(awake, state, stepPass(learningTheWord())));
    return *std::ranges::max_element(stages, {}, &Parts::total);
  }

  double stepFlops() const {
    return stepPass(m_recipe).flops() * asDouble(m_recipe.training.gradientAccumulation);
  }
  double pictureFlops(const api::SamplingOptions& sampling) const {
    return samplingPass(1, sampling).flops() * asDouble(evaluations(sampling)) +
           decodingPass(1).flops();
  }
  double encodingFlops() const {
    Pass pass({});
    passEncoder(pass, m_configs.vae, {1, side(), side()});
    return pass.flops();
  }
  double probeFlops() const { return probingPass().flops() * (hasClasses() ? 2 : 1); }

 private:
  std::int64_t side() const { return m_recipe.training.resolution; }
  bool hasClasses() const { return m_recipe.prior.classImages > 0; }
  /// Of a copy of each weight, where it is computed in another type than it lies in.
  std::int64_t copyBytes() const { return m_master == m_compute ? 0 : m_compute; }
  std::int64_t textParameters() const {
    return countOf(weights::networkTensors(m_configs.text)) +
           (m_configs.text2 ? countOf(weights::networkTensors(*m_configs.text2)) : 0);
  }
  std::int64_t unetParameters() const { return countOf(weights::networkTensors(m_configs.unet)); }
  /// What is trained beside the networks' own weights, with its copies.
  std::int64_t learned() const {
    if (m_recipe.training.method != Method::Lora) return 0;
    return m_trained.parameters * (4 + (m_compute == 2 ? 2 : 0));
  }
  bool learnsWord() const { return m_recipe.embedding.vectors > 0; }
  bool everReadsText() const { return learnsWord() || trainsTextEncoder(m_recipe); }
  api::TrainRequest learningTheWord() const {
    api::TrainRequest recipe = m_recipe;
    recipe.training.method = Method::TextualInversion;
    return recipe;
  }
  Extent latents(std::int64_t rows) const {
    const std::int64_t size = side() / m_configs.vae.factor();
    return {rows, size, size};
  }

  /// Of a stage, from MiB and bytes.
  Parts parts(std::int64_t weights,
              std::int64_t gradients,
              std::int64_t state,
              std::int64_t activationsMiB) const {
    const double pages = kWeightPages * asDouble(toMiB(weights));
    return {toMiB(weights),
            toMiB(gradients),
            toMiB(state),
            activationsMiB,
            kProgramMiB + kernelsMiB() + static_cast<std::int64_t>(pages)};
  }
  std::int64_t kernelsMiB() const {
    const auto& watch = m_recipe.watch;
    const int kinds =
        (m_conditions.classImages > 0) + (watch.sampleEvery > 0) + (watch.probeEvery > 0);
    return m_compute == 2 ? kinds * kKernelsMiB : 0;
  }
  Parts parts(std::int64_t weights, std::int64_t state, const Pass& pass) const {
    const std::int64_t gradients = pass.gradientsAtPeak();
    const double activations = asDouble(pass.peak() - gradients) * (1 + kHoles);
    return parts(weights, gradients, state, toMiB(static_cast<std::int64_t>(activations)));
  }

  /// What the UNet listens to: encoded in this pass where a step of the recipe does so.
  Ghost words(Pass& pass, std::int64_t rows, const api::TrainRequest& recipe) const {
    const bool word = recipe.training.method == Method::TextualInversion;
    if (!word && !trainsTextEncoder(recipe))
      return pass.input(
          {rows, 1, m_configs.text.maxPositionEmbeddings, m_configs.unet.crossAttentionDim});
    Ghost text = passText(pass, NetworkKind::TextEncoder, m_configs.text, rows, word);
    if (!m_configs.text2) return text;
    return pass.cat(text, passText(pass, NetworkKind::TextEncoder2, *m_configs.text2, rows, word));
  }

  Pass stepPass(const api::TrainRequest& recipe) const {
    Pass pass({.valueBytes = m_compute,
               .masterBytes = recipe.training.method == Method::Full ? m_master : 4,
               .records = true,
               .checkpointing = recipe.memory.checkpointing,
               .stepInBackward = recipe.memory.stepInBackward,
               .recipe = &recipe});
    const std::int64_t rows = recipe.training.batchSize * (hasClasses() ? 2 : 1);
    pass.backward(passUnet(pass, m_configs.unet, latents(rows), words(pass, rows, recipe)));
    return pass;
  }

  Pass probingPass() const {
    Pass pass({.valueBytes = m_compute, .recipe = &m_recipe});
    passUnet(pass, m_configs.unet, latents(kProbeRows), words(pass, kProbeRows, m_recipe));
    return pass;
  }

  Pass samplingPass(std::int64_t pictures,
                    const api::SamplingOptions& sampling,
                    const api::TrainRequest* adapters = nullptr) const {
    Pass pass({.valueBytes = m_compute, .recipe = adapters});
    const std::int64_t rows = pictures * (isGuided(sampling) ? 2 : 1);
    const Ghost text = pass.input(
        {rows, 1, m_configs.text.maxPositionEmbeddings, m_configs.unet.crossAttentionDim});
    passUnet(pass, m_configs.unet, latents(rows), text, true);
    return pass;
  }

  Pass decodingPass(std::int64_t pictures) const {
    Pass pass({.valueBytes = m_compute});
    const std::int64_t pixels = side() * side();
    Extent part = latents(std::min(pictures, std::max<std::int64_t>(1, kPixelsPerDecode / pixels)));
    if (pixels > kTiledAbove) part.height = part.width = std::min(part.width, kTile);
    passDecoder(pass, m_configs.vae, part);
    return pass;
  }

  /// Class pictures that are made at a time; 0 = none are.
  std::int64_t classBatch(std::int64_t weights) const {
    std::int64_t batch = std::min(kClassBatch, m_conditions.classImages);
    while (batch > 1 && m_conditions.availableMiB > 0 &&
           parts(weights, 0, samplingPass(batch, m_recipe.prior.sampling)).total() >
               m_conditions.availableMiB)
      --batch;
    return batch;
  }

  const weights::ModelConfigs& m_configs;
  const api::TrainRequest& m_recipe;
  const RunConditions& m_conditions;
  const TrainedPart m_trained;
  const std::int64_t m_compute, m_master;  ///< bytes of a value
};

/// The first gentler recipe that fits, as a sentence; changes add up until one does. Those that
/// leave the result as it is come first.
std::string whatFits(const weights::ModelConfigs& configs,
                     api::TrainRequest recipe,
                     const RunConditions& conditions) {
  std::string words;
  std::int64_t needed = peakMemory(configs, recipe, conditions).total();
  /// Whether it fits now; a change that saves nothing is not made.
  const auto fits = [&](const std::string& change, const auto& make) {
    api::TrainRequest changed = recipe;
    make(changed);
    const std::int64_t then = peakMemory(configs, changed, conditions).total();
    if (then >= needed) return false;
    needed = then, recipe = std::move(changed);
    words += (words.empty() ? "" : " and ") + change;
    if (needed > conditions.availableMiB) return false;
    words += " (" + std::to_string(needed) + " MiB) would fit";
    words.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(words.front())));
    return true;
  };
  if (fits("checkpointing", [](auto& r) { r.memory.checkpointing = true; })) return words;
  if (fits("offload", [](auto& r) { r.memory.offload = true; })) return words;
  if (fits("a batch size of 1", [](auto& r) { r.training.batchSize = 1; })) return words;
  if (recipe.training.method == Method::Full &&
      fits("a LoRA instead of full training", [](auto& r) {
        r.training.method = Method::Lora;
        r.memory.bf16Weights = false;
      }))
    return words;
  const std::string before = words;
  while (recipe.training.resolution > 64) {
    const std::int64_t smaller = std::max<std::int64_t>(64, recipe.training.resolution / 16 * 8);
    words = before;
    if (fits("a resolution of " + std::to_string(smaller) + " px",
             [&](auto& r) { r.training.resolution = smaller; }))
      return words;
    recipe.training.resolution = smaller;
  }
  return "No smaller setting of this model would fit";
}

}  // namespace

std::int64_t optimizerBytes(const weights::Shape& shape, const api::OptimizerOptions& options) {
  /// core/train/adamw8bit.cpp: smaller tensors are not quantized, larger ones in blocks.
  constexpr std::int64_t kSmall = 4096, kBlock = 256;
  const std::int64_t n = weights::elementCount(shape);
  const auto slots = [&]() -> std::int64_t {
    switch (options.kind) {
      case api::OptimizerKind::AdamW:
      case api::OptimizerKind::ScheduleFree:
        return 8 * n;
      case api::OptimizerKind::AdamW8bit:
        return n < kSmall ? 8 * n : 2 * (n + 4 * ((n + kBlock - 1) / kBlock));
      case api::OptimizerKind::Adafactor:
        return shape.size() < 2 || shape[0] < 2 || n == shape[0] ? 4 * n
                                                                 : 4 * (shape[0] + n / shape[0]);
      case api::OptimizerKind::Prodigy:
        return 16 * n;
      case api::OptimizerKind::Lion:
        return 4 * n;
    }
    return 0;
  };
  return slots() + (options.ema > 0 ? 4 * n : 0);
}

TrainedPart trainedPart(const weights::ModelConfigs& configs, const api::TrainRequest& recipe) {
  const bool adapts = recipe.training.method == Method::Lora;
  const bool savesTrained =
      recipe.optimizer.ema > 0 || recipe.optimizer.kind == api::OptimizerKind::ScheduleFree;
  const std::int64_t master =
      recipe.training.method == Method::Full && recipe.memory.bf16Weights ? 2 : 4;
  TrainedPart part;
  const auto train = [&](const weights::Shape& shape) {
    const std::int64_t count = weights::elementCount(shape),
                       state = optimizerBytes(shape, recipe.optimizer);
    part.parameters += count;
    part.optimizerBytes += state;
    // Averages lie in memory beside the state; in a checkpoint the trained weights do.
    part.savedBytes += state + (savesTrained && recipe.optimizer.ema == 0 ? 4 * count : 0);
  };
  std::map<NetworkKind, std::int64_t> whole;  ///< values of networks of which something is trained
  forEachTensor(configs, [&](NetworkKind network, const std::string& key, const auto& shape) {
    if (isTrainedInFull(recipe, network, key)) {
      train(shape);
      whole[network];
    }
    constexpr std::string_view weight = ".weight";
    if (!adapts || shape.size() < 2 || !key.ends_with(weight)) return;
    const std::string module = key.substr(0, key.size() - weight.size());
    if (const auto rank = weights::adapterRank(network, module, recipe.lora); rank > 0)
      for (const auto& [suffix, own] : weights::adapterShapes(shape, rank, recipe.lora)) train(own);
  });
  if (adapts) part.savedBytes += part.parameters * 4;
  forEachTensor(configs, [&](NetworkKind network, const std::string&, const auto& shape) {
    if (whole.contains(network)) part.savedBytes += weights::elementCount(shape) * master;
  });
  for (const weights::ClipTextConfig* text :
       {&configs.text, configs.text2 ? &*configs.text2 : nullptr})
    if (text && recipe.embedding.vectors > 0) {
      const std::int64_t vectors =
          recipe.embedding.vectors * static_cast<std::int64_t>(1 + recipe.furtherSubjects.size());
      train({vectors, text->hiddenSize});
      part.savedBytes += vectors * text->hiddenSize * 4;
    }
  return part;
}

Parts peakMemory(const weights::ModelConfigs& configs,
                 const api::TrainRequest& recipe,
                 const RunConditions& conditions) {
  return Run(configs, recipe, conditions).fullest();
}

api::TrainingPlan::Disk diskUse(const weights::ModelConfigs& configs,
                                const api::TrainRequest& recipe,
                                const RunConditions& conditions) {
  const auto bytes = [](std::int64_t count) { return static_cast<std::uint64_t>(count); };
  const auto photos = api::photoCount(recipe);
  const bool jitters = recipe.data.cropJitter > 0 || recipe.data.colorJitter > 0;
  const std::int64_t latents =
      photos * (jitters ? recipe.data.augmentations : 1) * (recipe.training.flip ? 2 : 1) +
      classPictures(recipe);
  const std::int64_t side = recipe.training.resolution / configs.vae.factor();
  const std::int64_t samples = timesDue(recipe.watch.sampleEvery, recipe.training.steps) *
                               static_cast<std::int64_t>(api::samplePrompts(recipe).size());
  return {
      bytes(recipe.checkpoints.keep + 2) * bytes(trainedPart(configs, recipe).savedBytes + kMiB),
      bytes((conditions.classImages + samples) * pictureBytes(recipe)),
      bytes(latents * (2 * 4 * configs.vae.latentChannels * side * side + kCacheHeader))};
}

Work workOf(const weights::ModelConfigs& configs,
            const api::TrainRequest& recipe,
            const RunConditions& conditions,
            std::int64_t steps) {
  const Run run(configs, recipe, conditions);
  const auto photos = api::photoCount(recipe);
  Work work{run.stepFlops(), 0};
  work.beside = asDouble(photos + classPictures(recipe)) * run.encodingFlops();
  if (conditions.classImages > 0)
    work.beside += asDouble(conditions.classImages) * run.pictureFlops(recipe.prior.sampling);
  if (const auto times = timesDue(recipe.watch.sampleEvery, steps); times > 0)
    work.beside += asDouble(times) * static_cast<double>(api::samplePrompts(recipe).size()) *
                   run.pictureFlops(recipe.watch.sampling);
  if (const auto times = timesDue(recipe.watch.probeEvery, steps); times > 0)
    work.beside += asDouble(times) * run.probeFlops();
  return work;
}

std::optional<api::Error> obstacleTo(const weights::ModelConfigs& configs,
                                     const api::TrainRequest& recipe,
                                     const RunConditions& conditions) {
  if (conditions.availableMiB > 0)
    if (const auto needed = peakMemory(configs, recipe, conditions).total();
        needed > conditions.availableMiB)
      return api::Error{api::ErrorCode::NotEnoughMemory,
                        {{"needed", std::to_string(needed)},
                         {"available", std::to_string(conditions.availableMiB)},
                         {"fits", whatFits(configs, recipe, conditions)}},
                        {}};
  const std::uint64_t needed = diskUse(configs, recipe, conditions).total(),
                      free = base::freeBytes(recipe.runFolder);
  if (needed > free)
    return api::Error{api::ErrorCode::DiskFull,
                      {{"file", recipe.runFolder.string()},
                       {"needed", std::to_string(needed)},
                       {"free", std::to_string(free)}},
                      {}};
  return {};
}

}  // namespace likeness::workspace
