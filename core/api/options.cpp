// The field tables: every option's key, words and limits, once.
#include "core/api/options.h"

#include <cctype>
#include <cstdio>
#include <limits>

namespace likeness::api {
namespace {

constexpr std::string_view kSamplerHelp =
    "The method that turns noise into a picture. DPM++ 2M and UniPC need few steps, DDIM is the "
    "classic, Heun and DPM++ SDE take twice the time per step; LCM needs a model made for it.";
constexpr std::string_view kStepsHelp = "More steps give cleaner pictures and take longer.";
constexpr std::string_view kGuidanceHelp =
    "How closely a picture follows the words. Higher is more literal and more contrasty; 1 turns "
    "guidance off.";
constexpr std::string_view kKarrasHelp =
    "Spends more of the steps on fine detail. For Euler, Heun, DPM++ and UniPC.";
constexpr std::string_view kExponentialHelp =
    "Spends most of the steps on fine detail, in place of Karras spacing. For the same samplers.";
constexpr std::string_view kSpacingHelp =
    "Which noise levels the steps visit. auto does as the model says; trailing begins at pure "
    "noise.";
constexpr std::string_view kZeroSnrHelp =
    "Lets pictures become very dark or very bright. auto does as the model says; only for models "
    "that predict velocity.";
constexpr std::string_view kGuidanceRescaleHelp =
    "Takes back the harsh contrast of strong guidance: 0 not at all, 0.7 is usual with zero SNR.";
constexpr std::string_view kClipSkipHelp =
    "Ends the text encoder this many layers early: 1 is its last layer, 2 the one before, as some "
    "models (of drawings, mostly) were trained.";
constexpr std::string_view kEtaHelp =
    "Fresh noise added in each step: 0 gives the same picture again, 1 is fully random. For DDIM "
    "only.";

/// The rows of SamplingOptions, `Path` leading to them from the struct that owns the table.
template <class S, auto... Path>
struct SamplingRows {
  static constexpr auto sampler(FieldInfo info) {
    return row<&SamplingOptions::sampler>(info, kSamplerHelp);
  }
  static constexpr auto steps(FieldInfo info) {
    info.unit = "steps", info.min = 1, info.max = 1000, info.step = 1;
    return row<&SamplingOptions::steps>(info, kStepsHelp);
  }
  static constexpr auto guidance(FieldInfo info) {
    info.min = 0, info.max = 50, info.step = 0.5;
    return row<&SamplingOptions::guidance>(info, kGuidanceHelp);
  }
  static constexpr auto karras(FieldInfo info) {
    info.advanced = true;
    return row<&SamplingOptions::karras>(info, kKarrasHelp);
  }
  static constexpr auto eta(FieldInfo info) {
    info.advanced = true, info.min = 0, info.max = 1, info.step = 0.1;
    return row<&SamplingOptions::eta>(info, kEtaHelp);
  }
  static constexpr auto exponential(FieldInfo info) {
    info.advanced = true;
    return row<&SamplingOptions::exponential>(info, kExponentialHelp);
  }
  static constexpr auto spacing(FieldInfo info) {
    info.advanced = true;
    return row<&SamplingOptions::spacing>(info, kSpacingHelp);
  }
  static constexpr auto zeroSnr(FieldInfo info) {
    info.advanced = true;
    return row<&SamplingOptions::zeroSnr>(info, kZeroSnrHelp);
  }
  static constexpr auto guidanceRescale(FieldInfo info) {
    info.advanced = true, info.min = 0, info.max = 1, info.step = 0.1;
    return row<&SamplingOptions::guidanceRescale>(info, kGuidanceRescaleHelp);
  }
  static constexpr auto clipSkip(FieldInfo info) {
    info.advanced = true, info.min = 1, info.max = 12, info.step = 1;
    return row<&SamplingOptions::clipSkip>(info, kClipSkipHelp);
  }

