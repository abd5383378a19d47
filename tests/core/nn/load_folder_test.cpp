// Opening diffusers folders: what loads, and what is refused with the names of file and key.
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/nn/encode_text.h"
#include "tests/core/nn/tiny.h"
#include "tests/support/pickles.h"
#include "tests/support/tiny_model.h"

namespace likeness::nn::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* unetWeights = "unet/diffusion_pytorch_model.safetensors";
constexpr const char* vaeWeights = "vae/diffusion_pytorch_model.safetensors";
constexpr const char* textWeights = "text_encoder/model.safetensors";

class LoadFolder : public testing::Test {
 protected:
  void expectRefusal(api::ErrorCode code, const std::string& file, const std::string& reason) {
    const auto model = loadStableDiffusion({m_model}, {});
    ASSERT_FALSE(model) << reason;
    const api::Error& error = model.error();
    EXPECT_EQ(error.code, code) << api::message(error);
    const bool folder = code == api::ErrorCode::BadModelFolder;
    EXPECT_EQ(said(error, folder ? "folder" : "file"),
              (file.empty() ? m_model : m_model / file).string());
    EXPECT_THAT(api::message(error), HasSubstr(reason));
  }
  /// Sets one key of a JSON file.
  void set(const std::string& file, const std::string& key, const nlohmann::json& value) {
    auto json = nlohmann::json::parse(support::content(m_model / file));
    json[key] = value;
    support::put(m_model / file, json.dump());
  }
  template <class Change>
  void changeTensors(const std::string& file, const Change& change) {
    auto tensors = mustRead(m_model / file);
    change(tensors);
    mustWrite(m_model / file, tensors);
  }

  support::TempFolder m_folder;
  fs::path m_model = copyTiny(m_folder / "model");
};

TEST(LoadStarter, IsWholeAndOfItsSize) {
  const fs::path folder = base::findResources() / "starter";
  const auto model = mustLoad(folder);
  EXPECT_EQ(model.resolution(), 128);
  EXPECT_EQ(model.weightHash.size(), 64u);
  EXPECT_EQ(model.schedule.predictionType, PredictionType::Epsilon);
  EXPECT_EQ(model.tokenizer.vocabularySize(), 1050);
  EXPECT_EQ(tokenIds(model, {"a photo", "sks"}).first.sizes(), at::IntArrayRef({2, 77}));
  // The parameters are the file's, whatever layout the layers keep them in.
  tensor::StateDict file = mustRead(folder / unetWeights);
  for (auto& [key, tensor] : file) tensor = tensor.to(at::kFloat);
  EXPECT_TRUE(equal(model.unet.store->stateDict(), file));
}

TEST_F(LoadFolder, KeepsTheDtypesThatWereAskedFor) {
  LoadOptions options;
  options.dtype = at::kBFloat16;
  const auto model = mustLoad(m_model, options);
  EXPECT_EQ(model.unet.store->parameters().begin()->second.scalar_type(), at::kBFloat16);
  EXPECT_EQ(model.textEncoder.store->parameters().begin()->second.scalar_type(), at::kBFloat16);
  EXPECT_EQ(model.vae.store->parameters().begin()->second.scalar_type(), at::kFloat);
  EXPECT_EQ(model.resolution(), 16);
}

TEST_F(LoadFolder, ReadsTheScheduleAndTakesOtherWeightsForTheFolders) {
  const support::TempFolder other;
  support::makeTinyModel(other / "v", {.seed = 2, .vPrediction = true});
  EXPECT_EQ(mustLoad(other / "v").schedule.predictionType, PredictionType::VPrediction);
  weights::ModelFiles files{m_model};
  files.unet = other / "v" / unetWeights;
  files.textEncoder = other / "v" / textWeights;
  const auto mixed = loadStableDiffusion(files, {}).value(), plain = mustLoad(m_model);
  EXPECT_TRUE(equal(mixed.unet.store->stateDict(), mustRead(files.unet)));
  EXPECT_TRUE(equal(mixed.textEncoder.store->stateDict(), mustRead(files.textEncoder)));
  EXPECT_TRUE(equal(mixed.vae.store->stateDict(), plain.vae.store->stateDict()));
  EXPECT_NE(mixed.weightHash, plain.weightHash);
}

