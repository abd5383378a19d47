// The networks against diffusers, transformers and peft: outputs to 1e-5, and the gradient of every
// parameter.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/nn/adapters.h"
#include "core/nn/model_configs.h"
#include "tests/core/nn/golden_networks.h"

namespace likeness::nn::test {
namespace {

constexpr double forwardTolerance = 1e-5;

/// Builds the model of a case; all its parameters want gradients when `trained`.
template <class Model, class Config>
Network<Model> build(tensor::StateDict weights,
                     const Config& config,
                     at::ScalarType dtype,
                     bool trained = true) {
  Network<Model> network;
  network.store = std::make_shared<ParameterStore>(std::move(weights), dtype, at::kCPU, "golden");
  network.model = std::make_shared<const Model>(Weights(*network.store), config);
  const auto complete = network.store->finish();
  EXPECT_TRUE(complete) << (complete ? "" : complete.error().detail);
  if (trained)
    for (const auto& [key, parameter] : network.store->parameters()) parameter.requires_grad_(true);
  return network;
}

template <class Config>
Config must(api::Result<Config> result) {
  EXPECT_TRUE(result) << (result ? "" : api::message(result.error()));
  return result.value_or(Config{});
}

/// fp32 is what users run; fp64 shows that nothing but rounding separates the two.
constexpr at::ScalarType dtypes[] = {at::kFloat, at::kDouble};

/// Runs `check` on every recorded case in both dtypes.
template <class Check>
void forEachGolden(const std::string& kind, const Check& check, std::size_t atLeast = 6) {
  const auto files = goldenFiles(kind);
  if (!std::getenv("LIKENESS_GOLDEN_NETWORKS")) {
    EXPECT_GE(files.size(), atLeast);
  }
  for (const std::string& file : files)
    for (const at::ScalarType dtype : dtypes) {
      SCOPED_TRACE(file + " in " + c10::toString(dtype));
      check(readGolden(file), dtype);
    }
}

void checkUNet(const Golden& golden, at::ScalarType dtype) {
  const auto unet = build<UNet2DConditionModel>(
      golden.part("weights/"), must(readUNetConfig(golden.configFile)), dtype);
  const at::Tensor out = unet.model->forward(golden.at("input/sample").to(dtype),
                                             golden.at("input/timesteps"),
                                             golden.at("input/text").to(dtype));
  EXPECT_LE(relativeError(out, golden.at("output/sample")), forwardTolerance);
  backwardThroughProbes(golden, {{"sample", out}});
  expectGradients(unet.store->parameters(), golden.part("grad/"));
}
TEST(Golden, UNetMatchesDiffusers) { forEachGolden("unet", checkUNet); }

void checkVae(const Golden& golden, at::ScalarType dtype) {
  const auto vae = build<AutoencoderKL>(
      golden.part("weights/"), must(readAutoencoderConfig(golden.configFile)), dtype);
  const Posterior posterior = vae.model->encode(golden.at("input/pixels").to(dtype));
  const at::Tensor pixels = vae.model->decode(golden.at("input/latents").to(dtype));
  EXPECT_LE(relativeError(posterior.mean, golden.at("output/mean")), forwardTolerance);
  EXPECT_LE(relativeError(posterior.std, golden.at("output/std")), forwardTolerance);
  EXPECT_LE(relativeError(pixels, golden.at("output/pixels")), forwardTolerance);
  backwardThroughProbes(golden,
                        {{"mean", posterior.mean}, {"std", posterior.std}, {"pixels", pixels}});
  expectGradients(vae.store->parameters(), golden.part("grad/"));
}
TEST(Golden, AutoencoderMatchesDiffusers) { forEachGolden("vae", checkVae); }

/// transformers drops the prefix in memory; stores always have it.
tensor::StateDict prefixed(const tensor::StateDict& tensors) {
  tensor::StateDict result;
  for (const auto& [key, value] : tensors)
    result.emplace(key.starts_with("text_model.") ? key : "text_model." + key, value);
  return result;
}

void checkClip(const Golden& golden, at::ScalarType dtype) {
  const auto clip = build<ClipTextModel>(
      prefixed(golden.part("weights/")), must(readClipTextConfig(golden.configFile)), dtype);
  const at::Tensor states = clip.model->forward(golden.at("input/ids"));
  EXPECT_LE(relativeError(states, golden.at("output/states")), forwardTolerance);
  backwardThroughProbes(golden, {{"states", states}});
  expectGradients(clip.store->parameters(), prefixed(golden.part("grad/")));
}
TEST(Golden, ClipMatchesTransformers) { forEachGolden("clip", checkClip); }

/// The options beside the UNet's config in a LoRA case.
struct LoraCase {
  api::LoraOptions options;
  UNet2DConditionConfig config;
};

LoraCase readLoraCase(const Golden& golden) {
  auto json = nlohmann::json::parse(golden.config);
  LoraCase lora;
  lora.options.rank = json["rank"].get<std::int64_t>();
  lora.options.alpha = json["alpha"].get<double>();
  lora.options.targets = json["targets"].get<std::vector<std::string>>();
  for (const char* key : {"rank", "alpha", "targets"}) json.erase(key);
  EXPECT_TRUE(base::writeFile(golden.configFile, json.dump()));
  lora.config = must(readUNetConfig(golden.configFile));
  return lora;
}

void checkLora(const Golden& golden, at::ScalarType dtype) {
  const LoraCase lora = readLoraCase(golden);
  const auto unet =
      build<UNet2DConditionModel>(golden.part("weights/"), lora.config, dtype, /*trained=*/false);
  const auto forward = [&golden, dtype](const UNet2DConditionModel& model) {
    return model.forward(golden.at("input/sample").to(dtype),
                         golden.at("input/timesteps"),
                         golden.at("input/text").to(dtype));
  };
  const at::Tensor before = forward(*unet.model);
  const tensor::StateDict trainable = attachLora(*unet.store, lora.options, 1);
  EXPECT_EQ(relativeError(forward(*unet.model), before), 0) << "a fresh adapter changes nothing";
  const tensor::StateDict adapter = golden.part("adapter/");
  ASSERT_EQ(trainable.size(), adapter.size());
  for (const auto& [key, tensor] : trainable) tensor.detach().copy_(adapter.at(key));

  const at::Tensor live = forward(*unet.model);
  EXPECT_LE(relativeError(live, golden.at("output/sample")), forwardTolerance);
  backwardThroughProbes(golden, {{"sample", live}});
  expectGradients(trainable, golden.part("grad/"));
  for (const auto& [key, parameter] : unet.store->parameters())
    EXPECT_FALSE(parameter.grad().defined()) << key << " is frozen";

  const auto merged =
      build<UNet2DConditionModel>(mergedWeights(*unet.store), lora.config, dtype, false);
  EXPECT_LE(relativeError(forward(*merged.model), live), forwardTolerance);
  setAdapterStrength(*unet.store, 0, 0);
  EXPECT_EQ(relativeError(forward(*unet.model), before), 0) << "strength 0 is the base";
}
TEST(Golden, LoraMatchesPeftAndItsOwnMerge) { forEachGolden("lora", checkLora, 2); }

}  // namespace
}  // namespace likeness::nn::test
