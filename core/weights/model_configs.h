// The JSON configs of a diffusers folder. Strict: a value this program cannot honour is refused by
// its key, never ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/result.h"

namespace likeness::weights {

/// unet/config.json; defaults are diffusers' constructor defaults. attentionHeadDim is the NUMBER
/// of heads (diffusers' naming). The three lists of counts hold one value for every block, or a
/// single one for all.
struct UNet2DConditionConfig {
  std::int64_t sampleSize = 64, inChannels = 4, outChannels = 4, normNumGroups = 32,
               crossAttentionDim = 1280;
  std::vector<std::int64_t> blockOutChannels = {320, 640, 1280, 1280}, layersPerBlock = {2},
                            attentionHeadDim = {8}, transformerLayersPerBlock = {1};
  std::vector<std::string> downBlockTypes = {
      "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"};
  std::vector<std::string> upBlockTypes = {
      "UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
  bool useLinearProjection = false, flipSinToCos = true;
  double freqShift = 0, normEps = 1e-5;
  /// SDXL's pooled text and sizes: width of what is added to the time embedding, 0 = nothing is;
  /// and of the sinusoids of one size.
  std::int64_t addedInputDim = 0, addedTimeDim = 256;
  bool operator==(const UNet2DConditionConfig&) const = default;
};

/// vae/config.json; defaults are diffusers' constructor defaults.
struct AutoencoderKLConfig {
  std::int64_t inChannels = 3, outChannels = 3, latentChannels = 4, layersPerBlock = 1,
               normNumGroups = 32, sampleSize = 32;
  std::vector<std::int64_t> blockOutChannels = {64};
  double scalingFactor = 0.18215;
  bool useQuantConv = true, usePostQuantConv = true, midBlockAddAttention = true;
  std::int64_t factor() const {  ///< pixels per latent
    return std::int64_t{1} << (blockOutChannels.size() - 1);
  }
  bool operator==(const AutoencoderKLConfig&) const = default;
};

/// text_encoder/config.json; defaults are transformers' constructor defaults.
struct ClipTextConfig {
  std::int64_t vocabSize = 49408, hiddenSize = 512, intermediateSize = 2048, numHiddenLayers = 12,
               numAttentionHeads = 8, maxPositionEmbeddings = 77;
  std::string hiddenAct = "quick_gelu";  ///< or gelu
  double layerNormEps = 1e-5;
  std::int64_t projectionDim = 0;  ///< of CLIPTextModelWithProjection; 0 = without
  bool operator==(const ClipTextConfig&) const = default;
};

enum class PredictionType { Epsilon, VPrediction, Sample };
/// As diffusers' configurations and ModelSpec name it: epsilon, v_prediction, sample; in ModelSpec
/// v.
std::string_view name(PredictionType type);
std::string_view modelSpecName(PredictionType type);

/// scheduler_config.json, as far as it describes the model (the sampler is the caller's choice).
struct NoiseScheduleConfig {
  std::int64_t numTrainTimesteps = 1000;
  double betaStart = 0.00085, betaEnd = 0.012;
  std::string betaSchedule = "scaled_linear";  ///< or linear
  PredictionType predictionType = PredictionType::Epsilon;
  std::int64_t stepsOffset = 1;
  bool setAlphaToOne = false;
  bool rescaleBetasZeroSnr =
      false;  ///< the last level is pure noise (not for models that predict noise)
  std::string timestepSpacing;  ///< leading, linspace or trailing; empty = the file is silent, each
                                ///< sampler has its own
  bool operator==(const NoiseScheduleConfig&) const = default;
};

/// Errors of all four: FileNotFound, FileUnreadable, BadModelFile (malformed, wrong type, out of
/// range), UnsupportedModel (names the key).
api::Result<UNet2DConditionConfig> readUNetConfig(const std::filesystem::path& file);
api::Result<AutoencoderKLConfig> readAutoencoderConfig(const std::filesystem::path& file);
api::Result<ClipTextConfig> readClipTextConfig(const std::filesystem::path& file);
/// Absent keys take the constructor defaults of the scheduler classes, except steps_offset 1, which
/// the pipeline forces.
api::Result<NoiseScheduleConfig> readScheduleConfig(const std::filesystem::path& file);
/// A text encoder's measures, without its projection, of an object that is being read and keeps the
/// problems.
class ConfigReader;
ClipTextConfig clipTextConfig(ConfigReader& in);

/// The files that the readers above read as these values, as diffusers and transformers write them.
std::string toJson(const UNet2DConditionConfig& config);
std::string toJson(const AutoencoderKLConfig& config);
std::string toJson(const ClipTextConfig& config);
std::string toJson(const NoiseScheduleConfig& config);

}  // namespace likeness::weights
