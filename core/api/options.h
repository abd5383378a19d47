// Option structs that several requests share: one per concern, every member documented and listed
// in the field table in options.cpp. Those of training stand in train_options.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/api/field.h"

namespace likeness::api {

enum class DType { Auto, Fp32, Bf16, Fp16 };
enum class FileDType { Fp16, Bf16, Fp32 };
enum class SamplerKind {
  Ddim,
  Euler,
  Dpmpp2m,
  Ddpm,
  Pndm,
  EulerAncestral,
  Heun,
  Dpmpp2mSde,
  DpmppSde,
  UniPc,
  Lcm
};
enum class TimestepSpacing { Auto, Leading, Linspace, Trailing };
enum class ZeroSnr { Auto, On, Off };
/// How prompts are read: with weights, BREAK, alternatives and any length (core/text/prompt.h), or
/// as the words they are, cut at one chunk.
enum class PromptSyntax { A1111, Plain };
enum class ExportFormat { Diffusers, KohyaLora, PeftLora };
enum class ModelForm { Diffusers, SingleFile, KohyaLora, PeftLora };
constexpr bool isLora(ModelForm form) {
  return form == ModelForm::KohyaLora || form == ModelForm::PeftLora;
}
enum class MergeMethod { Weighted, AddDifference };
/// What a network predicts: the noise, the velocity between noise and picture, or the clean
/// picture.
enum class PredictionChoice { Auto, Epsilon, VPrediction, Sample };

template <>
struct EnumNames<DType> {
  static constexpr std::array<std::string_view, 4> names{"auto", "fp32", "bf16", "fp16"};
};
template <>
struct EnumNames<FileDType> {
  static constexpr std::array<std::string_view, 3> names{"fp16", "bf16", "fp32"};
};
template <>
struct EnumNames<TimestepSpacing> {
  static constexpr std::array<std::string_view, 4> names{"auto", "leading", "linspace", "trailing"};
};
template <>
struct EnumNames<ZeroSnr> {
  static constexpr std::array<std::string_view, 3> names{"auto", "on", "off"};
};

/// What the programs know of a sampler: the one list, in the order of SamplerKind.
struct SamplerInfo {
  SamplerKind kind;
  std::string_view key, label;  ///< of YAML and flags; of the window and A1111's parameters
  bool sigmas;                  ///< Karras and exponential sigmas apply
  bool eta;
  bool spacing;  ///< timestep spacing applies; LCM has its own levels
  bool draws;    ///< draws noise on the way (DDIM only with eta)
  int maxSteps;  ///< LCM was distilled on 50 levels
};
inline constexpr std::array<SamplerInfo, 11> kSamplers{{
    {SamplerKind::Ddim, "ddim", "DDIM", false, true, true, false, 1000},
    {SamplerKind::Euler, "euler", "Euler", true, false, true, false, 1000},
    {SamplerKind::Dpmpp2m, "dpmpp_2m", "DPM++ 2M", true, false, true, false, 1000},
    {SamplerKind::Ddpm, "ddpm", "DDPM", false, false, true, true, 1000},
    {SamplerKind::Pndm, "pndm", "PLMS", false, false, true, false, 1000},
    {SamplerKind::EulerAncestral, "euler_a", "Euler a", true, false, true, true, 1000},
    {SamplerKind::Heun, "heun", "Heun", true, false, true, false, 1000},
    {SamplerKind::Dpmpp2mSde, "dpmpp_2m_sde", "DPM++ 2M SDE", true, false, true, true, 1000},
    {SamplerKind::DpmppSde, "dpmpp_sde", "DPM++ SDE", true, false, true, true, 1000},
    {SamplerKind::UniPc, "unipc", "UniPC", true, false, true, false, 1000},
    {SamplerKind::Lcm, "lcm", "LCM", false, false, false, true, 50},
}};
constexpr const SamplerInfo& samplerInfo(SamplerKind kind) {
  return kSamplers[static_cast<std::size_t>(kind)];
}
namespace detail {
constexpr auto samplerTexts(std::string_view SamplerInfo::*text) {
  std::array<std::string_view, kSamplers.size()> texts;
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = kSamplers[i].*text;
  return texts;
}
}  // namespace detail
template <>
struct EnumNames<SamplerKind> {
  static constexpr auto names = detail::samplerTexts(&SamplerInfo::key);
  static constexpr auto labels = detail::samplerTexts(&SamplerInfo::label);
};
template <>
struct EnumNames<PromptSyntax> {
  static constexpr std::array<std::string_view, 2> names{"a1111", "plain"};
};
template <>
struct EnumNames<ExportFormat> {
  static constexpr std::array<std::string_view, 3> names{"diffusers", "kohya-lora", "peft-lora"};
};
template <>
struct EnumNames<PredictionChoice> {
  static constexpr std::array<std::string_view, 4> names{
      "auto", "epsilon", "v_prediction", "sample"};
};
template <>
struct EnumNames<ModelForm> {
  static constexpr std::array<std::string_view, 4> names{
      "diffusers", "single-file", "kohya-lora", "peft-lora"};
};
template <>
struct EnumNames<MergeMethod> {
  static constexpr std::array<std::string_view, 2> names{"weighted", "add-difference"};
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
  double guidance = 7.5;     ///< 1 = off (one forward per step)
  bool karras = false;       ///< Karras sigmas; see SamplerInfo::sigmas
  double eta = 0;            ///< DDIM's stochasticity, 0..1
  bool exponential = false;  ///< sigmas evenly spaced in their logarithm, in place of Karras
  TimestepSpacing spacing = TimestepSpacing::Auto;  ///< auto = the model's own
  ZeroSnr zeroSnr = ZeroSnr::Auto;  ///< rescaled noise levels, the last without any signal
  double guidanceRescale = 0;       ///< phi of Lin et al. 2024, 0..1
  std::int64_t clipSkip = 1;        ///< text encoder ends at its last layer (1), the one before (2)
  bool operator==(const SamplingOptions&) const = default;
};

struct ComputeOptions {
  std::string device = "auto";   ///< auto, cpu, cuda, cuda:1
  DType dtype = DType::Auto;     ///< of the computation; masters stay fp32
  bool tf32 = false;             ///< GPUs: products of fp32 numbers with 10 bits of mantissa
  std::int64_t threads = 0;      ///< 0 = all cores
  std::int64_t memoryLimit = 0;  ///< MiB; 0 = what is available
  bool operator==(const ComputeOptions&) const = default;
};

template <>
std::span<const Field<SubjectOptions>> fields<SubjectOptions>();
template <>
std::span<const Field<SamplingOptions>> fields<SamplingOptions>();
template <>
std::span<const Field<ComputeOptions>> fields<ComputeOptions>();

}  // namespace likeness::api