TEST_F(LoadFolder, ListsTensorsThatAreMissingMisshapedOrUnknown) {
  const std::pair<const char*, const char*> files[] = {
      {unetWeights, "conv_norm_out"},
      {vaeWeights, "decoder.conv_norm_out"},
      {textWeights, "text_model.final_layer_norm"}};
  for (const auto& [file, module] : files) {
    const std::string key = module, whole = support::content(m_model / file);
    changeTensors(file, [&](tensor::StateDict& t) { t.erase(key + ".weight"); });
    expectRefusal(api::ErrorCode::ModelMismatch, file, "missing " + key + ".weight");
    support::put(m_model / file, whole);
    changeTensors(file, [&](tensor::StateDict& t) { t[key + ".bias"] = at::zeros({3, 2}); });
    expectRefusal(
        api::ErrorCode::ModelMismatch, file, "misshaped " + key + ".bias [3, 2] instead of [");
    support::put(m_model / file, whole);
    changeTensors(file, [&](tensor::StateDict& t) { t["text_model.extra.x"] = at::zeros({1}); });
    expectRefusal(api::ErrorCode::ModelMismatch, file, "unknown text_model.extra.x");
    support::put(m_model / file, whole);
  }
  EXPECT_TRUE(loadStableDiffusion({m_model}, {}));
}

TEST_F(LoadFolder, ShowsEightProblemsAndKeepsAllInTheDetail) {
  changeTensors(unetWeights, [](tensor::StateDict& t) {
    for (int i = 10; i < 21; ++i) t["extra." + std::to_string(i)] = at::zeros({1});
  });
  expectRefusal(api::ErrorCode::ModelMismatch, unetWeights, "unknown extra.17 and 3 more");
  const auto model = loadStableDiffusion({m_model}, {});
  for (int i = 10; i < 21; ++i)
    EXPECT_THAT(model.error().detail, HasSubstr("unknown extra." + std::to_string(i) + "\n"));
}

TEST_F(LoadFolder, NamesTheKeyOfABadConfig) {
  using nlohmann::json;
  const auto bad = api::ErrorCode::BadModelFile, unsupported = api::ErrorCode::UnsupportedModel;
  struct Case {
    const char *file, *key;
    json value;
    api::ErrorCode code;
    std::string reason;
  };
  const Case cases[] = {
      {"unet/config.json", "attention_head_dim", "eight", bad, "\"attention_head_dim\" must be"},
      {"unet/config.json", "cross_attention_dim", 0, bad, "\"cross_attention_dim\" must be"},
      {"unet/config.json", "sample_size", 8.5, bad, "\"sample_size\" must be"},
      {"unet/config.json", "norm_num_groups", 3, bad, "multiples of norm_num_groups"},
      {"unet/config.json", "block_out_channels", {8, 16, 32}, bad, "numbers of blocks in"},
      {"unet/config.json", "layers_per_block", {1, 1, 1}, bad, "neither one entry nor one"},
      {"unet/config.json", "attention_head_dim", 9, bad, "more heads than channels"},
      {"unet/config.json", "flip_sin_to_cos", 1, bad, "\"flip_sin_to_cos\" must be"},
      {"unet/config.json",
       "down_block_types",
       {"AttnDownBlock2D", "DownBlock2D"},
       unsupported,
       "\"down_block_types\" is \"AttnDownBlock2D\""},
      {"unet/config.json",
       "class_embed_type",
       "timestep",
       unsupported,
       "\"class_embed_type\" is \"timestep\""},
      {"unet/config.json", "new_thing", 5, unsupported, "\"new_thing\" is 5"},
      {"vae/config.json", "act_fn", "relu", unsupported, "\"act_fn\" is \"relu\""},
      {"vae/config.json", "scaling_factor", 0, bad, "\"scaling_factor\" must not be 0"},
      {"vae/config.json", "scaling_factor", "x", bad, "\"scaling_factor\" must be a number"},
      {"vae/config.json", "latents_mean", {0.5}, unsupported, "\"latents_mean\" is [0.5]"},
      {"text_encoder/config.json", "hidden_act", "relu", unsupported, "\"hidden_act\" is"},
      {"text_encoder/config.json", "num_attention_heads", 3, bad, "\"hidden_size\" is not"},
      {"text_encoder/config.json", "vocab_size", -1, bad, "\"vocab_size\" must be"},
      {"scheduler/scheduler_config.json", "beta_schedule", "cosine", unsupported, "cosine"},
      {"scheduler/scheduler_config.json",
       "prediction_type",
       "flow_prediction",
       unsupported,
       "flow"},
      {"scheduler/scheduler_config.json", "beta_end", 2, bad, "\"beta_end\" must be in order"},
      {"scheduler/scheduler_config.json", "trained_betas", {0.1}, unsupported, "trained_betas"},
      {"scheduler/scheduler_config.json", "rescale_betas_zero_snr", true, bad, "v_prediction"},
      {"model_index.json",
       "_class_name",
       "StableDiffusion3Pipeline",
       unsupported,
       "\"_class_name\" is \"StableDiffusion3Pipeline\""},
  };
  for (const Case& c : cases) {
    const std::string whole = support::content(m_model / c.file);
    set(c.file, c.key, c.value);
    expectRefusal(c.code, c.file, c.reason);
    support::put(m_model / c.file, whole);
  }
  EXPECT_TRUE(loadStableDiffusion({m_model}, {}));
}