 private:
  template <auto Member>
  static constexpr Field<S> row(FieldInfo info, std::string_view help) {
    info.help = help;
    return field<Path..., Member>(info);
  }
};

std::string shortNumber(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.10g", value);
  return buffer;
}

}  // namespace

std::string rangeText(const FieldInfo& info) {
  const bool low = info.min > std::numeric_limits<double>::lowest();
  const bool high = info.max < std::numeric_limits<double>::max();
  if (low && high) return "between " + shortNumber(info.min) + " and " + shortNumber(info.max);
  return low ? "at least " + shortNumber(info.min) : "at most " + shortNumber(info.max);
}

std::string kebabCase(std::string_view key) {
  std::string out;
  for (const char c : key) {
    const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (upper && !out.empty()) out += '-';
    out += upper ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : c;
  }
  return out;
}

template <>
std::span<const Field<SubjectOptions>> fields<SubjectOptions>() {
  using S = SubjectOptions;
  static constexpr std::array rows{
      field<&S::name>({.key = "subjectName",
                       .label = "Name",
                       .help = "Your own name for the subject, shown in the window only."}),
      field<&S::token>({.key = "token",
                        .label = "Identifier",
                        .help = "The rare word that will mean your subject in prompts. It should "
                                "be one token of the model, such as sks."}),
      field<&S::classWord>({.key = "class",
                            .label = "Class word",
                            .help = "What kind of thing it is, in one everyday word: dog, toy, "
                                    "backpack. The model starts from what it "
                                    "knows of this class."}),
      field<&S::subjectPrompt>({.key = "subjectPrompt",
                                .label = "Photo caption",
                                .help = "Describes every photo that has no caption of its own. "
                                        "{subject} stands for identifier and class word.",
                                .advanced = true}),
      field<&S::classPrompt>(
          {.key = "classPrompt",
           .label = "Class caption",
           .help = "Describes the class pictures. It must not contain the identifier.",
           .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<SamplingOptions>> fields<SamplingOptions>() {
  using Rows = SamplingRows<SamplingOptions>;
  static constexpr std::array rows{
      Rows::sampler({.key = "sampler", .label = "Sampler"}),
      Rows::steps({.key = "steps", .label = "Steps"}),
      Rows::guidance({.key = "guidance", .label = "Guidance"}),
      Rows::karras({.key = "karras", .label = "Karras spacing"}),
      Rows::eta({.key = "eta", .label = "Eta"}),
      Rows::exponential({.key = "exponential", .label = "Exponential spacing"}),
      Rows::spacing({.key = "spacing", .label = "Timestep spacing"}),
      Rows::zeroSnr({.key = "zeroSnr", .label = "Zero SNR"}),
      Rows::guidanceRescale({.key = "guidanceRescale", .label = "Guidance rescale"}),
      Rows::clipSkip({.key = "clipSkip", .label = "Clip skip"}),
  };
  return rows;
}

template <>
std::span<const Field<TrainingOptions>> fields<TrainingOptions>() {
  using S = TrainingOptions;
  static constexpr std::array rows{
      field<&S::method>({.key = "method",
                         .label = "Method",
                         .help = "full retrains the whole model: the best likeness and a large "
                                 "file. lora trains a small adapter: "
                                 "faster, less memory, a file of a few megabytes."}),
      field<&S::steps>(
          {.key = "steps",
           .label = "Training steps",
           .help =
               "How many steps to train. 0 computes it from the strength and the number of photos.",
           .unit = "steps",
           .min = 0,
           .max = 1000000,
           .step = 10,
           .advanced = true}),
      field<&S::passesPerPhoto>({.key = "passesPerPhoto",
                                 .label = "How much it learns",
                                 .help = "How often each photo is studied. Too little and the "
                                         "subject is not recognised; too much and "
                                         "every picture looks like the photos.",
                                 .unit = "per photo",
                                 .min = 1,
                                 .max = 10000,
                                 .step = 10}),
      field<&S::batchSize>({.key = "batchSize",
                            .label = "Photos per step",
                            .help = "Photos studied at once, with as many class pictures beside "
                                    "them. More needs more memory.",
                            .min = 1,
                            .max = 64,
                            .step = 1,
                            .advanced = true}),
      field<&S::gradientAccumulation>(
          {.key = "gradientAccumulation",
           .label = "Batches per step",
           .help =
               "Batches gathered before the model changes: like a larger batch without its memory.",
           .min = 1,
           .max = 256,
           .step = 1,
           .advanced = true}),
      field<&S::learningRate>({.key = "learningRate",
                               .label = "How strongly it learns",
                               .help = "Learning rate of the whole model: the size of each change. "
                                       "Lower it if pictures become garish or all alike.",
                               .min = 0,
                               .max = 1,
                               .step = 1e-6,
                               .advanced = true}),
      field<&S::trainTextEncoder>({.key = "trainTextEncoder",
                                   .label = "Train the text encoder",
                                   .help = "Also teaches the part that reads the words. Better "
                                           "likeness, more memory. Full method only.",
                                   .advanced = true}),
      field<&S::textEncoderLearningRate>(
          {.key = "textEncoderLearningRate",
           .label = "Text encoder learning rate",
           .help = "Learning rate of the text encoder alone. 0 uses the common one.",
           .min = 0,
           .max = 1,
           .step = 1e-6,
           .advanced = true}),
      field<&S::lrSchedule>(
          {.key = "lrSchedule",
           .label = "Learning rate over time",
           .help = "constant keeps it, linear and cosine let it fall to zero towards the end.",
           .advanced = true}),
      field<&S::lrWarmup>(
          {.key = "lrWarmup",
           .label = "Warm-up",
           .help = "Part of the steps during which the learning rate rises from zero.",
           .unit = "of the steps",
           .min = 0,
           .max = 1,
           .step = 0.05,
           .advanced = true}),
      field<&S::maxGradNorm>({.key = "maxGradNorm",
                              .label = "Gradient limit",
                              .help = "Longer gradients are shortened to this, which tames single "
                                      "bad steps. 0 turns it off.",
                              .min = 0,
                              .max = 1e6,
                              .step = 0.1,
                              .advanced = true}),
      field<&S::seed>(
          {.key = "seed",
           .label = "Seed",
           .help = "Start of all randomness. The same seed and settings give the same result.",
           .min = 0,
           .max = 9007199254740991.0,
           .step = 1,
           .advanced = true}),
      field<&S::resolution>({.key = "resolution",
                             .label = "Resolution",
                             .help = "Side of the square that photos are cropped to, a multiple of "
                                     "8. 0 uses what the model was made for.",
                             .unit = "px",
                             .min = 0,
                             .max = 4096,
                             .step = 8,
                             .advanced = true}),
      field<&S::flip>({.key = "flip",
                       .label = "Mirror photos",
                       .help = "Mirrors photos at random. Leave it off for faces, writing and "
                               "anything with a left and a right.",
                       .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<LoraOptions>> fields<LoraOptions>() {
  using S = LoraOptions;
  static constexpr std::array rows{
      field<&S::rank>(
          {.key = "rank",
           .label = "Adapter size",
           .help = "Rank of the adapter: how much it can hold. 4 to 32 suit one subject.",
           .min = 1,
           .max = 1024,
           .step = 4}),
      field<&S::alpha>({.key = "alpha",
                        .label = "Adapter alpha",
                        .help = "The adapter acts with alpha / rank. 0 sets it equal to the rank.",
                        .min = 0,
                        .max = 4096,
                        .step = 1,
                        .advanced = true}),
      field<&S::learningRate>(
          {.key = "loraLearningRate",
           .label = "How strongly the adapter learns",
           .help = "Learning rate of an adapter, usually far higher than that of the whole model.",
           .min = 0,
           .max = 1,
           .step = 1e-5,
           .advanced = true}),
      field<&S::targets>({.key = "targets",
                          .label = "Adapted layers",
                          .help = "Ends of the names of the layers that get an adapter.",
                          .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<PriorOptions>> fields<PriorOptions>() {
  using S = PriorOptions;
  using Rows = SamplingRows<S, &S::sampling>;
  static constexpr std::array rows{
      field<&S::classImages>({.key = "classImages",
                              .label = "Class pictures",
                              .help = "Pictures of the class that the model makes itself before "
                                      "training. They keep other dogs from "
                                      "turning into yours. 0 turns the protection off.",
                              .unit = "pictures",
                              .min = 0,
                              .max = 100000,
                              .step = 10}),
      field<&S::weight>({.key = "priorWeight",
                         .label = "Protect the class",
                         .help = "How much keeping the class counts against learning the subject.",
                         .min = 0,
                         .max = 10,
                         .step = 0.1}),
      field<&S::negativePrompt>({.key = "classNegativePrompt",
                                 .label = "Class pictures without",
                                 .help = "What class pictures should not show.",
                                 .advanced = true}),
      Rows::sampler({.key = "classSampler", .label = "Class picture sampler", .advanced = true}),
      Rows::steps({.key = "classSteps", .label = "Class picture steps", .advanced = true}),
      Rows::guidance({.key = "classGuidance", .label = "Class picture guidance", .advanced = true}),
      Rows::karras({.key = "classKarras", .label = "Class picture Karras spacing"}),
      Rows::eta({.key = "classEta", .label = "Class picture eta"}),
      Rows::exponential({.key = "classExponential", .label = "Class picture exponential spacing"}),
      Rows::spacing({.key = "classSpacing", .label = "Class picture timestep spacing"}),
      Rows::zeroSnr({.key = "classZeroSnr", .label = "Class picture zero SNR"}),
      Rows::guidanceRescale(
          {.key = "classGuidanceRescale", .label = "Class picture guidance rescale"}),
      Rows::clipSkip({.key = "classClipSkip", .label = "Class picture clip skip"}),
  };
  return rows;
}

template <>
std::span<const Field<OptimizerOptions>> fields<OptimizerOptions>() {
  using S = OptimizerOptions;
  static constexpr std::array rows{
      field<&S::beta1>({.key = "beta1",
                        .label = "Beta 1",
                        .help = "AdamW's memory of the gradient.",
                        .min = 0,
                        .max = 0.999999,
                        .step = 0.01,
                        .advanced = true}),
      field<&S::beta2>({.key = "beta2",
                        .label = "Beta 2",
                        .help = "AdamW's memory of the gradient's size.",
                        .min = 0,
                        .max = 0.9999999,
                        .step = 0.001,
                        .advanced = true}),
      field<&S::epsilon>({.key = "epsilon",
                          .label = "Epsilon",
                          .help = "Keeps AdamW from dividing by zero.",
                          .min = 1e-30,
                          .max = 1,
                          .step = 1e-8,
                          .advanced = true}),
      field<&S::weightDecay>({.key = "weightDecay",
                              .label = "Weight decay",
                              .help = "Pulls weights gently towards zero in every step.",
                              .min = 0,
                              .max = 10,
                              .step = 0.01,
                              .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<WatchOptions>> fields<WatchOptions>() {
  using S = WatchOptions;
  using Rows = SamplingRows<S, &S::sampling>;
  static constexpr std::array rows{
      field<&S::sampleEvery>({.key = "sampleEvery",
                              .label = "Show samples every",
                              .help = "Steps between sample pictures. 0 is a tenth of the run but "
                                      "at least 50, -1 never.",
                              .unit = "steps",
                              .min = -1,
                              .max = 1000000,
                              .step = 10}),
      field<&S::samplePrompts>({.key = "samplePrompts",
                                .label = "Sample prompts",
                                .help = "One picture is made of each. Keep one of the plain class "
                                        "to see that it stays as it was."}),
      field<&S::sampleSeed>(
          {.key = "sampleSeed",
           .label = "Sample seed",
           .help = "All samples start from the same noise, so that they can be compared.",
           .min = 0,
           .max = 9007199254740991.0,
           .step = 1,
           .advanced = true}),
      Rows::sampler({.key = "sampleSampler", .label = "Sample sampler", .advanced = true}),
      Rows::steps({.key = "sampleSteps", .label = "Sample steps", .advanced = true}),
      Rows::guidance({.key = "sampleGuidance", .label = "Sample guidance", .advanced = true}),
      Rows::karras({.key = "sampleKarras", .label = "Sample Karras spacing"}),
      Rows::eta({.key = "sampleEta", .label = "Sample eta"}),
      Rows::exponential({.key = "sampleExponential", .label = "Sample exponential spacing"}),
      Rows::spacing({.key = "sampleSpacing", .label = "Sample timestep spacing"}),
      Rows::zeroSnr({.key = "sampleZeroSnr", .label = "Sample zero SNR"}),
      Rows::guidanceRescale({.key = "sampleGuidanceRescale", .label = "Sample guidance rescale"}),
      Rows::clipSkip({.key = "sampleClipSkip", .label = "Sample clip skip"}),
      field<&S::probeEvery>({.key = "probeEvery",
                             .label = "Measure every",
                             .help = "Steps between measurements of the true loss. 0 is a "
                                     "twentieth of the run but at least 40, -1 never.",
                             .unit = "steps",
                             .min = -1,
                             .max = 1000000,
                             .step = 10,
                             .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<CheckpointOptions>> fields<CheckpointOptions>() {
  using S = CheckpointOptions;
  static constexpr std::array rows{
      field<&S::every>(
          {.key = "checkpointEvery",
           .label = "Save every",
           .help = "Steps between checkpoints. 0 saves as often as it hardly costs time.",
           .unit = "steps",
           .min = 0,
           .max = 1000000,
           .step = 10,
           .advanced = true}),
      field<&S::keep>(
          {.key = "checkpointKeep",
           .label = "Checkpoints kept",
           .help = "Older ones are removed. At least two, so that a damaged one never ends a run.",
           .min = 2,
           .max = 1000,
           .step = 1,
           .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<ComputeOptions>> fields<ComputeOptions>() {
  using S = ComputeOptions;
  static constexpr std::array rows{
      field<&S::device>({.key = "device",
                         .label = "Compute on",
                         .help = "auto takes the best device; cpu, cuda or cuda:1 choose one.",
                         .advanced = true}),
      field<&S::dtype>({.key = "dtype",
                        .label = "Precision",
                        .help = "bf16 is faster on processors that are made for it, fp32 is exact; "
                                "auto takes bf16 only where it is fast and was checked.",
                        .advanced = true}),
      field<&S::threads>({.key = "threads",
                          .label = "Threads",
                          .help = "0 uses every core.",
                          .min = 0,
                          .max = 1024,
                          .step = 1,
                          .advanced = true}),
      field<&S::memoryLimit>(
          {.key = "memoryLimit",
           .label = "Memory limit",
           .help = "The run is refused when it would need more. 0 allows what is free.",
           .unit = "MiB",
           .min = 0,
           .max = 1e9,
           .step = 256,
           .advanced = true}),
  };
  return rows;
}

}  // namespace likeness::api
