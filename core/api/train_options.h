// Options of training: one struct per concern, every member documented and listed in the field
// tables in train_fields.cpp and
// data_fields.cpp.
#pragma once

#include "core/api/options.h"

namespace likeness::api {

enum class Method { Full, Lora, TextualInversion };
enum class LrScheduleKind { Constant, Linear, Cosine, CosineRestarts, Polynomial };
/// What an adapter is made of; see LyCORIS and Liu et al. 2024 (DoRA).
enum class LoraKind { Lora, Dora, Lokr };
enum class LossKind { Mse, Huber };
/// How much a timestep's error counts.
enum class LossWeighting { Constant, MinSnr, Debiased, P2 };
enum class TimestepDistribution { Uniform, LogitNormal };
enum class OptimizerKind { AdamW, AdamW8bit, Adafactor, Prodigy, Lion, ScheduleFree };

template <>
struct EnumNames<Method> {
  static constexpr std::array<std::string_view, 3> names{"full", "lora", "textual-inversion"};
};
template <>
struct EnumNames<LrScheduleKind> {
  static constexpr std::array<std::string_view, 5> names{
      "constant", "linear", "cosine", "cosine-restarts", "polynomial"};
};
template <>
struct EnumNames<LoraKind> {
  static constexpr std::array<std::string_view, 3> names{"lora", "dora", "lokr"};
};
template <>
struct EnumNames<LossKind> {
  static constexpr std::array<std::string_view, 2> names{"mse", "huber"};
};
template <>
struct EnumNames<LossWeighting> {
  static constexpr std::array<std::string_view, 4> names{"constant", "min-snr", "debiased", "p2"};
};
template <>
struct EnumNames<TimestepDistribution> {
  static constexpr std::array<std::string_view, 2> names{"uniform", "logit-normal"};
};
template <>
struct EnumNames<OptimizerKind> {
  static constexpr std::array<std::string_view, 6> names{
      "adamw", "adamw8bit", "adafactor", "prodigy", "lion", "schedule-free"};
};

/// What is trained, how long and how fast.
struct TrainingOptions {
  Method method = Method::Full;
  std::int64_t steps = 0;       ///< optimizer steps; 0 = from passesPerPhoto, see plannedSteps()
  double passesPerPhoto = 100;  ///< the strength control
  std::int64_t batchSize = 1;  ///< subject pictures per micro-batch (as many class pictures beside)
  std::int64_t gradientAccumulation = 1;  ///< micro-batches per optimizer step
  double learningRate = 5e-6;             ///< of the full method; effectiveLearningRate() chooses
  std::vector<std::string> layers;        ///< full method: parts of keys of the UNet; empty = all
  bool trainTextEncoder = true;           ///< full method; a LoRA has LoraOptions::textEncoder
  double textEncoderLearningRate = 0;     ///< 0 = that of the method
  double textEncoderStop = 1;             ///< part of the steps after which it stays as it is
  LrScheduleKind lrSchedule = LrScheduleKind::Constant;
  double lrWarmup = 0;        ///< fraction of the steps, 0..1
  std::int64_t lrCycles = 1;  ///< of CosineRestarts
  double lrPower = 2;         ///< of Polynomial
  double maxGradNorm = 1;     ///< 0 = no clipping
  std::int64_t seed = 1;
  std::int64_t resolution = 0;  ///< pixels, multiple of 8; 0 = what the model was made for
  bool flip = false;            ///< mirror photos at random; harmful for text and faces
  bool operator==(const TrainingOptions&) const = default;
};

/// Adapter of the UNet, and of the text encoders when asked for.
struct LoraOptions {
  LoraKind kind = LoraKind::Lora;
  std::int64_t rank = 16;
  double alpha = 0;             ///< 0 = rank
  std::int64_t convRank = 0;    ///< of convolutions (LoCon), with alpha in proportion; 0 = none
  std::int64_t lokrFactor = 8;  ///< LoKr: side of the small factor
  bool textEncoder = false;     ///< also adapts the text encoders' projections
  double learningRate = 1e-4;   ///< in place of TrainingOptions::learningRate
  std::vector<std::string> targets = {
      "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"};
  bool operator==(const LoraOptions&) const = default;
};

/// New words: vectors learned in place of the token's embedding. With the methods full and lora
/// they are learned first (pivotal tuning), with textual-inversion they are all that is learned.
struct EmbeddingOptions {
  std::int64_t vectors = 0;  ///< tokens that the new word stands for; 0 = no new word
  std::string initialWord;   ///< its embedding begins the vectors; empty = the class word
  double learningRate = 5e-3;
  double part = 0.3;  ///< of the steps in which the vectors alone are learned (pivotal tuning)
  bool operator==(const EmbeddingOptions&) const = default;
};

/// What an error is and how much it counts. Both halves of a batch are treated alike, each by its
/// own timesteps.
struct LossOptions {
  LossKind kind = LossKind::Mse;
  double huberDelta = 0.1;  ///< where the Huber loss turns from square to straight
  LossWeighting weighting = LossWeighting::Constant;
  double minSnrGamma = 5;        ///< Hang et al. 2023
  double p2Gamma = 1;            ///< Choi et al. 2022, with k = 1
  double noiseOffset = 0;        ///< of one value per picture and channel, added to the noise
  double multiresNoise = 0;      ///< discount of the coarser noises that are added, 0..1; 0 = none
  double inputPerturbation = 0;  ///< Ning et al. 2023: noise that the target does not know
  TimestepDistribution timesteps = TimestepDistribution::Uniform;
  double timestepMean = 0, timestepSpread = 1;       ///< of the logit
  std::int64_t timestepMin = 0, timestepMax = 1000;  ///< drawn from [min, max), of 1000
  double unmaskedWeight = 0.1;  ///< what counts outside of a photo's mask, 0..1
  double captionDropout = 0;    ///< part of the pictures that are learned without words
  bool operator==(const LossOptions&) const = default;
};

/// How pictures become batches.
struct DataOptions {
  bool buckets = false;            ///< keep photos' aspect ratios, by sizes of about one area
  std::int64_t bucketStep = 64;    ///< sides are multiples of it
  double cropJitter = 0;           ///< part of the photo that a random crop may leave out, 0..0.5
  double colorJitter = 0;          ///< random change of brightness, contrast and saturation, 0..1
  std::int64_t augmentations = 4;  ///< differently cropped and coloured copies of each photo
  bool operator==(const DataOptions&) const = default;
};

/// Prior preservation: pictures of the class made by the base model keep the class as it was.
struct PriorOptions {
  std::filesystem::path folder;    ///< own pictures of the class in place of made ones
  std::int64_t classImages = 100;  ///< 0 = no prior preservation
  double weight = 1;               ///< of the class loss
  std::string negativePrompt;      ///< used when making class images
  SamplingOptions sampling;        ///< keys prefixed "class": classSampler, classSteps, ...
  bool operator==(const PriorOptions&) const = default;
};

/// How gradients change weights. Members are read by the kinds that know them.
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::AdamW;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weightDecay = 0.01;
  double ema = 0;  ///< decay of the averaged weights, shown by samples and exports; 0 = off
  bool operator==(const OptimizerOptions&) const = default;
};

