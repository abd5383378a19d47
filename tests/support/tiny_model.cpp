// Configs, then parameters of every shape that the networks ask for.
#include "tests/support/tiny_model.h"

#include <cmath>
#include <functional>
#include <sstream>
#include <stdexcept>

#include "core/base/file_system.h"
#include "core/base/hash.h"
#include "core/image/photo.h"
#include "core/nn/stable_diffusion.h"
#include "core/tensor/random_tensor.h"
#include "core/weights/model_configs.h"

namespace likeness::support {
namespace fs = std::filesystem;

namespace {

constexpr const char* kIndex = R"({
  "_class_name": "StableDiffusionPipeline",
  "scheduler": ["diffusers", "DDIMScheduler"],
  "text_encoder": ["transformers", "CLIPTextModel"],
  "tokenizer": ["transformers", "CLIPTokenizer"],
  "unet": ["diffusers", "UNet2DConditionModel"],
  "vae": ["diffusers", "AutoencoderKL"]
})";
constexpr const char* kXlIndex = R"({
  "_class_name": "StableDiffusionXLPipeline",
  "force_zeros_for_empty_prompt": true,
  "scheduler": ["diffusers", "DDIMScheduler"],
  "text_encoder": ["transformers", "CLIPTextModel"],
  "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
  "tokenizer": ["transformers", "CLIPTokenizer"],
  "tokenizer_2": ["transformers", "CLIPTokenizer"],
  "unet": ["diffusers", "UNet2DConditionModel"],
  "vae": ["diffusers", "AutoencoderKL"]
})";
constexpr const char* kText = R"({
  "architectures": ["CLIPTextModel"], "model_type": "clip_text_model",
  "vocab_size": 1050, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
  "num_attention_heads": 2, "max_position_embeddings": 77, "hidden_act": "quick_gelu"
})";
constexpr const char* kGeluText = R"({
  "architectures": ["CLIPTextModel"], "model_type": "clip_text_model",
  "vocab_size": 1050, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
  "num_attention_heads": 3, "max_position_embeddings": 77, "hidden_act": "gelu"
})";
constexpr const char* kXlText2 = R"({
  "architectures": ["CLIPTextModelWithProjection"], "model_type": "clip_text_model",
  "vocab_size": 1050, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
  "num_attention_heads": 3, "max_position_embeddings": 77, "hidden_act": "gelu",
  "projection_dim": 12, "bos_token_id": 1048, "eos_token_id": 1049
})";
constexpr const char* kSd2Unet = R"({
  "_class_name": "UNet2DConditionModel",
  "sample_size": 8, "layers_per_block": 1, "block_out_channels": [8, 16],
  "attention_head_dim": [2, 4], "norm_num_groups": 4, "cross_attention_dim": 24,
  "use_linear_projection": true,
  "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
  "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]
})";
constexpr const char* kXlUnet = R"({
  "_class_name": "UNet2DConditionModel",
  "sample_size": 8, "layers_per_block": 1, "block_out_channels": [8, 16],
  "attention_head_dim": [2, 4], "norm_num_groups": 4, "cross_attention_dim": 40,
  "use_linear_projection": true, "transformer_layers_per_block": [1, 2],
  "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
  "projection_class_embeddings_input_dim": 60,
  "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
  "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"]
})";
constexpr const char* kUnet = R"({
  "_class_name": "UNet2DConditionModel",
  "sample_size": 8, "layers_per_block": 1, "block_out_channels": [8, 16],
  "attention_head_dim": 2, "norm_num_groups": 4, "cross_attention_dim": 16,
  "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
  "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]
})";
constexpr const char* kVae = R"({
  "_class_name": "AutoencoderKL",
  "block_out_channels": [8, 8], "layers_per_block": 1, "norm_num_groups": 4, "sample_size": 16,
  "scaling_factor": 0.5,
  "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
  "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]
})";

std::string schedule(bool vPrediction) {
  return std::string(R"({"_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "set_alpha_to_one": false,
    "steps_offset": 1, "clip_sample": false, "prediction_type": ")") +
         (vPrediction ? "v_prediction" : "epsilon") + "\"}";
}

