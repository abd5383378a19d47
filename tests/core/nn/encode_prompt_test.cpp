// Weighted prompts against the written formula, its sums in fp64, and clip skip against a shorter
// encoder.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "core/base/file_system.h"
#include "core/nn/encode_text.h"

namespace likeness::nn {
namespace {

using api::PromptSyntax;

const StableDiffusion& starter() {
  static const StableDiffusion model =
      loadStableDiffusion({base::findResources() / "starter"}, {}).value();
  return model;
}

at::Tensor encoded(std::string_view prompt, PromptSyntax syntax = PromptSyntax::A1111) {
  const at::NoGradGuard noGradients;
  return encodePrompt(starter(), prompt, syntax).context;
}

TEST(EncodePrompt, WeightsFollowTheFormulaPerChunk) {
  const at::NoGradGuard noGradients;
  const auto prompt = "a (red:1.6) [dog] BREAK on a ((hill)), (blurry:-0.5) BREAK sea";
  const auto tokens = promptTokens(starter(), prompt, PromptSyntax::A1111);
  ASSERT_EQ(tokens.chunks.size(), 3U);
  std::vector<at::Tensor> chunks;
  for (const text::PromptChunk& chunk : tokens.chunks) {
    const at::Tensor z =
        starter().textEncoder.model->forward(at::tensor(chunk.ids).unsqueeze(0)).to(at::kDouble);
    at::Tensor product = z.clone();
    for (std::int64_t i = 0; i < z.size(1); ++i)
      product.select(1, i).mul_(static_cast<double>(chunk.weights[static_cast<std::size_t>(i)]));
    chunks.push_back(product * (z.sum() / product.sum()));
  }
  const at::Tensor wanted = at::cat(chunks, 1);
  const at::Tensor made = encoded(prompt);
  EXPECT_EQ(made.sizes(), wanted.sizes());
  EXPECT_LE(((made.to(at::kDouble) - wanted).norm() / wanted.norm()).item<double>(), 1e-5);
  // Weights reach the result at all, and only in the chunks that have some.
  const at::Tensor plain = encoded("a red dog BREAK on a hill, blurry BREAK sea");
  EXPECT_GT(((made - plain).norm() / plain.norm()).item<double>(), 1e-2);
  EXPECT_TRUE(at::equal(made.narrow(1, 154, 77), plain.narrow(1, 154, 77)));
}

TEST(EncodePrompt, WithoutWeightsIsTheEncoderItself) {
  const at::NoGradGuard noGradients;
  const char* prompt = "a photo of sks dog";
  const at::Tensor direct =
      starter().textEncoder.model->forward(tokenIds(starter(), {prompt}).first);
  for (const auto syntax : {PromptSyntax::A1111, PromptSyntax::Plain})
    EXPECT_TRUE(at::equal(encoded(prompt, syntax), direct));
  EXPECT_TRUE(at::equal(encoded("(a photo:1) of (sks dog:1.0)"), direct));
  EXPECT_TRUE(at::equal(encoded("a photo of sks dog BREAK a photo of sks dog"),
                        at::cat({direct, direct}, 1)));
}

TEST(EncodePrompt, ClipSkipEqualsAnEncoderWithoutItsLastLayers) {
  const at::NoGradGuard noGradients;
  const auto& encoder = starter().textEncoder;
  const at::Tensor ids = tokenIds(starter(), {"a photo of sks dog"}).first;
  for (const std::int64_t skip : {1, 2, 3}) {
    ClipTextConfig config = encoder.model->config();
    tensor::StateDict kept;
    config.numHiddenLayers -= skip - 1;
    for (const auto& [key, parameter] : encoder.store->stateDict()) {
      bool cut = false;
      for (std::int64_t layer = config.numHiddenLayers;
           layer < encoder.model->config().numHiddenLayers;
           ++layer)
        cut |= key.find(".layers." + std::to_string(layer) + ".") != std::string::npos;
      if (!cut) kept.emplace(key, parameter);
    }
    ParameterStore store(std::move(kept), at::kFloat, at::kCPU, "shorter");
    const ClipTextModel shorter(Weights(store), config);
    ASSERT_TRUE(store.finish());
    EXPECT_TRUE(at::equal(encoder.model->forward(ids, {}, skip), shorter.forward(ids))) << skip;
  }
}

}  // namespace
}  // namespace likeness::nn
