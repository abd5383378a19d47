// Option structs: one per concern, every member documented and listed in the field table in
// options.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/api/field.h"

namespace likeness::api {

enum class Method { Full, Lora };
enum class DType { Auto, Fp32, Bf16 };
enum class FileDType { Fp16, Bf16, Fp32 };
enum class SamplerKind { Ddim, Euler, Dpmpp2m };
enum class LrScheduleKind { Constant, Linear, Cosine };
enum class ExportFormat { Diffusers, KohyaLora };

template <>
struct EnumNames<Method> {
  static constexpr std::array<std::string_view, 2> names{"full", "lora"};
};
template <>
struct EnumNames<DType> {
  static constexpr std::array<std::string_view, 3> names{"auto", "fp32", "bf16"};
};
template <>
struct EnumNames<FileDType> {
  static constexpr std::array<std::string_view, 3> names{"fp16", "bf16", "fp32"};
};
template <>
struct EnumNames<SamplerKind> {
  static constexpr std::array<std::string_view, 3> names{"ddim", "euler", "dpmpp_2m"};
};
template <>
struct EnumNames<LrScheduleKind> {
  static constexpr std::array<std::string_view, 3> names{"constant", "linear", "cosine"};
};
template <>
struct EnumNames<ExportFormat> {
  static constexpr std::array<std::string_view, 2> names{"diffusers", "kohya-lora"};
};

/// Who is learned, and the words for it. Prompts hold `{subject}` (= "{token} {class}"), `{token}`,
/// `{class}`.
struct SubjectOptions {
  std::string name;           ///< the person's own name for it, "Bo"
  std::string token = "sks";  ///< one token of the model's vocabulary
  std::string classWord;      ///< "dog"; required
  std::string subjectPrompt = "a photo of {subject}";
  std::string classPrompt = "a photo of {class}";
  bool operator==(const SubjectOptions&) const = default;
};

/// How a picture is made: shared by generation, class images and samples during training.
struct SamplingOptions {
  SamplerKind sampler = SamplerKind::Ddim;
  std::int64_t steps = 50;
  double guidance = 7.5;  ///< 1 = off (one forward per step)
  bool karras = false;    ///< Karras sigmas; euler and dpmpp_2m only
  double eta = 0;         ///< DDIM's stochasticity, 0..1
  bool operator==(const SamplingOptions&) const = default;
};

/// What is trained, how long and how fast.
struct TrainingOptions {
  Method method = Method::Full;
  std::int64_t steps = 0;       ///< optimizer steps; 0 = from passesPerPhoto, see plannedSteps()
  double passesPerPhoto = 100;  ///< the strength control
  std::int64_t batchSize = 1;  ///< subject pictures per micro-batch (as many class pictures beside)
  std::int64_t gradientAccumulation = 1;  ///< micro-batches per optimizer step
  double learningRate = 5e-6;             ///< of the full method; effectiveLearningRate() chooses
  bool trainTextEncoder = true;           ///< full method only; a LoRA trains the UNet alone
  double textEncoderLearningRate = 0;     ///< 0 = learningRate
  LrScheduleKind lrSchedule = LrScheduleKind::Constant;
  double lrWarmup = 0;     ///< fraction of the steps, 0..1
  double maxGradNorm = 1;  ///< 0 = no clipping
  std::int64_t seed = 1;
  std::int64_t resolution = 0;  ///< pixels, multiple of 8; 0 = what the model was made for
  bool flip = false;            ///< mirror photos at random; harmful for text and faces
  bool operator==(const TrainingOptions&) const = default;
};

/// Low-rank adapter of the UNet.
struct LoraOptions {
  std::int64_t rank = 16;
  double alpha = 0;            ///< 0 = rank
  double learningRate = 1e-4;  ///< in place of TrainingOptions::learningRate
  std::vector<std::string> targets = {
      "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"};
  bool operator==(const LoraOptions&) const = default;
};

/// Prior preservation: pictures of the class made by the base model keep the class as it was.
struct PriorOptions {
  std::int64_t classImages = 100;  ///< 0 = no prior preservation
  double weight = 1;               ///< of the class loss
  std::string negativePrompt;      ///< used when making class images
  SamplingOptions sampling;        ///< keys prefixed "class": classSampler, classSteps, ...
  bool operator==(const PriorOptions&) const = default;
};

struct OptimizerOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weightDecay = 0.01;
  bool operator==(const OptimizerOptions&) const = default;
};

/// Watching: pictures and the probe loss during training.
struct WatchOptions {
  std::int64_t sampleEvery = 0;  ///< steps; 0 = a tenth of the run, at least 50; negative = never
  std::vector<std::string> samplePrompts = {
      "a photo of {subject}", "{subject} on the beach", "a photo of {class}"};
  std::int64_t sampleSeed = 1;
  SamplingOptions sampling{SamplerKind::Dpmpp2m, 20, 5.0, false, 0};  ///< keys prefixed "sample"
  std::int64_t probeEvery =
      0;  ///< steps; 0 = a twentieth of the run, at least 40; negative = never
  bool operator==(const WatchOptions&) const = default;
};

struct CheckpointOptions {
  std::int64_t every = 0;  ///< steps; 0 = as often as writing stays under 5 % of the time
  std::int64_t keep = 2;   ///< generations kept, at least 2
  bool operator==(const CheckpointOptions&) const = default;
};

struct ComputeOptions {
  std::string device = "auto";   ///< auto, cpu, cuda, cuda:1
  DType dtype = DType::Auto;     ///< of the computation; masters stay fp32
  std::int64_t threads = 0;      ///< 0 = all cores
  std::int64_t memoryLimit = 0;  ///< MiB; 0 = what is available
  bool operator==(const ComputeOptions&) const = default;
};

template <>
std::span<const Field<SubjectOptions>> fields<SubjectOptions>();
template <>
std::span<const Field<SamplingOptions>> fields<SamplingOptions>();
template <>
std::span<const Field<TrainingOptions>> fields<TrainingOptions>();
template <>
std::span<const Field<LoraOptions>> fields<LoraOptions>();
template <>
std::span<const Field<PriorOptions>> fields<PriorOptions>();
template <>
std::span<const Field<OptimizerOptions>> fields<OptimizerOptions>();
template <>
std::span<const Field<WatchOptions>> fields<WatchOptions>();
template <>
std::span<const Field<CheckpointOptions>> fields<CheckpointOptions>();
template <>
std::span<const Field<ComputeOptions>> fields<ComputeOptions>();

}  // namespace likeness::api