template <class T>
T orThrow(api::Result<T> result) {
  if (!result) throw std::runtime_error(api::message(result.error()) + result.error().detail);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

using Build = std::function<void(const nn::Weights&)>;

/// What constructing a network on `tensors` complains about, line by line.
std::vector<std::string> complaints(const tensor::StateDict& tensors, const Build& build) {
  nn::ParameterStore store(tensors, at::kFloat, at::kCPU, "tiny model");
  build(nn::Weights(store));
  std::vector<std::string> lines;
  if (const auto finished = store.finish(); !finished) {
    std::istringstream text(finished.error().detail);
    for (std::string line; std::getline(text, line);) lines.push_back(line);
  }
  return lines;
}

/// Scaled so that signals neither vanish nor explode; norms near 1, biases near 0.
at::Tensor draw(const std::string& key,
                const std::vector<std::int64_t>& shape,
                std::uint64_t seed) {
  const std::uint64_t sample = std::stoull(base::sha256(key).substr(0, 15), nullptr, 16);
  const at::Tensor noise =
      tensor::normal(shape, base::Random(seed, base::Purpose::Test, 0, sample));
  if (shape.size() > 1) {
    double fanIn = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fanIn *= static_cast<double>(shape[i]);
    return noise.mul(1 / std::sqrt(fanIn));
  }
  const bool norm = key.ends_with("weight");
  return noise.mul(0.1).add(norm ? 1.0 : 0.0);
}

/// Every tensor that `build` takes: first its keys, then its shapes are asked for.
tensor::StateDict randomWeights(std::uint64_t seed, const Build& build) {
  tensor::StateDict scalars, tensors;
  for (const std::string& line : complaints({}, build))
    scalars.emplace(line.substr(line.find(' ') + 1), tensor::normal({}, {1, base::Purpose::Test}));
  for (const std::string& line : complaints(scalars, build)) {
    std::istringstream words(line);  // misshaped KEY [] instead of [8, 4, 3, 3]
    std::string word, key;
    words >> word >> key;
    std::vector<std::int64_t> shape;
    std::istringstream sizes(line.substr(line.rfind('[') + 1));
    for (std::int64_t size; sizes >> size; sizes.ignore()) shape.push_back(size);
    tensors.emplace(key, draw(key, shape, seed));
  }
  return tensors;
}

void save(const fs::path& file, const tensor::StateDict& tensors) {
  orThrow(tensor::saveSafetensors(file, tensors, {{"format", "pt"}}));
}

void addTextEncoder(const fs::path& folder, const char* config, std::uint64_t seed) {
  orThrow(base::makeFolder(folder));
  orThrow(base::writeFile(folder / "config.json", std::string(config)));
  const auto clip = orThrow(weights::readClipTextConfig(folder / "config.json"));
  save(folder / "model.safetensors",
       randomWeights(seed, [&](const nn::Weights& w) { nn::ClipTextModel(w, clip); }));
}

/// The starter's vocabulary, padded with "!" as SDXL's second tokenizer and SD 2's.
void addTokenizer(const fs::path& folder, bool padsWithMark) {
  fs::copy(base::findResources() / "starter" / "tokenizer", folder);
  if (!padsWithMark) return;
  orThrow(base::writeFile(folder / "special_tokens_map.json", std::string(R"({
    "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>", "pad_token": "!"})")));
}

}  // namespace

fs::path makeTinyModel(const fs::path& folder, const TinyModelOptions& options) {
  using enum TinyFamily;
  const bool xl = options.family == StableDiffusionXl, second = options.family == StableDiffusion2;
  for (const char* part : {"unet", "vae", "scheduler"}) orThrow(base::makeFolder(folder / part));
  addTokenizer(folder / "tokenizer", second);
  addTextEncoder(folder / "text_encoder", second ? kGeluText : kText, options.seed);
  if (xl) {
    addTokenizer(folder / "tokenizer_2", true);
    addTextEncoder(folder / "text_encoder_2", kXlText2, options.seed + 100);
  }
  const auto text = [&](const char* part, const std::string& content) {
    orThrow(base::writeFile(folder / part, content));
  };
  text("model_index.json", xl ? kXlIndex : kIndex);
  text("unet/config.json", xl ? kXlUnet : second ? kSd2Unet : kUnet);
  text("vae/config.json", kVae);
  text("scheduler/scheduler_config.json", schedule(options.vPrediction));

  const auto unet = orThrow(weights::readUNetConfig(folder / "unet/config.json"));
  const auto vae = orThrow(weights::readAutoencoderConfig(folder / "vae/config.json"));
  const std::string name = "diffusion_pytorch_model.safetensors";
  save(folder / "unet" / name, randomWeights(options.seed, [&](const nn::Weights& w) {
         nn::UNet2DConditionModel(w, unet);
       }));
  save(folder / "vae" / name,
       randomWeights(options.seed, [&](const nn::Weights& w) { nn::AutoencoderKL(w, vae); }));
  return folder;
}

std::vector<fs::path> makePhotos(const fs::path& folder, int count) {
  constexpr int kWidth = 24, kHeight = 20;
  orThrow(base::makeFolder(folder));
  std::vector<fs::path> files;
  for (int i = 0; i < count; ++i) {
    std::vector<std::uint8_t> pixels;
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x)
        for (const int value : {x * 10, y * 12, 255 * i / count + x})
          pixels.push_back(static_cast<std::uint8_t>(value % 256));
    files.push_back(folder / ("0" + std::to_string(i) + ".png"));
    orThrow(
        image::writePng(files.back(),
                        {kWidth,
                         kHeight,
                         api::PixelFormat::Rgb8,
                         std::make_shared<const std::vector<std::uint8_t>>(std::move(pixels))}));
  }
  return files;
}

}  // namespace likeness::support
