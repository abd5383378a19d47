// The rows of SamplingOptions, for its own table and for the tables of structs that hold one.
#pragma once

#include <string_view>

#include "core/api/options.h"

namespace likeness::api {

inline constexpr std::string_view kSamplerHelp =
    "The method that turns noise into a picture. DPM++ 2M and UniPC need few steps, DDIM is the "
    "classic, Heun and DPM++ SDE take twice the time per step; LCM needs a model made for it.";
inline constexpr std::string_view kStepsHelp =
    "More steps give cleaner pictures and take longer. 20 suit the faster samplers, 50 the classic "
    "ones.";
inline constexpr std::string_view kGuidanceHelp =
    "How closely a picture follows the words. Higher is more literal and more contrasty; 1 turns "
    "guidance off.";
inline constexpr std::string_view kKarrasHelp =
    "Spends more of the steps on fine detail, when that is rough. For Euler, Heun, DPM++ and "
    "UniPC.";
inline constexpr std::string_view kExponentialHelp =
    "Spends most of the steps on fine detail, in place of Karras spacing. For the same samplers.";
inline constexpr std::string_view kSpacingHelp =
    "Which noise levels the steps visit. auto does as the model says; trailing begins at pure "
    "noise.";
inline constexpr std::string_view kZeroSnrHelp =
    "Lets pictures become very dark or very bright. auto does as the model says; only for models "
    "that predict velocity.";
inline constexpr std::string_view kGuidanceRescaleHelp =
    "Takes back the harsh contrast of strong guidance. 0 not at all; 0.7 is usual with zero SNR.";
inline constexpr std::string_view kClipSkipHelp =
    "Ends the text encoder this many layers early: 1 is its last layer. 2, the one before, is for "
    "models that were trained so (of drawings, mostly).";
inline constexpr std::string_view kEtaHelp =
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

}  // namespace likeness::api
