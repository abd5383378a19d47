// The field tables: every option's key, words and limits, once.
#include "core/api/options.h"

#include <cctype>
#include <cstdio>
#include <limits>

#include "core/api/sampling_rows.h"

namespace likeness::api {
namespace {

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
      field<&S::name>(
          {.key = "subjectName",
           .label = "Name",
           .help =
               "Your own name for the subject, shown in the window only. Change it as you like."}),
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
           .help = "Describes the class pictures. It must not contain the identifier; change it "
                   "when the photo caption says more than the class.",
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
std::span<const Field<ComputeOptions>> fields<ComputeOptions>() {
  using S = ComputeOptions;
  static constexpr std::array rows{
      field<&S::device>({.key = "device",
                         .label = "Compute on",
                         .help = "auto takes the best device. cpu, cuda or cuda:1 choose one, when "
                                 "several programs share them.",
                         .advanced = true}),
      field<&S::dtype>(
          {.key = "dtype",
           .label = "Precision",
           .help = "bf16 is faster on processors that are made for it, fp32 is exact, fp16 "
                   "is for GPUs without bf16; auto takes bf16 only where it is fast "
                   "and was checked.",
           .advanced = true}),
      field<&S::tf32>({.key = "tf32",
                       .label = "TF32 products",
                       .help = "Lets GPUs multiply fp32 numbers with less precision, which is "
                               "several times as fast. It changes nothing for bf16 and fp16.",
                       .advanced = true}),
      field<&S::threads>({.key = "threads",
                          .label = "Threads",
                          .help = "0 uses every core. Fewer leave some to other programs.",
                          .min = 0,
                          .max = 1024,
                          .step = 1,
                          .advanced = true}),
      field<&S::memoryLimit>({.key = "memoryLimit",
                              .label = "Memory limit",
                              .help = "The run is refused when it would need more. 0 allows what "
                                      "is free; set it to leave memory to other programs.",
                              .unit = "MiB",
                              .min = 0,
                              .max = 1e9,
                              .step = 256,
                              .advanced = true}),
  };
  return rows;
}

}  // namespace likeness::api
