// The two written forms of a LoRA: every part comes back, under the names that other programs know.
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include <cmath>

#include "core/tensor/random_tensor.h"
#include "tests/core/nn/tiny.h"
#include "tests/support/tiny_model.h"

namespace likeness::nn::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LoraForms : public testing::Test {
 protected:
  fs::path write(const tensor::StateDict& tensors) {
    const fs::path file = m_folder / "written.safetensors";
    mustWrite(file, tensors);
    return file;
  }
  support::TempFolder m_folder;
};

/// A LoRA of every part: products, windows, a core, magnitudes, both text encoders.
Lora everyPart(weights::Family family) {
  using weights::NetworkKind;
  Lora lora;
  lora.family = family;
  auto draw = [sample = std::uint64_t{0}](at::IntArrayRef shape) mutable {
    return tensor::normal(shape, base::Random(5, base::Purpose::Test, 2, ++sample));
  };
  const std::string block = "mid_block.attentions.0.transformer_blocks.0.attn2.";
  const std::int64_t width = family == weights::Family::StableDiffusionXl ? 2048 : 768;
  auto& m = lora.modules;
  m[{NetworkKind::UNet, block + "to_k"}] = {draw({4, width}), draw({8, 4}), {}, {}, 2};
  m[{NetworkKind::UNet, block + "to_q"}] = {draw({4, 6}), draw({8, 4}), {}, draw({8}), 4};
  m[{NetworkKind::UNet, "down_blocks.1.resnets.0.conv1"}] = {
      draw({3, 5, 3, 3}), draw({7, 3, 1, 1}), {}, draw({1, 7, 1, 1}), 3};
  m[{NetworkKind::UNet, "down_blocks.0.downsamplers.0.conv"}] = {
      draw({4, 5, 1, 1}), draw({7, 4, 1, 1}), draw({4, 4, 3, 3}), {}, 4};
  const std::string query = "text_model.encoder.layers.0.self_attn.q_proj";
  m[{NetworkKind::TextEncoder, query}] = {draw({4, 6}), draw({6, 4}), {}, {}, 2};
  if (family == weights::Family::StableDiffusionXl)
    m[{NetworkKind::TextEncoder2, query}] = {draw({4, 6}), draw({6, 4}), {}, {}, 2};
  return lora;
}

TEST_F(LoraForms, BothFormsComeBackWithEveryPart) {
  for (const auto family : {weights::Family::StableDiffusion1, weights::Family::StableDiffusionXl})
    for (const LoraForm form : {LoraForm::Kohya, LoraForm::Peft}) {
      const fs::path file = m_folder / "all.safetensors";
      const Lora lora = everyPart(family);
      ASSERT_TRUE(saveLora(lora, form, file, {}));
      const auto back = readLora(file);
      ASSERT_TRUE(back) << api::message(back.error()) << back.error().detail;
      EXPECT_EQ(back->family, family);
      EXPECT_LE(loraDifference(lora, *back), 1e-6);
      for (const auto& [target, module] : lora.modules)
        EXPECT_EQ(back->modules.at(target).alpha, module.alpha) << target.key;
      ASSERT_TRUE(saveLora(lora, form, file, at::kHalf));
      const double rounding = loraDifference(lora, readLora(file).value());
      EXPECT_LE(rounding, 2e-3);
      EXPECT_GT(rounding, 0);
    }
}

TEST_F(LoraForms, DifferencesOfLorasAreSeen) {
  const Lora lora = everyPart(weights::Family::StableDiffusion1);
  EXPECT_EQ(loraDifference(lora, lora), 0);
  const auto changed = [&](const auto& change) {
    Lora other = lora;
    change(other.modules);
    return loraDifference(lora, other);
  };
  EXPECT_NEAR(changed([](auto& m) { m.begin()->second.alpha *= 1.5; }), 0.5, 1e-6);
  EXPECT_TRUE(std::isinf(changed([](auto& m) { m.erase(m.begin()); })));
  EXPECT_GT(changed([](auto& m) {
              for (auto& [target, module] : m)
                if (module.magnitude.defined()) module.magnitude = module.magnitude * 2;
            }),
            0.9);
  EXPECT_TRUE(std::isinf(changed([](auto& m) {
    for (auto& [target, module] : m) module.magnitude = at::Tensor();
  })));
}

