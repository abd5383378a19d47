// A LoRA out of two models, put back on the first.
#include "core/engine/extract_lora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/file_system.h"
#include "core/nn/adapters.h"
#include "core/tensor/random_tensor.h"
#include "core/tensor/state_dict.h"
#include "tests/support/checkpoints.h"
#include "tests/support/expect_within.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace likeness::engine {
namespace {

namespace fs = std::filesystem;
using support::TinyFamily;
using testing::HasSubstr;
using weights::NetworkKind;

/// Part of a model folder by the file of its network.
const std::map<NetworkKind, std::string> kFiles = {
    {NetworkKind::UNet, "unet/diffusion_pytorch_model.safetensors"},
    {NetworkKind::TextEncoder, "text_encoder/model.safetensors"},
    {NetworkKind::TextEncoder2, "text_encoder_2/model.safetensors"}};

class ExtractTest : public testing::Test {
 protected:
  api::ExtractRequest request(const fs::path& base, const fs::path& tuned, const fs::path& out) {
    api::ExtractRequest request;
    request.base.path = base.string();
    request.tuned.path = tuned.string();
    request.out = out;
    request.dtype = api::FileDType::Fp32;
    return request;
  }
  api::Result<base::JobResult> extract(const api::ExtractRequest& request) {
    return extractLora(request, m_resources, m_reporter);
  }
  base::JobResult mustExtract(const api::ExtractRequest& request) {
    auto done = extract(request);
    EXPECT_TRUE(done) << api::message(done.error());
    return done ? std::move(*done) : base::JobResult{};
  }
  std::string refusal(const api::ExtractRequest& request) {
    const auto done = extract(request);
    EXPECT_FALSE(done);
    EXPECT_FALSE(fs::exists(request.out));
    if (done) return {};
    EXPECT_EQ(done.error().code, api::ErrorCode::BadCombination);
    return api::message(done.error());
  }
  static double figure(const base::JobResult& result, const std::string& name) {
    for (const auto& [key, value] : result.figures)
      if (key == name)
        return std::holds_alternative<double>(value)
                   ? std::get<double>(value)
                   : static_cast<double>(std::get<std::int64_t>(value));
    ADD_FAILURE() << "no figure " << name;
    return 0;
  }
  static tensor::StateDict read(const fs::path& model, NetworkKind kind) {
    return tensor::loadSafetensors(model / kFiles.at(kind)).value();
  }
  /// The change of a layer as the file tells it.
  static at::Tensor change(const nn::LoraModule& module, at::IntArrayRef shape) {
    const double scale = module.alpha / static_cast<double>(module.down.size(0));
    return module.up.to(at::kDouble)
        .flatten(1)
        .mm(module.down.to(at::kDouble).flatten(1))
        .mul(scale)
        .reshape(shape);
  }
  /// A copy of `model` with another value for some tensors.
  fs::path changed(const fs::path& model,
                   const std::string& name,
                   const std::map<NetworkKind, tensor::StateDict>& changes,
                   std::optional<at::ScalarType> dtype = {}) {
    const fs::path copy = m_folder / name;
    fs::copy(model, copy, fs::copy_options::recursive);
    for (const auto& [kind, file] : kFiles) {
      if (!fs::exists(copy / file)) continue;
      auto tensors = read(copy, kind);
      if (const auto mine = changes.find(kind); mine != changes.end())
        for (const auto& [key, value] : mine->second) tensors.at(key) = tensors.at(key).add(value);
      EXPECT_TRUE(tensor::saveSafetensors(copy / file, tensors, {{"format", "pt"}}, dtype));
    }
    return copy;
  }
  static at::Tensor noise(at::IntArrayRef shape, std::uint64_t sample) {
    return tensor::normal(shape, base::Random(5, base::Purpose::Test, 9, sample));
  }

