// The field tables of how weights are trained.
#include "core/api/train_options.h"

namespace likeness::api {

template <>
std::span<const Field<TrainingOptions>> fields<TrainingOptions>() {
  using S = TrainingOptions;
  static constexpr std::array rows{
      field<&S::method>(
          {.key = "method",
           .label = "Method",
           .help = "full retrains the whole model: the best likeness and a large "
                   "file. lora trains a small adapter: "
                   "faster, less memory, a file of a few megabytes. textual-inversion learns a "
                   "new word alone: the smallest file, the roughest likeness."}),
      field<&S::steps>({.key = "steps",
                        .label = "Training steps",
                        .help = "How many steps to train. 0 computes it from the strength and the "
                                "number of photos; set it to compare runs.",
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
      field<&S::batchSize>(
          {.key = "batchSize",
           .label = "Photos per step",
           .help = "Photos studied at once, with as many class pictures beside "
                   "them. Raise it for steadier training when there is memory to spare.",
           .min = 1,
           .max = 64,
           .step = 1,
           .advanced = true}),
      field<&S::gradientAccumulation>(
          {.key = "gradientAccumulation",
           .label = "Batches per step",
           .help = "Batches gathered before the model changes: like a larger batch without its "
                   "memory. Raise it when training swings and memory is short.",
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
      field<&S::layers>({.key = "layers",
                         .label = "Trained layers",
                         .help = "Parts of the names of the layers that the full method trains; "
                                 "none means all. attn2.to_k and attn2.to_v train as Custom "
                                 "Diffusion does: less memory, and the class is kept better.",
                         .advanced = true}),
      field<&S::trainTextEncoder>(
          {.key = "trainTextEncoder",
           .label = "Train the text encoder",
           .help =
               "Also teaches the part that reads the words. Better likeness, more memory; turn it "
               "off when memory is short. For the full method, adapters have their own switch.",
           .advanced = true}),
      field<&S::textEncoderLearningRate>(
          {.key = "textEncoderLearningRate",
           .label = "Text encoder learning rate",
           .help = "Learning rate of the text encoder alone. 0 uses the common one; a lower one "
                   "keeps scenes closer to the words.",
           .min = 0,
           .max = 1,
           .step = 1e-6,
           .advanced = true}),
      field<&S::textEncoderStop>(
          {.key = "textEncoderStop",
           .label = "Text encoder until",
           .help = "Part of the steps after which the text encoder is left as it is. Lower it when "
                   "scenes are no longer drawn as the words say.",
           .unit = "of the steps",
           .min = 0,
           .max = 1,
           .step = 0.1,
           .advanced = true}),
      field<&S::lrSchedule>({.key = "lrSchedule",
                             .label = "Learning rate over time",
                             .help = "constant keeps it; linear, cosine and polynomial let it fall "
                                     "to zero towards the end, "
                                     "cosine-restarts several times. cosine suits long runs.",
                             .advanced = true}),
      field<&S::lrWarmup>(
          {.key = "lrWarmup",
           .label = "Warm-up",
           .help = "Part of the steps during which the learning rate rises from zero. 0.05 helps "
                   "when the first steps already spoil the pictures.",
           .unit = "of the steps",
           .min = 0,
           .max = 1,
           .step = 0.05,
           .advanced = true}),
      field<&S::lrCycles>({.key = "lrCycles",
                           .label = "Restarts",
                           .help = "How often cosine-restarts falls from the full learning rate to "
                                   "zero. Raise it for runs of thousands of steps.",
                           .min = 1,
                           .max = 1000,
                           .step = 1,
                           .advanced = true}),
      field<&S::lrPower>({.key = "lrPower",
                          .label = "Power",
                          .help = "Of the polynomial schedule: 1 is linear, more falls faster at "
                                  "first. Change it only to repeat a recipe.",
                          .min = 0.1,
                          .max = 10,
                          .step = 0.5,
                          .advanced = true}),
      field<&S::maxGradNorm>(
          {.key = "maxGradNorm",
           .label = "Gradient limit",
           .help = "Longer gradients are shortened to this, which tames single "
                   "bad steps. Lower it when the gradient norm has peaks; 0 turns it off.",
           .min = 0,
           .max = 1e6,
           .step = 0.1,
           .advanced = true}),
      field<&S::seed>({.key = "seed",
                       .label = "Seed",
                       .help = "Start of all randomness. The same seed and settings give the same "
                               "result; another shows how much of it is luck.",
                       .min = 0,
                       .max = 9007199254740991.0,
                       .step = 1,
                       .advanced = true}),
      field<&S::resolution>(
          {.key = "resolution",
           .label = "Resolution",
           .help = "Side of the square that photos are cropped to, a multiple of "
                   "8. 0 uses what the model was made for; lower it when memory is short.",
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
      field<&S::kind>(
          {.key = "loraKind",
           .label = "Adapter kind",
           .help =
               "lora is what every program reads. dora also learns the size of each weight, for a "
               "slightly better likeness at more time per step; lokr is the smallest file.",
           .advanced = true}),
      field<&S::rank>(
          {.key = "rank",
           .label = "Adapter size",
           .help = "Rank of the adapter: how much it can hold. 4 to 32 suit one subject.",
           .min = 1,
           .max = 1024,
           .step = 4}),
      field<&S::convRank>({.key = "convRank",
                           .label = "Adapter size of convolutions",
                           .help = "Rank of adapters of the convolutions (LoCon). 0 leaves them "
                                   "out, which suits most subjects; try 8 for a drawing style.",
                           .min = 0,
                           .max = 1024,
                           .step = 4,
                           .advanced = true}),
      field<&S::lokrFactor>({.key = "lokrFactor",
                             .label = "LoKr factor",
                             .help = "Side of the small factor of a lokr adapter. Lower holds more "
                                     "and makes a larger file.",
                             .min = 2,
                             .max = 128,
                             .step = 2,
                             .advanced = true}),
      field<&S::alpha>({.key = "alpha",
                        .label = "Adapter alpha",
                        .help = "The adapter acts with alpha / rank. 0 sets it equal to the rank; "
                                "change it only to repeat a recipe.",
                        .min = 0,
                        .max = 4096,
                        .step = 1,
                        .advanced = true}),
      field<&S::learningRate>(
          {.key = "loraLearningRate",
           .label = "How strongly the adapter learns",
           .help = "Learning rate of an adapter, usually far higher than that of the whole model. "
                   "Lower it if pictures become garish or all alike.",
           .min = 0,
           .max = 1,
           .step = 1e-5,
           .advanced = true}),
      field<&S::targets>(
          {.key = "targets",
           .label = "Adapted layers",
           .help = "Ends of the names of the layers that get an adapter. Fewer make a smaller "
                   "file; to_q to_k to_v to_out.0 is the usual smaller choice.",
           .advanced = true}),
      field<&S::textEncoder>({.key = "loraTextEncoder",
                              .label = "Adapt the text encoder",
                              .help = "Also puts the adapter on the part that reads the words. "
                                      "Better likeness for faces, scenes follow the words less.",
                              .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<EmbeddingOptions>> fields<EmbeddingOptions>() {
  using S = EmbeddingOptions;
  static constexpr std::array rows{
      field<&S::vectors>({.key = "embeddingVectors",
                          .label = "New word of",
                          .help = "How many vectors a new word gets, learned in place of the rare "
                                  "word. 0 learns none; 1 or 2 suit one subject.",
                          .unit = "vectors",
                          .min = 0,
                          .max = 32,
                          .step = 1,
                          .advanced = true}),
      field<&S::initialWord>({.key = "initialWord",
                              .label = "Begins as",
                              .help = "The word whose meaning the new one begins with. Empty takes "
                                      "the class word; name a closer one when there is one.",
                              .advanced = true}),
      field<&S::learningRate>(
          {.key = "embeddingLearningRate",
           .label = "How strongly the word is learned",
           .help = "Learning rate of the new word. Lower it when pictures fall apart.",
           .min = 0,
           .max = 1,
           .step = 0.001,
           .advanced = true}),
      field<&S::part>(
          {.key = "embeddingPart",
           .label = "Word before weights",
           .help = "Part of the steps in which the word alone is learned, before the weights are "
                   "(pivotal tuning). Textual inversion learns it throughout.",
           .unit = "of the steps",
           .min = 0,
           .max = 1,
           .step = 0.1,
           .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<OptimizerOptions>> fields<OptimizerOptions>() {
  using S = OptimizerOptions;
  static constexpr std::array rows{
      field<&S::kind>(
          {.key = "optimizerKind",
           .label = "Optimizer",
           .help = "adamw is the proven one, adamw8bit the same with a quarter of its memory, "
                   "adafactor needs the least. prodigy finds the learning rate itself (set it to "
                   "1), lion takes a tenth of the rate, schedule-free needs no schedule.",
           .advanced = true}),
      field<&S::beta1>(
          {.key = "beta1",
           .label = "Beta 1",
           .help = "How long the optimizer remembers gradients. Lower it when training swings.",
           .min = 0,
           .max = 0.999999,
           .step = 0.01,
           .advanced = true}),
      field<&S::beta2>(
          {.key = "beta2",
           .label = "Beta 2",
           .help =
               "How long it remembers how large gradients were. 0.99 adapts faster in short runs.",
           .min = 0,
           .max = 0.9999999,
           .step = 0.001,
           .advanced = true}),
      field<&S::epsilon>({.key = "epsilon",
                          .label = "Epsilon",
                          .help = "Keeps the optimizer from dividing by zero. Raise it only when "
                                  "training turns unstable.",
                          .min = 1e-30,
                          .max = 1,
                          .step = 1e-8,
                          .advanced = true}),
      field<&S::weightDecay>({.key = "weightDecay",
                              .label = "Weight decay",
                              .help = "Pulls weights gently towards zero in every step. Raise it a "
                                      "little when long runs become garish.",
                              .min = 0,
                              .max = 10,
                              .step = 0.01,
                              .advanced = true}),
      field<&S::ema>(
          {.key = "ema",
           .label = "Averaged weights",
           .help = "Samples and exports show an average over the last steps: 0.99 is about a "
                   "hundred of them. 0 is off; it helps when results swing between checkpoints.",
           .min = 0,
           .max = 0.99999,
           .step = 0.01,
           .advanced = true}),
  };
  return rows;
}

template <>
std::span<const Field<MemoryOptions>> fields<MemoryOptions>() {
  using S = MemoryOptions;
  static constexpr std::array rows{
      field<&S::checkpointing>(
          {.key = "checkpointing",
           .label = "Compute twice",
           .help =
               "Keeps less for the backward pass and computes it again: much less memory for "
               "about a fifth more time. The result is the same; turn it on when memory is short.",
           .advanced = true}),
      field<&S::stepInBackward>(
          {.key = "stepInBackward",
           .label = "Update while computing",
           .help = "Updates each weight as soon as its gradient is known, so that gradients never "
                   "lie in memory together. For large models; needs one batch per step and no "
                   "gradient limit.",
           .advanced = true}),
      field<&S::bf16Weights>({.key = "bf16Weights",
                              .label = "Half-size weights",
                              .help = "Full method: keeps weights in bf16 and rounds changes at "
                                      "random, for half the memory. Slightly less exact; for "
                                      "models that do not fit otherwise.",
                              .advanced = true}),
      field<&S::offload>(
          {.key = "offload",
           .label = "Put away what rests",
           .help =
               "Parts that are not trained leave the memory while they are not "
               "needed. Turn it on when memory is short; it costs a little time around samples.",
           .advanced = true}),
  };
  return rows;
}

}  // namespace likeness::api