TEST_F(LoadFolder, RefusesFilesThatAreMissingOrNotWhatTheySay) {
  for (const char* file : {"unet/config.json",
                           "vae/config.json",
                           "text_encoder/config.json",
                           "scheduler/scheduler_config.json",
                           unetWeights,
                           vaeWeights,
                           textWeights}) {
    const std::string whole = support::content(m_model / file);
    fs::remove(m_model / file);
    expectRefusal(api::ErrorCode::FileNotFound, file, "");
    support::put(m_model / file, whole.substr(0, whole.size() / 2));
    expectRefusal(api::ErrorCode::BadModelFile, file, "");
    support::put(m_model / file, whole);
  }
  fs::remove(m_model / "model_index.json");
  expectRefusal(api::ErrorCode::BadModelFolder, "", "model_index.json is missing");
  m_model = m_folder / "nowhere";
  expectRefusal(api::ErrorCode::FileNotFound, "", "");
}

TEST_F(LoadFolder, WeightsMayHaveOtherNamesAndForms) {
  setenv("XDG_CACHE_HOME", (m_folder / "cache").c_str(), 1);
  const std::string whole = support::content(m_model / unetWeights);
  const fs::path pickle = m_model / "unet/diffusion_pytorch_model.bin";
  support::pickles::writeAsPickle(m_model / unetWeights, pickle);
  fs::remove(m_model / unetWeights);
  EXPECT_TRUE(loadStableDiffusion({m_model}, {}));
  support::put(pickle, "x");
  expectRefusal(api::ErrorCode::BadModelFile, "unet/diffusion_pytorch_model.bin", "PyTorch");
  unsetenv("XDG_CACHE_HOME");
  support::put(m_model / "unet/diffusion_pytorch_model.fp16.safetensors", whole);
  EXPECT_TRUE(loadStableDiffusion({m_model}, {})) << "the fp16 variant's name";
}

TEST_F(LoadFolder, RefusesTheConditioningOfSdxl) {
  const fs::path file = m_model / "unet/config.json";
  auto config = nlohmann::json::parse(support::content(file));
  config["addition_embed_type"] = "text_time";
  config["projection_class_embeddings_input_dim"] = 2816;
  support::put(file, config.dump());
  changeTensors(unetWeights, [](tensor::StateDict& tensors) {
    for (const char* layer : {"add_embedding.linear_1", "add_embedding.linear_2"}) {
      const std::int64_t in = layer[23] == '1' ? 2816 : 4 * tensors.at("conv_in.bias").size(0);
      tensors[std::string(layer) + ".weight"] =
          at::zeros({4 * tensors.at("conv_in.bias").size(0), in});
      tensors[std::string(layer) + ".bias"] = at::zeros({4 * tensors.at("conv_in.bias").size(0)});
    }
  });
  expectRefusal(api::ErrorCode::BadModelFolder, "", "pooled text embedding");
}

