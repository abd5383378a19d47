// The rows of the plain members of requests.
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
