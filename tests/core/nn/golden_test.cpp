// The networks against diffusers, transformers and peft: outputs, and the gradient of every
// parameter.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/nn/adapters.h"
#include "core/weights/model_configs.h"
#include "tests/core/nn/golden_networks.h"
#include "tests/support/expect_within.h"

namespace likeness::nn::test {
namespace {

/// How a case is computed, and how near it must come.
struct Precision {
  const char* name;
  at::ScalarType masters, compute;
  /// |output - golden| / |golden|, in fp32 and fp64 also by the largest values; see
  /// expectGradients.
  double output, gradient, gradientFloor;

  /// bf16 over fp32 masters, the way training runs: each rounding to bf16 changes a tensor by at
  /// most the part u / sqrt(3) of its norm (u = 2^-8), independently of the others, so R in a row
  /// by sqrt(R) times that where nothing amplifies them. R is under 4 for every layer with a
  /// weight: the weight, its product, and what surrounds it (a resnet rounds 11 times for its 3
  /// weights, a UNet's transformer block 33 for 10, a layer of CLIP 22 for 6). A gradient is off by
  /// as much three times over: by the forward pass, by the backward pass, and by the kept
  /// activations that every layer multiplies with. Of these bounds the recorded cases use at most
  /// 0.74 (outputs) and 0.64 (gradients), on a processor with AMX.
  Precision of(const ParameterStore& store) const {
    if (compute != at::kBFloat16) return *this;
    double layers = 0;
    for (const auto& [key, parameter] : store.parameters()) layers += parameter.dim() > 1;
    for (const auto& [key, slot] : store.slots())
      layers += 2 * static_cast<double>(slot->adapters.size());  // down and up
    const double bound = std::sqrt(4 * layers) / (256 * std::sqrt(3.0));
    return {name, masters, compute, bound, 3 * bound, gradientFloor};
  }
};
/// fp32 is what users run; fp64 shows that nothing but rounding separates the two.
constexpr Precision fp32{"fp32", at::kFloat, at::kFloat, 1e-5, 1e-4, 1e-3},
    fp64{"fp64", at::kDouble, at::kDouble, 1e-5, 1e-4, 1e-6},
    bf16{"bf16", at::kFloat, at::kBFloat16, 0, 0, 3e-2};

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

void expectOutput(const Golden& golden,
                  const Precision& p,
                  const std::string& name,
                  const at::Tensor& output) {
  const at::Tensor& wanted = golden.at("output/" + name);
  double error = relativeError(output, wanted);
  if (p.compute != at::kBFloat16) error = std::max(error, largestError(output, wanted));
  support::expectWithin(golden.name + "." + p.name + "." + name, error, p.output);
}

/// Every output, and the gradients of all parameters where they were recorded.
void expectOutputsAndGradients(const Golden& golden,
                               const Precision& p,
                               const tensor::StateDict& outputs,
                               const tensor::StateDict& parameters,
                               const tensor::StateDict& gradients) {
  for (const auto& [name, output] : outputs) expectOutput(golden, p, name, output);
  if (gradients.empty()) return;
  backwardThroughProbes(golden, outputs);
  expectGradients(parameters, gradients, p.gradient, p.gradientFloor);
}

/// Runs `check` on every recorded case.
template <class Check>
void forEachGolden(const std::string& kind,
                   const Check& check,
                   const std::vector<Precision>& precisions,
                   std::size_t atLeast = 6) {
  const auto files = goldenFiles(kind);
  if (!std::getenv("LIKENESS_GOLDEN_NETWORKS")) {
    EXPECT_GE(files.size(), atLeast);
  }
  for (const std::string& file : files)
    for (const Precision& precision : precisions) {
      SCOPED_TRACE(file + " in " + precision.name);
      if (precision.compute == at::kFloat || recordsGradients(file))
        check(readGolden(file), precision);
    }
}

void checkUNet(const Golden& golden, const Precision& precision) {
  const auto unet = build<UNet2DConditionModel>(
      golden.part("weights/"), must(weights::readUNetConfig(golden.configFile)), precision.masters);
  const Precision p = precision.of(*unet.store);
  Conditioning text(golden.at("input/text").to(p.compute));
  if (golden.tensors.contains("input/pooled"))
    text.pooled = golden.at("input/pooled").to(p.compute),
    text.timeIds = golden.at("input/time_ids");
  const at::Tensor out = unet.model->forward(
      golden.at("input/sample").to(p.compute), golden.at("input/timesteps"), text);
  expectOutputsAndGradients(
      golden, p, {{"sample", out}}, unet.store->parameters(), golden.part("grad/"));
}
TEST(Golden, UNetMatchesDiffusers) { forEachGolden("unet", checkUNet, {fp32, fp64}); }
TEST(Golden, UNetMatchesDiffusersInBf16) { forEachGolden("unet", checkUNet, {bf16}); }

void checkVae(const Golden& golden, const Precision& precision) {
  const auto vae = build<AutoencoderKL>(golden.part("weights/"),
                                        must(weights::readAutoencoderConfig(golden.configFile)),
                                        precision.masters);
  const Precision p = precision.of(*vae.store);
  const Posterior posterior = vae.model->encode(golden.at("input/pixels").to(p.compute));
  const at::Tensor pixels = vae.model->decode(golden.at("input/latents").to(p.compute));
  expectOutputsAndGradients(golden,
                            p,
                            {{"mean", posterior.mean}, {"std", posterior.std}, {"pixels", pixels}},
                            vae.store->parameters(),
                            golden.part("grad/"));
}
TEST(Golden, AutoencoderMatchesDiffusers) { forEachGolden("vae", checkVae, {fp32, fp64}); }
TEST(Golden, AutoencoderMatchesDiffusersInBf16) { forEachGolden("vae", checkVae, {bf16}); }

/// transformers drops the prefix in memory; stores always have it.
tensor::StateDict prefixed(const tensor::StateDict& tensors) {
  tensor::StateDict result;
  for (const auto& [key, value] : tensors)
    result.emplace(key.starts_with("text_model.") ? key : "text_model." + key, value);
  return result;
}

void checkClip(const Golden& golden, const Precision& precision) {
  const auto clip = build<ClipTextModel>(prefixed(golden.part("weights/")),
                                         must(weights::readClipTextConfig(golden.configFile)),
                                         precision.masters);
  const Precision p = precision.of(*clip.store);
  const at::Tensor states = clip.model->forward(golden.at("input/ids"), p.compute);
  expectOutputsAndGradients(
      golden, p, {{"states", states}}, clip.store->parameters(), prefixed(golden.part("grad/")));
}
TEST(Golden, ClipMatchesTransformers) { forEachGolden("clip", checkClip, {fp32, fp64}); }
TEST(Golden, ClipMatchesTransformersInBf16) { forEachGolden("clip", checkClip, {bf16}); }

void checkXlClip(const Golden& golden, const Precision& precision) {
  const auto clip = build<ClipTextModel>(golden.part("weights/"),
                                         must(weights::readClipTextConfig(golden.configFile)),
                                         precision.masters);
  const Precision p = precision.of(*clip.store);
  const auto [states, pooled] =
      clip.model->forwardXl(golden.at("input/ids"), /*endId=*/1, p.compute);
  tensor::StateDict outputs{{"states", states}};
  if (pooled.defined()) outputs.emplace("pooled", pooled);
  expectOutputsAndGradients(golden, p, outputs, clip.store->parameters(), golden.part("grad/"));
}
TEST(Golden, SdxlsClipMatchesTransformers) {
  forEachGolden("clipxl", checkXlClip, {fp32, fp64, bf16}, 3);
}

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
  lora.config = must(weights::readUNetConfig(golden.configFile));
  return lora;
}

void checkLora(const Golden& golden, const Precision& precision) {
  const LoraCase lora = readLoraCase(golden);
  const auto unet = build<UNet2DConditionModel>(
      golden.part("weights/"), lora.config, precision.masters, /*trained=*/false);
  const auto forward = [&golden, dtype = precision.compute](const UNet2DConditionModel& model) {
    return model.forward(golden.at("input/sample").to(dtype),
                         golden.at("input/timesteps"),
                         golden.at("input/text").to(dtype));
  };
  const at::Tensor before = forward(*unet.model);
  const tensor::StateDict trainable = attachLora(*unet.store, lora.options, 1);
  const Precision p = precision.of(*unet.store);
  EXPECT_EQ(relativeError(forward(*unet.model), before), 0) << "a fresh adapter changes nothing";
  const tensor::StateDict adapter = golden.part("adapter/");
  ASSERT_EQ(trainable.size(), adapter.size());
  for (const auto& [key, tensor] : trainable) tensor.detach().copy_(adapter.at(key));

  const at::Tensor live = forward(*unet.model);
  expectOutputsAndGradients(golden, p, {{"sample", live}}, trainable, golden.part("grad/"));
  for (const auto& [key, parameter] : unet.store->parameters())
    EXPECT_FALSE(parameter.grad().defined()) << key << " is frozen";

  const auto merged =
      build<UNet2DConditionModel>(mergedWeights(*unet.store), lora.config, p.masters, false);
  support::expectWithin(golden.name + "." + p.name + ".merged",
                        relativeError(forward(*merged.model), live),
                        p.output);
  setAdapterStrength(*unet.store, 0, 0);
  EXPECT_EQ(relativeError(forward(*unet.model), before), 0) << "strength 0 is the base";
}
TEST(Golden, LoraMatchesPeftAndItsOwnMerge) { forEachGolden("lora", checkLora, {fp32, fp64}, 2); }
TEST(Golden, LoraMatchesPeftAndItsOwnMergeInBf16) { forEachGolden("lora", checkLora, {bf16}, 2); }

}  // namespace
}  // namespace likeness::nn::test
