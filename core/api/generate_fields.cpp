// The table of a request for pictures.
#include "core/api/requests.h"

namespace likeness::api {

template <>
std::span<const Field<GenerateRequest>> fields<GenerateRequest>() {
  using S = GenerateRequest;
  constexpr double kMaxSide = 4096;
  static constexpr std::array rows{
      field<&S::prompt>(
          {.key = "prompt",
           .label = "Prompt",
           .help = "What the picture shows. {subject} stands for identifier and class word, "
                   "(word:1.2) weighs more, [word] less, {a|b} is one of the two."}),
      field<&S::negativePrompt>(
          {.key = "negative", .label = "Avoid", .help = "What the picture should not show."}),
      field<&S::prompts>({.key = "prompts",
                          .label = "Prompts",
                          .help = "Several prompts in place of one, each for `count` pictures."}),
      field<&S::embeddings>({.key = "embeddings",
                             .label = "Embeddings",
                             .help = "Files of textual inversions: the name of each, without its "
                                     "ending, becomes a word for prompts."}),
      field<&S::promptSyntax>(
          {.key = "promptSyntax",
           .label = "Prompt syntax",
           .help = "a1111 reads weights, BREAK, {a|b} and prompts of any length; plain takes every "
                   "character as it is and cuts what does not fit.",
           .advanced = true}),
      field<&S::promptTemplate>(
          {.key = "promptTemplate", .label = "Template", .help = "What the prompt was made of."}),
      field<&S::negativeTemplate>({.key = "negativeTemplate",
                                   .label = "Negative template",
                                   .help = "What the negative prompt was made of."}),
      field<&S::seed>({.key = "seed",
                       .label = "Seed",
                       .help = "The same seed and settings give the same picture; the next picture "
                               "has the next seed.",
                       .min = 0,
                       .max = 9007199254740991.0,
                       .step = 1}),
      field<&S::count>({.key = "count",
                        .label = "Pictures",
                        .help = "How many pictures to make of a prompt.",
                        .min = 1,
                        .max = 100000,
                        .step = 1}),
      field<&S::width>({.key = "width",
                        .label = "Width",
                        .help = "A multiple of 8; 0 is what the model was made for.",
                        .unit = "px",
                        .min = 0,
                        .max = kMaxSide,
                        .step = 8}),
      field<&S::height>({.key = "height",
                         .label = "Height",
                         .help = "A multiple of 8; 0 is what the model was made for.",
                         .unit = "px",
                         .min = 0,
                         .max = kMaxSide,
                         .step = 8}),
      field<&S::image>({.key = "image",
                        .label = "Picture",
                        .help = "A picture to begin with; without a size it gives the shape."}),
      field<&S::mask>(
          {.key = "mask",
           .label = "Mask",
           .help = "Of the picture: what is white is drawn anew, what is black stays."}),
      field<&S::strength>({.key = "strength",
                           .label = "Strength",
                           .help = "How far to go from the picture: near 0 it stays as it is, 1 "
                                   "keeps hardly anything.",
                           .min = 0.01,
                           .max = 1,
                           .step = 0.05}),
      field<&S::hiresScale>({.key = "hiresScale",
                             .label = "Second pass",
                             .help = "Enlarges the picture so many times and draws over it, for "
                                     "larger pictures than the model was made for; 1 does not.",
                             .min = 1,
                             .max = 4,
                             .step = 0.25,
                             .advanced = true}),
      field<&S::hiresStrength>({.key = "hiresStrength",
                                .label = "Strength of second pass",
                                .help = "How far the second pass may go from the enlarged picture.",
                                .min = 0.01,
                                .max = 1,
                                .step = 0.05,
                                .advanced = true}),
      field<&S::initialLatents>(
          {.key = "initialLatents",
           .label = "Starting noise",
           .help = "A safetensors file with one tensor `latents` [N, 4, h, w] of standard noise.",
           .advanced = true}),
      field<&S::previewEvery>({.key = "previewEvery",
                               .label = "Preview every",
                               .help = "Sampler steps between previews; 0 shows none.",
                               .unit = "steps",
                               .min = 0,
                               .max = 1000,
                               .step = 1,
                               .advanced = true}),
      field<&S::grid>({.key = "grid",
                       .label = "Contact sheet",
                       .help = "Also writes all pictures side by side as one."}),
  };
  return rows;
}

}  // namespace likeness::api