TEST_F(LoraForms, SdxlIsWrittenUnderTheNamesItsProgramsKnow) {
  const fs::path file = m_folder / "xl.safetensors";
  Lora lora = everyPart(weights::Family::StableDiffusionXl);
  lora.metadata = {{"modelspec.title", "Bo"}, {"modelspec.resolution", "768x768"}};
  ASSERT_TRUE(saveLora(lora, LoraForm::Kohya, file, {}));
  const auto tensors = mustRead(file);
  for (const char* name : {"lora_unet_input_blocks_4_0_in_layers_2.dora_scale",
                           "lora_unet_input_blocks_3_0_op.lora_mid.weight",
                           "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k.alpha",
                           "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight",
                           "lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight"})
    EXPECT_TRUE(tensors.contains(name)) << name;
  EXPECT_EQ(tensors.at("lora_unet_input_blocks_4_0_in_layers_2.dora_scale").sizes(),
            at::IntArrayRef({7, 1, 1, 1}));
  const auto metadata = weights::SafetensorsFile::open(file)->metadata();
  EXPECT_EQ(metadata.at("ss_base_model_version"), "sdxl_base_v1-0");
  EXPECT_EQ(metadata.at("modelspec.architecture"), "stable-diffusion-xl-v1-base/lora");
  EXPECT_EQ(metadata.at("modelspec.implementation"),
            "https://github.com/Stability-AI/generative-models");
  EXPECT_EQ(metadata.at("modelspec.title"), "Bo");
  EXPECT_EQ(metadata.at("modelspec.resolution"), "768x768");
  lora.family = weights::Family::StableDiffusion2;
  lora.metadata = {{"modelspec.prediction_type", "v"}};
  lora.modules.erase(
      {weights::NetworkKind::TextEncoder2, "text_model.encoder.layers.0.self_attn.q_proj"});
  ASSERT_TRUE(saveLora(lora, LoraForm::Kohya, file, {}));
  const auto two = weights::SafetensorsFile::open(file)->metadata();
  EXPECT_EQ(two.at("ss_base_model_version"), "sd_v2_v");
  EXPECT_EQ(two.at("ss_v2"), "True");
  EXPECT_EQ(two.at("modelspec.architecture"), "stable-diffusion-v2-768-v/lora");
  EXPECT_EQ(two.at("modelspec.resolution"), "768x768");
}

TEST_F(LoraForms, SdxlTakesAdaptersOnBothTextEncoders) {
  using weights::NetworkKind;
  const fs::path xl =
      support::makeTinyModel(m_folder / "xl", {.family = support::TinyFamily::StableDiffusionXl});
  auto model = mustLoad(xl);
  const std::map<NetworkKind, ParameterStore*> stores = {
      {NetworkKind::TextEncoder, model.textEncoder.store.get()},
      {NetworkKind::TextEncoder2, model.textEncoder2.store.get()},
      {NetworkKind::UNet, model.unet.store.get()}};
  Lora lora;
  lora.family = weights::Family::StableDiffusionXl;
  lora.configs = model.files.configs;  // one layer a block instead of two: other numbers
  for (const auto& [kind, store] : stores)
    for (const auto& [key, slot] : store->slots()) {
      const auto weight = store->parameters().at(key + ".weight").sizes().vec();
      std::vector<std::int64_t> down = weight, up(weight.size(), 1);
      down[0] = up[1] = 2, up[0] = weight[0];
      lora.modules[{kind, key}] = {at::full(down, 0.1), at::full(up, 0.2), {}, {}, 2};
    }
  for (const LoraForm form : {LoraForm::Kohya, LoraForm::Peft}) {
    const fs::path file = m_folder / "xl.safetensors";
    ASSERT_TRUE(saveLora(lora, form, file, {}));
    const auto attached = attachAdapterFile(model, file, 0.5);
    ASSERT_TRUE(attached) << api::message(attached.error()) << attached.error().detail;
  }
  for (const auto& [kind, store] : stores) {
    for (const auto& [key, slot] : store->slots()) EXPECT_EQ(slot->adapters.size(), 2u) << key;
    EXPECT_EQ(adapterCount(*store), 2u) << "every layer has a name in both forms";
  }
}

TEST_F(LoraForms, WhatAFormCannotHoldIsRefused) {
  Lora lora = everyPart(weights::Family::StableDiffusion1);
  for (auto& [target, module] : lora.modules)
    if (target.key.ends_with("to_q"))
      module.magnitude = at::ones({1, 6}), module.magnitudeOfColumns = true;
  const fs::path file = m_folder / "columns.safetensors";
  const auto peft = saveLora(lora, LoraForm::Peft, file, {});
  ASSERT_FALSE(peft);
  EXPECT_EQ(peft.error().code, api::ErrorCode::BadAdapter);
  EXPECT_FALSE(fs::exists(file));
  ASSERT_TRUE(saveLora(lora, LoraForm::Kohya, file, {}));
  EXPECT_LE(loraDifference(lora, readLora(file).value()), 1e-6);

  const std::string layer = "lora_unet_mid_block_resnets_0_conv1";
  const auto loha = readLora(write({{layer + ".hada_w1_a", at::ones({8, 2})},
                                    {layer + ".hada_w1_b", at::ones({2, 72})},
                                    {layer + ".hada_w2_a", at::ones({8, 2})},
                                    {layer + ".hada_w2_b", at::ones({2, 72})}}));
  ASSERT_FALSE(loha);
  EXPECT_THAT(said(loha.error(), "reason"), HasSubstr("LoHa"));
}

}  // namespace
}  // namespace likeness::nn::test
