// The four configs, one line a key. Defaults are those of the structs.
#include "core/weights/model_configs.h"

#include <algorithm>
#include <array>

#include "core/weights/config_reader.h"

namespace likeness::weights {
namespace {

/// Values of UNet2DConditionModel's constructor that change the architecture and that Stable
/// Diffusion 1 and 2 leave alone.
void refuseOtherUNets(ConfigReader& in) {
  const std::pair<const char*, nlohmann::json> fixed[] = {
      {"center_input_sample", false},
      {"mid_block_type", "UNetMidBlock2DCrossAttn"},
      {"only_cross_attention", false},
      {"downsample_padding", 1},
      {"mid_block_scale_factor", 1},
      {"dropout", 0.0},
      {"act_fn", "silu"},
      {"reverse_transformer_layers_per_block", nullptr},
      {"encoder_hid_dim", nullptr},
      {"encoder_hid_dim_type", nullptr},
      {"num_attention_heads", nullptr},
      {"dual_cross_attention", false},
      {"class_embed_type", nullptr},
      {"num_class_embeds", nullptr},
      {"resnet_time_scale_shift", "default"},
      {"resnet_skip_time_act", false},
      {"resnet_out_scale_factor", 1.0},
      {"time_embedding_type", "positional"},
      {"time_embedding_dim", nullptr},
      {"time_embedding_act_fn", nullptr},
      {"timestep_post_act", nullptr},
      {"time_cond_proj_dim", nullptr},
      {"conv_in_kernel", 3},
      {"conv_out_kernel", 3},
      {"attention_type", "default"},
      {"class_embeddings_concat", false},
      {"mid_block_only_cross_attention", false},
      {"cross_attention_norm", nullptr},
  };
  for (const auto& [key, only] : fixed) in.fixed(key, only);
  // These take effect only together with one refused above, or (upcast_attention) not under fused
  // attention.
  for (const char* key : {"addition_embed_type_num_heads", "upcast_attention"}) in.ignore(key);
}

bool divides(const std::vector<std::int64_t>& channels, std::int64_t groups) {
  return std::ranges::all_of(channels, [groups](std::int64_t c) { return c % groups == 0; });
}

}  // namespace

api::Result<UNet2DConditionConfig> readUNetConfig(const std::filesystem::path& file) {
  auto opened = ConfigReader::open(file);
  if (!opened) return api::fail(opened.error());
  ConfigReader& in = *opened;
  UNet2DConditionConfig c;
  in.integer("sample_size", c.sampleSize);
  in.integer("in_channels", c.inChannels);
  in.integer("out_channels", c.outChannels);
  in.integer("norm_num_groups", c.normNumGroups);
  in.integer("cross_attention_dim", c.crossAttentionDim);
  in.integers("block_out_channels", c.blockOutChannels);
  in.integers("layers_per_block", c.layersPerBlock, 1, 64);
  in.integers("attention_head_dim", c.attentionHeadDim);
  in.integers("transformer_layers_per_block", c.transformerLayersPerBlock, 1, 64);
  in.texts("down_block_types", c.downBlockTypes, {"CrossAttnDownBlock2D", "DownBlock2D"});
  in.texts("up_block_types", c.upBlockTypes, {"CrossAttnUpBlock2D", "UpBlock2D"});
  in.flag("use_linear_projection", c.useLinearProjection);
  in.flag("flip_sin_to_cos", c.flipSinToCos);
  in.number("freq_shift", c.freqShift);
  in.number("norm_eps", c.normEps);
  std::string added;
  in.text("addition_embed_type", added, {"text_time"});
  if (added.empty()) {
    for (const char* key : {"addition_time_embed_dim", "projection_class_embeddings_input_dim"})
      in.ignore(key);
  } else {
    in.integer("addition_time_embed_dim", c.addedTimeDim);
    in.integer("projection_class_embeddings_input_dim", c.addedInputDim);
    if (c.addedInputDim == 0) in.refuse("\"projection_class_embeddings_input_dim\" is missing");
  }
  refuseOtherUNets(in);
  in.refuseOthers();

  const std::size_t levels = c.blockOutChannels.size();
  if (c.downBlockTypes.size() != levels || c.upBlockTypes.size() != levels)
    in.refuse(
        "the numbers of blocks in block_out_channels, down_block_types and up_block_types differ");
  const auto fits = [levels](const auto& list) {
    return list.size() == 1 || list.size() == levels;
  };
  if (!fits(c.layersPerBlock) || !fits(c.attentionHeadDim) || !fits(c.transformerLayersPerBlock))
    in.refuse("a list has neither one entry nor one for every block");
  if (!divides(c.blockOutChannels, c.normNumGroups))
    in.refuse("block_out_channels are not multiples of norm_num_groups");
  for (std::size_t i = 0; i < c.attentionHeadDim.size() && i < levels; ++i)
    if (c.attentionHeadDim[i] > c.blockOutChannels[i])
      in.refuse("a block has more heads than channels");
  return in.finish(c);
}

api::Result<AutoencoderKLConfig> readAutoencoderConfig(const std::filesystem::path& file) {
  auto opened = ConfigReader::open(file);
  if (!opened) return api::fail(opened.error());
  ConfigReader& in = *opened;
  AutoencoderKLConfig c;
  std::vector<std::string> downTypes{"DownEncoderBlock2D"}, upTypes{"UpDecoderBlock2D"};
  in.integer("in_channels", c.inChannels);
  in.integer("out_channels", c.outChannels);
  in.integer("latent_channels", c.latentChannels);
  in.integer("layers_per_block", c.layersPerBlock, 1, 64);
  in.integer("norm_num_groups", c.normNumGroups);
  in.integer("sample_size", c.sampleSize);
  in.integers("block_out_channels", c.blockOutChannels);
  in.number("scaling_factor", c.scalingFactor);
  in.flag("use_quant_conv", c.useQuantConv);
  in.flag("use_post_quant_conv", c.usePostQuantConv);
  in.flag("mid_block_add_attention", c.midBlockAddAttention);
  in.texts("down_block_types", downTypes, downTypes);
  in.texts("up_block_types", upTypes, upTypes);
  in.fixed("act_fn", "silu");
  in.fixed("shift_factor", 0.0);
  in.fixed("latents_mean", nullptr);
  in.fixed("latents_std", nullptr);
  in.ignore("force_upcast");
  in.refuseOthers();

  if (downTypes.size() != c.blockOutChannels.size() || upTypes.size() != c.blockOutChannels.size())
    in.refuse(
        "the numbers of blocks in block_out_channels, down_block_types and up_block_types differ");
  if (!divides(c.blockOutChannels, c.normNumGroups))
    in.refuse("block_out_channels are not multiples of norm_num_groups");
  if (c.scalingFactor == 0) in.refuse("\"scaling_factor\" must not be 0");
  return in.finish(c);
}

ClipTextConfig clipTextConfig(ConfigReader& in) {
  ClipTextConfig c;
  in.integer("vocab_size", c.vocabSize);
  in.integer("hidden_size", c.hiddenSize);
  in.integer("intermediate_size", c.intermediateSize);
  in.integer("num_hidden_layers", c.numHiddenLayers, 1, 256);
  in.integer("num_attention_heads", c.numAttentionHeads);
  in.integer("max_position_embeddings", c.maxPositionEmbeddings, 2, 4096);
  in.text("hidden_act", c.hiddenAct, {"quick_gelu", "gelu"});
  in.number("layer_norm_eps", c.layerNormEps);
  in.fixed("attention_dropout", 0.0);
  if (c.hiddenSize % c.numAttentionHeads != 0)
    in.refuse("\"hidden_size\" is not a multiple of \"num_attention_heads\"");
  return c;  // other keys belong to text generation and change nothing here
}

api::Result<ClipTextConfig> readClipTextConfig(const std::filesystem::path& file) {
  auto opened = ConfigReader::open(file);
  if (!opened) return api::fail(opened.error());
  ConfigReader& in = *opened;
  ClipTextConfig c = clipTextConfig(in);
  std::vector<std::string> classes{"CLIPTextModel"};
  in.texts("architectures", classes, {"CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel"});
  if (classes.front() == "CLIPTextModelWithProjection") {
    c.projectionDim = 512;
    in.integer("projection_dim", c.projectionDim);
  }
  return in.finish(c);
}

std::string_view name(PredictionType type) {
  constexpr std::array<std::string_view, 3> names{"epsilon", "v_prediction", "sample"};
  return names[static_cast<std::size_t>(type)];
}

std::string_view modelSpecName(PredictionType type) {
  return type == PredictionType::VPrediction ? "v" : name(type);
}

api::Result<NoiseScheduleConfig> readScheduleConfig(const std::filesystem::path& file) {
  auto opened = ConfigReader::open(file);
  if (!opened) return api::fail(opened.error());
  ConfigReader& in = *opened;
  NoiseScheduleConfig c;
  c.betaStart = 0.0001;
  c.betaEnd = 0.02;
  c.betaSchedule = "linear";
  std::string prediction = "epsilon";
  in.integer("num_train_timesteps", c.numTrainTimesteps, 1, 100'000);
  in.number("beta_start", c.betaStart);
  in.number("beta_end", c.betaEnd);
  in.text("beta_schedule", c.betaSchedule, {"linear", "scaled_linear"});
  in.text("prediction_type", prediction, {"epsilon", "v_prediction", "sample"});
  in.integer("steps_offset", c.stepsOffset, 0, 1000);
  in.flag("set_alpha_to_one", c.setAlphaToOne);
  in.text("timestep_spacing", c.timestepSpacing, {"leading", "linspace", "trailing"});
  in.fixed("trained_betas", nullptr);
  in.flag("rescale_betas_zero_snr", c.rescaleBetasZeroSnr);
  in.fixed("thresholding", false);
  for (const auto type : {PredictionType::VPrediction, PredictionType::Sample})
    if (prediction == name(type)) c.predictionType = type;
  const bool inOrder = c.betaStart > 0 && c.betaStart <= c.betaEnd && c.betaEnd < 1;
  if (!inOrder) in.refuse("\"beta_start\" and \"beta_end\" must be in order between 0 and 1");
  if (c.rescaleBetasZeroSnr && c.predictionType == PredictionType::Epsilon)
    in.refuse("\"rescale_betas_zero_snr\" needs \"v_prediction\" or \"sample\"");
  return in.finish(c);
}

namespace {

using Json = nlohmann::ordered_json;

std::string written(const Json& json) { return json.dump(2) + "\n"; }

}  // namespace

std::string toJson(const UNet2DConditionConfig& c) {
  Json json{{"_class_name", "UNet2DConditionModel"},
            {"act_fn", "silu"},
            {"attention_head_dim", c.attentionHeadDim},
            {"block_out_channels", c.blockOutChannels},
            {"center_input_sample", false},
            {"cross_attention_dim", c.crossAttentionDim},
            {"down_block_types", c.downBlockTypes},
            {"downsample_padding", 1},
            {"flip_sin_to_cos", c.flipSinToCos},
            {"freq_shift", c.freqShift},
            {"in_channels", c.inChannels},
            {"layers_per_block", c.layersPerBlock},
            {"mid_block_scale_factor", 1},
            {"norm_eps", c.normEps},
            {"norm_num_groups", c.normNumGroups},
            {"out_channels", c.outChannels},
            {"sample_size", c.sampleSize},
            {"transformer_layers_per_block", c.transformerLayersPerBlock},
            {"up_block_types", c.upBlockTypes},
            {"use_linear_projection", c.useLinearProjection}};
  // One number for all blocks is how the reference writes it, and what older programs expect.
  for (const char* key : {"attention_head_dim", "layers_per_block", "transformer_layers_per_block"})
    if (json[key].size() == 1) json[key] = Json(json[key][0]);
  if (c.addedInputDim > 0) {
    json["addition_embed_type"] = "text_time";
    json["addition_time_embed_dim"] = c.addedTimeDim;
    json["projection_class_embeddings_input_dim"] = c.addedInputDim;
  }
  return written(json);
}

std::string toJson(const AutoencoderKLConfig& c) {
  const std::size_t levels = c.blockOutChannels.size();
  return written({{"_class_name", "AutoencoderKL"},
                  {"act_fn", "silu"},
                  {"block_out_channels", c.blockOutChannels},
                  {"down_block_types", std::vector<std::string>(levels, "DownEncoderBlock2D")},
                  {"in_channels", c.inChannels},
                  {"latent_channels", c.latentChannels},
                  {"layers_per_block", c.layersPerBlock},
                  {"mid_block_add_attention", c.midBlockAddAttention},
                  {"norm_num_groups", c.normNumGroups},
                  {"out_channels", c.outChannels},
                  {"sample_size", c.sampleSize},
                  {"scaling_factor", c.scalingFactor},
                  {"up_block_types", std::vector<std::string>(levels, "UpDecoderBlock2D")},
                  {"use_post_quant_conv", c.usePostQuantConv},
                  {"use_quant_conv", c.useQuantConv}});
}

std::string toJson(const ClipTextConfig& c) {
  const bool projected = c.projectionDim > 0;
  return written({{"architectures", {projected ? "CLIPTextModelWithProjection" : "CLIPTextModel"}},
                  {"attention_dropout", 0.0},
                  {"bos_token_id", 49406},
                  {"eos_token_id", 49407},
                  {"hidden_act", c.hiddenAct},
                  {"hidden_size", c.hiddenSize},
                  {"intermediate_size", c.intermediateSize},
                  {"layer_norm_eps", c.layerNormEps},
                  {"max_position_embeddings", c.maxPositionEmbeddings},
                  {"model_type", "clip_text_model"},
                  {"num_attention_heads", c.numAttentionHeads},
                  {"num_hidden_layers", c.numHiddenLayers},
                  {"pad_token_id", 1},
                  {"projection_dim", projected ? c.projectionDim : 512},
                  {"torch_dtype", "float32"},
                  {"vocab_size", c.vocabSize}});
}

std::string toJson(const NoiseScheduleConfig& c) {
  Json json{{"_class_name", "DDIMScheduler"},
            {"beta_end", c.betaEnd},
            {"beta_schedule", c.betaSchedule},
            {"beta_start", c.betaStart},
            {"clip_sample", false},
            {"num_train_timesteps", c.numTrainTimesteps},
            {"prediction_type", name(c.predictionType)},
            {"set_alpha_to_one", c.setAlphaToOne},
            {"steps_offset", c.stepsOffset}};
  if (!c.timestepSpacing.empty()) json["timestep_spacing"] = c.timestepSpacing;
  return written(json);
}

}  // namespace likeness::weights
