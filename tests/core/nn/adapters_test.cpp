// LoRA in the model: where fresh adapters go, strengths, merging.
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include <cmath>

#include "tests/core/nn/golden_networks.h"
#include "tests/core/nn/tiny.h"

namespace likeness::nn::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

api::LoraOptions lora(std::vector<std::string> targets, std::int64_t rank = 4, double alpha = 0) {
  api::LoraOptions options;
  options.rank = rank;
  options.alpha = alpha;
  options.targets = std::move(targets);
  return options;
}

/// Layers of every kind: products, 1x1 and 3x3 convolutions.
const std::vector<std::string> everything = {"to_q",
                                             "to_k",
                                             "to_v",
                                             "to_out.0",
                                             "ff.net.0.proj",
                                             "ff.net.2",
                                             "proj_in",
                                             "proj_out",
                                             "conv1",
                                             "conv2",
                                             "time_emb_proj",
                                             "conv_shortcut",
                                             "conv"};

at::Tensor outputOf(const tensor::StateDict& weights, const UNet2DConditionConfig& config) {
  ParameterStore store(weights, at::kFloat, at::kCPU, "merged");
  const UNet2DConditionModel unet(Weights(store), config);
  EXPECT_TRUE(store.finish());
  return unetOutput(unet);
}

TEST(AttachLora, TargetsAreWholePartsOfKeys) {
  auto model = mustLoad(tinyFolder());
  const auto modules = [&](const char* target) {
    std::vector<std::string> keys;
    for (const auto& [key, tensor] : attachLora(*model.unet.store, lora({target}), 1))
      if (key.ends_with(".lora_A.weight")) keys.push_back(key);
    return keys;
  };
  const auto queries = modules("to_q");
  EXPECT_THAT(queries, testing::Each(EndsWith(".to_q.lora_A.weight")));
  EXPECT_EQ(queries.size(), 8u) << "four transformer blocks, two attentions each";
  EXPECT_THAT(modules("attn1.to_q"), testing::Each(HasSubstr(".attn1.to_q.")));
  EXPECT_THAT(modules("to_out.0"), testing::SizeIs(8));
  EXPECT_THAT(modules("conv_in"), testing::ElementsAre("conv_in.lora_A.weight")) << "a whole key";
  for (const char* none : {"o_q", "out.0", "to_out", "q", "", "attn1", "mid_block", "net.0.pro"})
    EXPECT_THAT(modules(none), testing::IsEmpty()) << none;
}

TEST(AttachLora, DrawsBySeedAndSlotAlone) {
  auto a = mustLoad(tinyFolder()), b = mustLoad(tinyFolder()), c = mustLoad(tinyFolder());
  const auto first = attachLora(*a.unet.store, lora({"to_q", "conv1"}), 5);
  EXPECT_TRUE(equal(first, attachLora(*b.unet.store, lora({"conv1", "to_q"}), 5)));
  EXPECT_FALSE(equal(first, attachLora(*b.unet.store, lora({"to_q", "conv1"}), 6)));
  for (const auto& [key, tensor] : attachLora(*c.unet.store, lora({"to_q"}), 5))
    EXPECT_TRUE(equal({{key, tensor}}, {{key, first.at(key)}})) << "other targets change nothing";
  double squares = 0, count = 0;
  for (const auto& [key, tensor] : first) {
    EXPECT_TRUE(tensor.is_leaf() && tensor.requires_grad()) << key;
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << key;
    const double norm = tensor.detach().norm().item<double>();
    if (key.ends_with(".lora_B.weight")) {
      EXPECT_EQ(norm, 0) << key;
      continue;
    }
    squares += norm * norm;
    count += static_cast<double>(tensor.numel());
  }
  // Standard deviation 1 / rank: its estimate from n draws is off by 1 / sqrt(2 n), here 6 times.
  EXPECT_NEAR(std::sqrt(squares / count) * 4, 1, 6 / std::sqrt(2 * count));
}