/// What is given for less memory.
struct MemoryOptions {
  bool checkpointing = false;   ///< activations are computed again in the backward pass
  bool stepInBackward = false;  ///< each weight is updated as soon as its gradient is there
  bool bf16Weights = false;     ///< full method: weights kept in bf16, rounded at random
  bool offload = false;         ///< frozen parts leave the device while they are not needed
  bool operator==(const MemoryOptions&) const = default;
};

/// Watching: pictures and the probe loss during training.
struct WatchOptions {
  std::int64_t sampleEvery = 0;  ///< steps; 0 = a tenth of the run, at least 50; negative = never
  std::vector<std::string> samplePrompts = {
      "a photo of {subject}", "{subject} on the beach", "a photo of {class}"};
  std::int64_t sampleSeed = 1;
  SamplingOptions sampling{SamplerKind::Dpmpp2m, 20, 5.0, false, 0};  ///< keys prefixed "sample"
  /// Steps; 0 = a twentieth of the run, at least 40; negative = never.
  std::int64_t probeEvery = 0;
  bool tensorboard = true;  ///< event files beside metrics.csv
  /// Vision models that judge likeness, folders in Hugging Face's form: CLIP, and DINO's ViT; empty
  /// = the probes alone.
  std::filesystem::path clipModel{}, dinoModel{};
  bool stopEarly = false;  ///< ends the run when likeness no longer grows and the class drifts
  bool operator==(const WatchOptions&) const = default;
};

struct CheckpointOptions {
  std::int64_t every = 0;  ///< steps; 0 = as often as writing stays under 5 % of the time
  double minutes = 0;      ///< also after so many minutes; 0 = steps alone
  std::int64_t keep = 2;   ///< generations kept, at least 2
  bool operator==(const CheckpointOptions&) const = default;
};

template <>
std::span<const Field<TrainingOptions>> fields<TrainingOptions>();
template <>
std::span<const Field<LoraOptions>> fields<LoraOptions>();
template <>
std::span<const Field<EmbeddingOptions>> fields<EmbeddingOptions>();
template <>
std::span<const Field<LossOptions>> fields<LossOptions>();
template <>
std::span<const Field<DataOptions>> fields<DataOptions>();
template <>
std::span<const Field<PriorOptions>> fields<PriorOptions>();
template <>
std::span<const Field<OptimizerOptions>> fields<OptimizerOptions>();
template <>
std::span<const Field<MemoryOptions>> fields<MemoryOptions>();
template <>
std::span<const Field<WatchOptions>> fields<WatchOptions>();
template <>
std::span<const Field<CheckpointOptions>> fields<CheckpointOptions>();

}  // namespace likeness::api
