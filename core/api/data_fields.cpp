// The field tables of what is learned from, and of what is watched.
#include "core/api/sampling_rows.h"
#include "core/api/train_options.h"

namespace likeness::api {

template <>
std::span<const Field<LossOptions>> fields<LossOptions>() {
  using S = LossOptions;
  static constexpr std::array rows{
      field<&S::kind>({.key = "lossKind",
                       .label = "Loss",
                       .help = "mse is what models were made with. huber minds single odd pictures "
                               "less; for photos of uneven quality.",
                       .advanced = true}),
      field<&S::huberDelta>(
          {.key = "huberDelta",
           .label = "Huber delta",
           .help = "Errors above it count in proportion instead of squared. Lower forgives more.",
           .min = 0.0001,
           .max = 100,
           .step = 0.1,
           .advanced = true}),
      field<&S::weighting>(
          {.key = "lossWeighting",
           .label = "Weight of noise levels",
           .help = "constant counts all alike. min-snr and debiased even out easy and hard noise "
                   "levels, p2 minds the visible content more; few photos show little difference.",
           .advanced = true}),
      field<&S::minSnrGamma>(
          {.key = "minSnrGamma",
           .label = "Min-SNR gamma",
           .help = "Where min-snr cuts the weight. 5 is usual, 1 evens out more.",
           .min = 0.01,
           .max = 100,
           .step = 1,
           .advanced = true}),
      field<&S::p2Gamma>(
          {.key = "p2Gamma",
           .label = "P2 gamma",
           .help = "How strongly p2 prefers noisy levels. 1 is usual, 0.5 is milder.",
           .min = 0,
           .max = 5,
           .step = 0.5,
           .advanced = true}),
      field<&S::noiseOffset>(
          {.key = "noiseOffset",
           .label = "Noise offset",
           .help = "Shifts whole colours of the noise so that very dark and very bright pictures "
                   "are learned. 0.05 to 0.1 for such photos.",
           .min = 0,
           .max = 1,
           .step = 0.05,
           .advanced = true}),
      field<&S::multiresNoise>(
          {.key = "multiresNoise",
           .label = "Coarse noise",
           .help = "Adds noise of coarser scales, each weaker by this factor, for stronger light "
                   "and composition. 0.3 is usual; 0 adds none.",
           .min = 0,
           .max = 1,
           .step = 0.1,
           .advanced = true}),
      field<&S::inputPerturbation>({.key = "inputPerturbation",
                                    .label = "Input perturbation",
                                    .help = "Noise that the model has to see through without being "
                                            "told. 0.1 is usual against learning photos by heart.",
                                    .min = 0,
                                    .max = 1,
                                    .step = 0.05,
                                    .advanced = true}),
      field<&S::timesteps>({.key = "timesteps",
                            .label = "Noise levels",
                            .help = "uniform trains all noise levels alike. logit-normal prefers "
                                    "the middle ones, where the subject takes shape.",
                            .advanced = true}),
      field<&S::timestepMean>({.key = "timestepMean",
                               .label = "Centre of the noise levels",
                               .help = "Of logit-normal: 0 is the middle. Raise it to prefer noisy "
                                       "levels (composition), lower it for clear ones (detail).",
                               .min = -5,
                               .max = 5,
                               .step = 0.5,
                               .advanced = true}),
      field<&S::timestepSpread>(
          {.key = "timestepSpread",
           .label = "Spread of the noise levels",
           .help = "Of logit-normal: smaller keeps closer to the centre. 1 is usual.",
           .min = 0.05,
           .max = 5,
           .step = 0.1,
           .advanced = true}),
      field<&S::timestepMin>(
          {.key = "timestepMin",
           .label = "Lowest noise level",
           .help = "Only levels from here on are trained. Raise it to leave fine detail as it was.",
           .min = 0,
           .max = 999,
           .step = 50,
           .advanced = true}),
      field<&S::timestepMax>(
          {.key = "timestepMax",
           .label = "Highest noise level",
           .help = "Only levels below it are trained. Lower it to leave composition as it was.",
           .min = 1,
           .max = 1000,
           .step = 50,
           .advanced = true}),
      field<&S::unmaskedWeight>({.key = "unmaskedWeight",
                                 .label = "Outside of masks",
                                 .help = "How much the background outside of a mask counts, for "
                                         "photos that have one. 0 ignores it, 1 ignores the mask.",
                                 .min = 0,
                                 .max = 1,
                                 .step = 0.1,
                                 .advanced = true}),
      field<&S::captionDropout>(
          {.key = "captionDropout",
           .label = "Learn without words",
           .help = "Part of the pictures that are learned without their caption, which keeps "
                   "guidance strong. 0.05 to 0.1 is usual in long runs.",
           .unit = "of the pictures",
           .min = 0,
           .max = 1,
           .step = 0.05,
           .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<DataOptions>> fields<DataOptions>() {
  using S = DataOptions;
  static constexpr std::array rows{
      field<&S::buckets>(
          {.key = "buckets",
           .label = "Keep the shape of photos",
           .help = "Trains tall and wide photos in their own shape instead of cropping all to "
                   "squares. For photos whose subject does not fit a square.",
           .advanced = true}),
      field<&S::bucketStep>(
          {.key = "bucketStep",
           .label = "Sides are multiples of",
           .help = "Shapes are rounded to it. Smaller crops less and makes more shapes.",
           .unit = "px",
           .min = 8,
           .max = 512,
           .step = 8,
           .advanced = true}),
      field<&S::cropJitter>({.key = "cropJitter",
                             .label = "Random crops",
                             .help = "Up to this part of a photo is cut off at random. A little "
                                     "keeps the subject from sitting always in one place.",
                             .unit = "of the photo",
                             .min = 0,
                             .max = 0.5,
                             .step = 0.05,
                             .advanced = true}),
      field<&S::colorJitter>(
          {.key = "colorJitter",
           .label = "Random colours",
           .help = "Changes brightness, contrast and saturation at random. For photos under one "
                   "light only; colours are learned less exactly.",
           .min = 0,
           .max = 1,
           .step = 0.1,
           .advanced = true}),
      field<&S::augmentations>({.key = "augmentations",
                                .label = "Copies of each photo",
                                .help = "How many differently cropped and coloured copies of a "
                                        "photo are prepared, when random crops or colours are on. "
                                        "More vary better and take longer to prepare.",
                                .min = 1,
                                .max = 64,
                                .step = 1,
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
      field<&S::folder>(
          {.key = "classFolder",
           .label = "Own class pictures",
           .help = "A folder of pictures of other things of the class, used in place of pictures "
                   "that the model makes. For classes that the model draws badly.",
           .advanced = true}),
      field<&S::weight>(
          {.key = "priorWeight",
           .label = "Protect the class",
           .help = "How much keeping the class counts against learning the subject. Raise it when "
                   "other things of the class begin to look like the subject.",
           .min = 0,
           .max = 10,
           .step = 0.1}),
      field<&S::negativePrompt>({.key = "classNegativePrompt",
                                 .label = "Class pictures without",
                                 .help = "What class pictures should not show. Fill it in when "
                                         "they come out with flaws of one kind.",
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
std::span<const Field<WatchOptions>> fields<WatchOptions>() {
  using S = WatchOptions;
  using Rows = SamplingRows<S, &S::sampling>;
  static constexpr std::array rows{
      field<&S::sampleEvery>({.key = "sampleEvery",
                              .label = "Show samples every",
                              .help =
                                  "Steps between sample pictures. 0 is a tenth of the run but "
                                  "at least 50, -1 never; more often shows more and costs time.",
                              .unit = "steps",
                              .min = -1,
                              .max = 1000000,
                              .step = 10}),
      field<&S::samplePrompts>({.key = "samplePrompts",
                                .label = "Sample prompts",
                                .help = "One picture is made of each. Keep one of the plain class "
                                        "to see that it stays as it was."}),
      field<&S::sampleSeed>({.key = "sampleSeed",
                             .label = "Sample seed",
                             .help = "All samples start from the same noise, so that they can be "
                                     "compared. Change it when this noise makes odd pictures.",
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
                                     "twentieth of the run but at least 40, -1 never; without it "
                                     "nothing tells when it is enough.",
                             .unit = "steps",
                             .min = -1,
                             .max = 1000000,
                             .step = 10,
                             .advanced = true}),
      field<&S::tensorboard>({.key = "tensorboard",
                              .label = "TensorBoard files",
                              .help = "Also writes curves and samples as event files that "
                                      "TensorBoard reads. Turn it off to save a little disk.",
                              .advanced = true}),
      field<&S::clipModel>(
          {.key = "clipModel",
           .label = "CLIP for likeness",
           .help = "A folder of a CLIP model in Hugging Face's form, which compares samples with "
                   "the photos and with their prompts. Set it when you have one and want numbers "
                   "that other people report too.",
           .advanced = true}),
      field<&S::dinoModel>(
          {.key = "dinoModel",
           .label = "DINO for likeness",
           .help = "A folder of DINO's ViT-S/16 in Hugging Face's form, which compares samples "
                   "with the photos. It agrees with people better than CLIP does; set it when you "
                   "have it.",
           .advanced = true}),
      field<&S::stopEarly>({.key = "stopEarly",
                            .label = "Stop when it is enough",
                            .help = "Ends the run when the subject no longer gets closer while the "
                                    "class drifts away. The best checkpoint is kept either way.",
                            .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<CheckpointOptions>> fields<CheckpointOptions>() {
  using S = CheckpointOptions;
  static constexpr std::array rows{
      field<&S::every>({.key = "checkpointEvery",
                        .label = "Save every",
                        .help = "Steps between checkpoints. 0 saves as often as it hardly costs "
                                "time; set it to have certain steps.",
                        .unit = "steps",
                        .min = 0,
                        .max = 1000000,
                        .step = 10,
                        .advanced = true}),
      field<&S::minutes>({.key = "checkpointMinutes",
                          .label = "Save at least every",
                          .help = "Also saves when so many minutes have passed. 0 leaves it to the "
                                  "steps; set it where power cuts are common.",
                          .unit = "minutes",
                          .min = 0,
                          .max = 100000,
                          .step = 5,
                          .advanced = true}),
      field<&S::keep>({.key = "checkpointKeep",
                       .label = "Checkpoints kept",
                       .help = "Older ones are removed. At least two, so that a damaged one never "
                               "ends a run; more let you go further back.",
                       .min = 2,
                       .max = 1000,
                       .step = 1,
                       .advanced = true}),
  };
  return rows;
}

}  // namespace likeness::api