TEST(AttachLora, SharesMemoryAndScalesByAlphaOverRank) {
  auto model = mustLoad(tinyFolder());
  const auto& slot = *model.unet.store->slots().at("conv_in");
  const auto trainable = attachLora(*model.unet.store, lora({"conv_in"}, 2, 3), 1);
  attachLora(*model.unet.store, lora({"conv_in"}, 2), 1);
  ASSERT_EQ(slot.adapters.size(), 2u);
  EXPECT_EQ(slot.adapters[0].scale, 1.5);
  EXPECT_EQ(slot.adapters[1].scale, 1) << "alpha 0 means the rank";
  EXPECT_TRUE(slot.adapters[0].up.is_alias_of(trainable.at("conv_in.lora_B.weight")));
  EXPECT_TRUE(slot.adapters[0].down.is_alias_of(trainable.at("conv_in.lora_A.weight")));
  EXPECT_EQ(slot.adapters[0].down.sizes(), at::IntArrayRef({2, 4, 3, 3}));
  EXPECT_EQ(slot.adapters[0].up.sizes(), at::IntArrayRef({8, 2, 1, 1}));
}

TEST(Strength, ZeroIsTheBaseAndOthersAddUp) {
  auto model = mustLoad(tinyFolder());
  const at::Tensor base = unetOutput(model);
  // The same adapter twice, so that strengths s and t must act like one of strength s + t.
  attachTrained(model, lora(everything), 1);
  attachTrained(model, lora(everything), 1);
  const auto output = [&](double first, double second) {
    setAdapterStrength(*model.unet.store, 0, first);
    setAdapterStrength(*model.unet.store, 1, second);
    return unetOutput(model);
  };
  EXPECT_EQ(relativeError(output(0, 0), base), 0);
  EXPECT_GT(relativeError(output(1, 0), base), 0.1) << "the adapter does something";
  EXPECT_EQ(relativeError(output(0, 0.7), output(0.7, 0)), 0);
  EXPECT_LE(relativeError(output(0.3, 0.4), output(0.7, 0)), 1e-5);
  EXPECT_LE(relativeError(output(1.5, -0.5), output(1, 0)), 1e-5);
  EXPECT_LE(relativeError(output(1, -1), base), 1e-5);
}

TEST(Merge, IsLinearInEveryStrengthAndLeavesOthersAlone) {
  auto model = mustLoad(tinyFolder());
  const auto before = model.unet.store->stateDict();
  attachTrained(model, lora({"to_q", "conv1"}, 4, 2), 1);
  attachTrained(model, lora({"to_q", "proj_in"}, 2), 2);
  const auto merged = [&](double first, double second) {
    setAdapterStrength(*model.unet.store, 0, first);
    setAdapterStrength(*model.unet.store, 1, second);
    return mergedWeights(*model.unet.store);
  };
  const auto none = merged(0, 0), one = merged(1, 0), two = merged(0, 1), both = merged(2, -0.5);
  EXPECT_TRUE(equal(none, before));
  std::size_t changed = 0;
  for (const auto& [key, base] : before) {
    const at::Tensor sum =
        base.to(at::kDouble) + 2 * (one.at(key) - base) - 0.5 * (two.at(key) - base);
    EXPECT_LE(relativeError(both.at(key), sum), 1e-6) << key;
    if (!at::equal(both.at(key), base)) {
      ++changed;
      EXPECT_TRUE(key.ends_with(".to_q.weight") || key.ends_with(".conv1.weight") ||
                  key.ends_with(".proj_in.weight"))
          << key;
    }
  }
  EXPECT_EQ(changed, 8u + 8u + 4u) << "queries, resnets, transformers";
  EXPECT_TRUE(equal(model.unet.store->stateDict(), before)) << "merging is a copy";
}

TEST(Merge, ActsLikeTheLiveAdapters) {
  auto model = mustLoad(tinyFolder());
  attachTrained(model, lora(everything, 4, 6), 1);
  attachTrained(model, lora({"to_v", "conv2", "proj_out"}, 2), 2);
  setAdapterStrength(*model.unet.store, 0, 0.8);
  setAdapterStrength(*model.unet.store, 1, -0.4);
  const auto merged = mergedWeights(*model.unet.store);
  EXPECT_LE(relativeError(outputOf(merged, model.unet.model->config()), unetOutput(model)), 1e-5);
}

}  // namespace
}  // namespace likeness::nn::test