TEST_F(LoadFolder, RefusesPartsThatDoNotFitOneAnother) {
  // A text encoder of width 8 and an autoencoder with 3 latent channels, each whole in itself.
  const std::string text = support::content(m_model / textWeights);
  const std::string config = support::content(m_model / "text_encoder/config.json");
  set("text_encoder/config.json", "hidden_size", 8);
  changeTensors(textWeights, [](tensor::StateDict& tensors) {
    for (auto& [key, t] : tensors) {
      auto sizes = t.sizes().vec();
      for (auto& size : sizes) size = size == 16 ? 8 : size;
      t = at::ones(sizes);
    }
  });
  expectRefusal(api::ErrorCode::BadModelFolder, "", "expects text of width 16, the text encoder");
  support::put(m_model / textWeights, text);
  support::put(m_model / "text_encoder/config.json", config);

  fs::remove_all(m_model / "tokenizer");
  fs::copy(base::findResources() / "clip", m_model / "tokenizer");
  expectRefusal(api::ErrorCode::BadModelFolder, "", "the tokenizer has more entries");
  fs::remove_all(m_model / "tokenizer");
  fs::copy(tinyFolder() / "tokenizer", m_model / "tokenizer");

  set("vae/config.json", "latent_channels", 3);
  changeTensors(vaeWeights, [](tensor::StateDict& t) {
    t["encoder.conv_out.weight"] = t["encoder.conv_out.weight"].narrow(0, 0, 6).clone();
    t["encoder.conv_out.bias"] = t["encoder.conv_out.bias"].narrow(0, 0, 6).clone();
    t["decoder.conv_in.weight"] = t["decoder.conv_in.weight"].narrow(1, 0, 3).clone();
    t["quant_conv.weight"] = at::ones({6, 6, 1, 1});
    t["quant_conv.bias"] = at::ones({6});
    t["post_quant_conv.weight"] = at::ones({3, 3, 1, 1});
    t["post_quant_conv.bias"] = at::ones({3});
  });
  expectRefusal(api::ErrorCode::BadModelFolder,
                "",
                "has 4 input channels, the autoencoder 3 latent channels");
}

TEST_F(LoadFolder, ReadsTheKeysOfOlderAndNewerWriters) {
  changeTensors(textWeights, [](tensor::StateDict& tensors) {
    tensor::StateDict bare;
    for (const auto& [key, t] : tensors)
      bare.emplace(key.substr(std::string("text_model.").size()), t);
    bare.emplace("embeddings.position_ids", at::zeros({1, 77}, at::kLong));
    tensors = bare;
  });
  changeTensors(vaeWeights, [](tensor::StateDict& tensors) {
    const std::pair<std::string, std::string> names[] = {
        {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
    for (const std::string half : {"encoder", "decoder"})
      for (const auto& [now, then] : names)
        for (const std::string part : {".weight", ".bias"}) {
          auto node = tensors.extract(half + ".mid_block.attentions.0." + now + part);
          ASSERT_FALSE(node.empty());
          if (part == ".weight") node.mapped() = node.mapped().unsqueeze(2).unsqueeze(3);
          node.key() = half + ".mid_block.attentions.0." + then + part;
          tensors.insert(std::move(node));
        }
  });
  const auto old = mustLoad(m_model), plain = mustLoad(tinyFolder());
  EXPECT_TRUE(equal(old.textEncoder.store->stateDict(), plain.textEncoder.store->stateDict()));
  EXPECT_TRUE(equal(old.vae.store->stateDict(), plain.vae.store->stateDict()));
}

TEST_F(LoadFolder, AStopRequestGivesNullNetworks) {
  std::stop_source source;
  source.request_stop();
  const auto model = loadStableDiffusion({m_model}, {}, source.get_token());
  ASSERT_TRUE(model);
  EXPECT_EQ(model->unet.model, nullptr);
  EXPECT_EQ(model->unet.store, nullptr);
  EXPECT_EQ(model->textEncoder.model, nullptr);
  EXPECT_EQ(model->vae.model, nullptr);
}

}  // namespace
}  // namespace likeness::nn::test