  const fs::path m_resources = base::findResources();
  support::TempFolder m_folder;
  support::RecordingReporter m_reporter;
};

TEST_F(ExtractTest, AtFullRankTheTunedModelComesBack) {
  for (const auto& [family, familyName] : {std::pair{TinyFamily::StableDiffusion1, "sd1"},
                                           std::pair{TinyFamily::StableDiffusion2, "sd2"},
                                           std::pair{TinyFamily::StableDiffusionXl, "sdxl"}})
    for (const api::ModelForm form : {api::ModelForm::KohyaLora, api::ModelForm::PeftLora}) {
      const std::string name =
          std::string(familyName) + (form == api::ModelForm::KohyaLora ? ".kohya" : ".peft");
      const fs::path base = support::makeTinyModel(m_folder / ("base" + name), {1, false, family}),
                     tuned =
                         support::makeTinyModel(m_folder / ("tuned" + name), {2, false, family});
      auto extraction = request(base, tuned, m_folder / (name + ".safetensors"));
      extraction.rank = 4096;
      extraction.form = form;
      extraction.alpha = form == api::ModelForm::KohyaLora ? 100 : 0;
      const auto done = mustExtract(extraction);
      // All of it, but for what is no layer.
      EXPECT_NEAR(figure(done, "kept") + figure(done, "outside"), 1, 1e-6);
      EXPECT_GT(figure(done, "kept"), 0.2);
      const auto lora = nn::readLora(extraction.out);
      ASSERT_TRUE(lora) << api::message(lora.error());
      std::size_t layers = 0;
      double largest = 0;
      for (const auto& [kind, file] : kFiles) {
        if (!fs::exists(base / file)) continue;
        const auto before = read(base, kind), after = read(tuned, kind);
        for (const auto& [key, value] : before) {
          if (value.dim() < 2 || key.find(".embeddings.") != std::string::npos) continue;
          const auto module = lora->modules.find({kind, key.substr(0, key.rfind('.'))});
          ASSERT_NE(module, lora->modules.end()) << key;
          const at::Tensor merged = value.to(at::kDouble) + change(module->second, value.sizes());
          largest = std::max(largest,
                             merged.sub(after.at(key).to(at::kDouble)).abs().max().item<double>());
          ++layers;
        }
      }
      EXPECT_EQ(layers, lora->modules.size());
      support::expectWithin("weights." + name, largest, 1e-5);

      // The product's own way; kohya's names of SDXL's layers are those of the published sizes.
      if (family == TinyFamily::StableDiffusionXl && form == api::ModelForm::KohyaLora) continue;
      auto model = nn::loadStableDiffusion({base}, {}).value();
      const auto attached = nn::attachAdapterFile(model, extraction.out, 1);
      ASSERT_TRUE(attached) << api::message(attached.error());
      const auto merged = nn::mergedWeights(*model.unet.store),
                 after = read(tuned, NetworkKind::UNet);
      for (const auto& [key, value] : merged) {
        if (value.dim() < 2) continue;
        support::expectWithin(
            "attached." + name, value.sub(after.at(key)).abs().max().item<double>(), 1e-5);
      }
    }
}

TEST_F(ExtractTest, ALowRankDifferenceIsFoundAtItsRankInThoseLayersAlone) {
  const fs::path base = support::makeTinyModel(m_folder / "base");
  constexpr std::int64_t rank = 3;
  std::map<NetworkKind, tensor::StateDict> changes;
  std::size_t layers = 0;
  const auto change = [&](NetworkKind kind, const std::string& key) {
    const at::Tensor weight = read(base, kind).at(key);
    const auto shape = weight.sizes().vec();
    const at::Tensor flat = noise({shape[0], rank}, 2 * layers)
                                .mm(noise({rank, weight.flatten(1).size(1)}, 2 * layers + 1));
    changes[kind].emplace(key, flat.reshape(shape).mul(0.1));
    ++layers;
  };
  for (const auto& [key, value] : read(base, NetworkKind::UNet))
    if (key.ends_with("attn2.to_k.weight") || key.ends_with("resnets.0.conv1.weight") ||
        key == "time_embedding.linear_1.weight")
      change(NetworkKind::UNet, key);
  for (const auto& [key, value] : read(base, NetworkKind::TextEncoder))
    if (key.ends_with("q_proj.weight") || key.ends_with("mlp.fc1.weight"))
      change(NetworkKind::TextEncoder, key);
  ASSERT_GT(layers, 8u);
  const fs::path tuned = changed(base, "tuned", changes);

  auto extraction = request(base, tuned, m_folder / "lora.safetensors");
  extraction.rank = rank;
  extraction.alpha = 1.5;
  const auto done = mustExtract(extraction);
  EXPECT_NEAR(figure(done, "kept"), 1, 1e-6);
  EXPECT_EQ(figure(done, "outside"), 0);
  EXPECT_GT(figure(done, "equal"), 50);
  const auto lora = nn::readLora(extraction.out).value();
  EXPECT_EQ(lora.modules.size(), layers);
  for (const auto& [target, module] : lora.modules) {
    const at::Tensor& known = changes.at(target.network).at(target.key + ".weight");
    EXPECT_EQ(module.down.size(0), rank);
    EXPECT_NEAR(module.alpha, 1.5, 1e-6);
    const at::Tensor found = ExtractTest::change(module, known.sizes());
    EXPECT_LE(found.sub(known).norm().item<double>(), 1e-5 * known.norm().item<double>())
        << target.key;
  }
  EXPECT_EQ(lora.metadata.at("ss_training_comment"), "extracted from tuned beside base");

  // A lower rank keeps the larger singular values: 4 and 3 are 25, of which one has 16.
  const std::string key = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight";
  at::Tensor two = at::zeros_like(read(base, NetworkKind::UNet).at(key));
  two[0][1] = 4, two[2][5] = -3;
  auto one = request(base,
                     changed(base, "two", {{NetworkKind::UNet, {{key, two}}}}),
                     m_folder / "one.safetensors");
  one.rank = 1;
  one.form = api::ModelForm::PeftLora;
  EXPECT_NEAR(figure(mustExtract(one), "kept"), 0.64, 1e-6);
}

TEST_F(ExtractTest, RoundingIsNoDifference) {
  const fs::path base = support::makeTinyModel(m_folder / "base"),
                 half = changed(base, "half", {}, at::kHalf),
                 coarse = changed(base, "coarse", {}, at::kBFloat16);
  const fs::path out = m_folder / "lora.safetensors";
  for (const auto& [a, b] : {std::pair(base, half), {half, base}, {coarse, base}, {base, base}})
    EXPECT_THAT(refusal(request(a, b, out)), HasSubstr("same UNet"));
  const std::string key = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight";
  const at::Tensor step = at::ones_like(read(base, NetworkKind::UNet).at(key));
  const fs::path tuned = changed(base, "tuned", {{NetworkKind::UNet, {{key, step}}}}, at::kHalf);
  mustExtract(request(base, tuned, out));
  EXPECT_EQ(nn::readLora(out)->modules.size(), 1u);
  const fs::path biased =
      changed(base, "biased", {{NetworkKind::UNet, {{"conv_in.bias", at::ones({8})}}}});
  EXPECT_THAT(refusal(request(base, biased, m_folder / "b.safetensors")),
              HasSubstr("biases, norms and embeddings alone"));
}

TEST_F(ExtractTest, WhatDoesNotBelongTogetherIsRefused) {
  const fs::path one = support::makeTinyModel(m_folder / "one"),
                 two = support::makeTinyModel(m_folder / "two",
                                              {1, false, TinyFamily::StableDiffusion2}),
                 xl = support::makeTinyModel(m_folder / "xl",
                                             {1, false, TinyFamily::StableDiffusionXl}),
                 out = m_folder / "lora.safetensors";
  EXPECT_THAT(refusal(request(one, xl, out)), HasSubstr("Stable Diffusion XL model"));
  EXPECT_THAT(refusal(request(one, two, out)), HasSubstr("Stable Diffusion 2.x model"));
  const fs::path narrow = m_folder / "narrow.safetensors";
  support::writeSingleFile(narrow, support::checkpoint(weights::Family::StableDiffusion1, 10));
  EXPECT_THAT(refusal(request(one, narrow, out)), HasSubstr("unet conv_in.bias [8] and [32]"));
  // Values that are no numbers.
  const fs::path broken = changed(
      one, "broken", {{NetworkKind::UNet, {{"conv_in.weight", at::full({}, std::nan(""))}}}});
  const auto refused = extract(request(one, broken, out));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, api::ErrorCode::BadModelFile);
  EXPECT_THAT(api::message(refused.error()), HasSubstr("conv_in.weight"));
  const auto taken = support::put(m_folder / "taken.safetensors", "mine");
  EXPECT_EQ(extract(request(one, broken, taken)).error().code, api::ErrorCode::FileUnwritable);
  EXPECT_EQ(support::content(taken), "mine");
}

TEST_F(ExtractTest, AStopLeavesNothing) {
  const fs::path base = support::makeTinyModel(m_folder / "base"),
                 tuned = support::makeTinyModel(m_folder / "tuned", {2});
  m_reporter.onProgress = [&](const api::Progress&) {
    if (m_reporter.progresses.size() == 20) m_reporter.stopSource.request_stop();
  };
  const auto stopped = mustExtract(request(base, tuned, m_folder / "lora.safetensors"));
  EXPECT_TRUE(stopped.cancelled);
  EXPECT_EQ(m_reporter.progresses.size(), 20u);
  EXPECT_FALSE(fs::exists(m_folder / "lora.safetensors"));
}

}  // namespace
}  // namespace likeness::engine
