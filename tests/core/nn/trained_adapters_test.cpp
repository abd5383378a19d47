// Adapters in training: gradients against peft and lycoris, and what is saved of them.
#include <ATen/TensorOperators.h>

#include "core/tensor/random_tensor.h"
#include "core/weights/model_configs.h"
#include "tests/core/nn/golden_networks.h"
#include "tests/core/nn/tiny.h"

namespace likeness::nn::test {
namespace {

using api::LoraKind;

api::LoraOptions optionsOf(LoraKind kind) {
  api::LoraOptions options;
  options.kind = kind;
  options.rank = 2;
  options.alpha = 3;
  options.convRank = 1;
  options.lokrFactor = 2;
  return options;
}

class TrainedAdapter : public testing::TestWithParam<std::pair<const char*, LoraKind>> {};

/// tests/golden/make_trained_adapters_golden.py, fp32 beside fp64.
TEST_P(TrainedAdapter, GradientsAreThoseOfItsAuthorsCode) {
  const auto& [name, kind] = GetParam();
  const support::TempFolder folder;
  const std::filesystem::path base = "tests/golden/adapters/base.safetensors";
  const auto tensors = mustRead(base),
             golden =
                 mustRead(std::string("tests/golden/trained_adapters/") + name + ".safetensors");
  const auto metadata = weights::SafetensorsFile::open(base).value().metadata();
  const auto config =
      weights::readUNetConfig(support::put(folder / "unet.json", metadata.at("unet"))).value();
  tensor::StateDict weights;
  for (const auto& [key, tensor] : tensors)
    if (constexpr std::string_view prefix = "weights/unet/"; key.starts_with(prefix))
      weights.emplace(key.substr(prefix.size()), tensor);
  ParameterStore store(weights, at::kFloat, at::kCPU, "golden");
  const UNet2DConditionModel unet(Weights(store), config);
  ASSERT_TRUE(store.finish());

  const auto leaves = attachLora(store, optionsOf(kind), 1);
  tensor::StateDict gradients;
  for (const auto& [key, leaf] : leaves) {
    ASSERT_TRUE(golden.contains("value/" + key)) << key;
    ASSERT_EQ(golden.at("value/" + key).sizes(), leaf.sizes()) << key;
    leaf.detach().copy_(golden.at("value/" + key));
    gradients.emplace(key, golden.at("gradient/" + key));
  }
  EXPECT_EQ(2 * leaves.size() + 1, golden.size()) << "every layer that they adapt";
  const at::Tensor out = unet.forward(
      tensors.at("input/sample"), tensors.at("input/timestep"), tensors.at("input/context"));
  EXPECT_LE(relativeError(out.detach(), golden.at("output")), 1e-5);
  out.square().sum().div(2).backward();
  expectGradients(leaves, gradients, 3e-4, 1e-4);  // at most 0.9e-4 with AVX2, 1.8e-4 with AVX-512
}

INSTANTIATE_TEST_SUITE_P(All,
                         TrainedAdapter,
                         testing::Values(std::pair("locon", LoraKind::Lora),
                                         std::pair("dora", LoraKind::Dora),
                                         std::pair("lokr", LoraKind::Lokr)),
                         [](const auto& test) { return test.param.first; });

/// Written, read as anybody's file, and merged, it does what it does in training.
TEST(TrainedAdapters, ComeBackFromEveryFormAndMerge) {
  const support::TempFolder folder;
  for (const LoraKind kind : {LoraKind::Lora, LoraKind::Dora, LoraKind::Lokr}) {
    api::LoraOptions options = optionsOf(kind);
    options.textEncoder = true;
    auto model = mustLoad(tinyFolder());
    tensor::StateDict adapter;
    std::uint64_t sample = 0;
    for (const auto& [network, store] :
         {std::pair(weights::NetworkKind::UNet, model.unet.store),
          std::pair(weights::NetworkKind::TextEncoder, model.textEncoder.store)})
      for (const auto& [key, leaf] : attachLora(*store, options, 1, network)) {
        const base::Random random(3, base::Purpose::Test, 0, ++sample);
        leaf.detach().add_(tensor::normal(leaf.sizes(), random).mul(0.1));
        adapter.emplace(std::string(weights::folderName(network)) + "." + key, leaf);
      }
    const at::Tensor unet = unetOutput(model), text = textOutput(model);
    const auto fresh = mustLoad(tinyFolder());
    EXPECT_GT(relativeError(unet, unetOutput(fresh)), 1e-2);
    EXPECT_GT(relativeError(text, textOutput(fresh)), 1e-3);

    const Lora lora = [&] {
      Lora made = loraOf(adapter, adapterScale(options));
      made.configs = model.files.configs;
      return made;
    }();
    const auto checkpoint = folder / "checkpoint.safetensors";
    mustWrite(checkpoint, adapter, peftMetadata(lora));
    std::vector<std::filesystem::path> files{checkpoint};
    for (const LoraForm form : {LoraForm::Kohya, LoraForm::Peft}) {
      const auto file =
          folder / (form == LoraForm::Kohya ? "kohya.safetensors" : "peft.safetensors");
      const auto saved = saveLora(lora, form, file, at::kFloat);
      ASSERT_EQ(saved.has_value(), kind != LoraKind::Lokr || form == LoraForm::Kohya);
      if (saved) files.push_back(file);
    }
    for (const auto& file : files) {
      auto other = mustLoad(tinyFolder());
      const auto attached = attachAdapterFile(other, file, 1);
      ASSERT_TRUE(attached) << file << api::message(attached.error()) << attached.error().detail;
      EXPECT_LE(relativeError(unetOutput(other), unet), 1e-5) << file;
      EXPECT_LE(relativeError(textOutput(other), text), 1e-5) << file;
    }
    ParameterStore merged(mergedWeights(*model.unet.store), at::kFloat, at::kCPU, "merged");
    const UNet2DConditionModel network(Weights(merged), model.unet.model->config());
    ASSERT_TRUE(merged.finish());
    EXPECT_LE(relativeError(unetOutput(network), unet), 1e-5);
    setAdapterStrength(*model.unet.store, 0, 0);
    EXPECT_LE(relativeError(unetOutput(model), unetOutput(fresh)), 1e-6);
  }
}

}  // namespace
}  // namespace likeness::nn::test
