// Embeddings: every form, found in prompts, their vectors in place of the vocabulary's.
#include "core/nn/embeddings.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include "core/nn/encode_text.h"
#include "core/tensor/random_tensor.h"
#include "tests/core/nn/tiny.h"
#include "tests/support/tiny_model.h"

namespace likeness::nn::test {
namespace {

using support::TinyFamily;

class Embeddings : public testing::Test {
 protected:
  StableDiffusion load(TinyFamily family) {
    return mustLoad(support::makeTinyModel(m_folder / std::to_string(static_cast<int>(family)),
                                           {.family = family}));
  }
  std::filesystem::path file(const char* name, const tensor::StateDict& tensors) {
    const auto path = m_folder / name;
    EXPECT_TRUE(tensor::saveSafetensors(path, tensors, {}));
    return path;
  }
  static at::Tensor encoded(const StableDiffusion& model, std::string_view prompt) {
    return encodePrompt(model, prompt, api::PromptSyntax::A1111).context;
  }
  /// The row of a word of one token.
  static at::Tensor row(const Network<ClipTextModel>& encoder,
                        const text::ClipTokenizer& tokenizer,
                        const char* word) {
    return encoder.store->parameters()
        .at("text_model.embeddings.token_embedding.weight")
        .select(0, tokenizer.encode(word).at(0))
        .detach()
        .clone();
  }
  std::string refusal(StableDiffusion& model, const std::filesystem::path& path) {
    const auto added = addEmbeddings(model, {path});
    return added ? "" : api::message(added.error());
  }
  support::TempFolder m_folder;
  const at::NoGradGuard noGradients;
};

TEST_F(Embeddings, VectorsOfKnownWordsAreThoseWords) {
  StableDiffusion model = load(TinyFamily::StableDiffusion1);
  const at::Tensor dog = row(model.textEncoder, model.tokenizer, "dog"),
                   red = row(model.textEncoder, model.tokenizer, "red");
  const at::Tensor wanted = encoded(model, "a photo of red dog and dog");
  ASSERT_TRUE(addEmbeddings(
      model,
      {file("mine.safetensors", {{"emb_params", at::cat({red.unsqueeze(0), dog.unsqueeze(0)})}}),
       file("other.safetensors", {{"<bo>", dog}})}));
  EXPECT_TRUE(at::equal(encoded(model, "a photo of mine and <bo>"), wanted));
  EXPECT_TRUE(at::equal(encoded(model, "a photo of mine and other"), wanted));
  EXPECT_FALSE(at::equal(encoded(model, "a photo of other and mine"), wanted));
  EXPECT_EQ(promptTokens(model, "mine", api::PromptSyntax::A1111).used, 2);
  // Weighted as any word, and literal where no syntax is read.
  EXPECT_TRUE(at::equal(encoded(model, "a photo of (mine:1.0) and <bo>"), wanted));
  EXPECT_FALSE(at::equal(encoded(model, "a photo of (mine:1.3) and <bo>"), wanted));
}

TEST_F(Embeddings, SdxlTakesOneForEachEncoder) {
  StableDiffusion model = load(TinyFamily::StableDiffusionXl);
  const auto dog = [&] {
    return tensor::StateDict{{"clip_l", row(model.textEncoder, model.tokenizer, "dog")},
                             {"clip_g", row(model.textEncoder2, model.tokenizer2, "dog")}};
  };
  const at::Tensor wanted = encoded(model, "a dog");
  ASSERT_TRUE(addEmbeddings(model, {file("mine.safetensors", dog())}));
  EXPECT_TRUE(at::equal(encoded(model, "a mine"), wanted));
  const auto pooled = [&](const char* prompt) {
    return encodePrompt(model, prompt, api::PromptSyntax::A1111).pooled;
  };
  EXPECT_TRUE(at::equal(pooled("a mine"), pooled("a dog")));
}

TEST_F(Embeddings, WhatDoesNotFitIsASentence) {
  StableDiffusion model = load(TinyFamily::StableDiffusion1);
  const auto vectors = [](at::IntArrayRef shape) {
    return tensor::normal(shape, base::Random(1, base::Purpose::Test));
  };
  using testing::HasSubstr;
  EXPECT_THAT(refusal(model, file("v2.safetensors", {{"emb_params", vectors({2, 1024})}})),
              HasSubstr("Stable Diffusion 2.x"));
  EXPECT_THAT(
      refusal(model,
              file("xl.safetensors", {{"clip_l", vectors({1, 16})}, {"clip_g", vectors({1, 24})}})),
      HasSubstr("Stable Diffusion XL"));
  EXPECT_THAT(refusal(model,
                      file("uneven.safetensors",
                           {{"clip_l", vectors({1, 16})}, {"clip_g", vectors({2, 24})}})),
              HasSubstr("different numbers"));
  EXPECT_THAT(refusal(model, file("lora.safetensors", {{"a", vectors({2, 3})}})),
              HasSubstr("no embedding"));
  EXPECT_THAT(refusal(model, m_folder / "missing.safetensors"), HasSubstr("missing.safetensors"));
  const auto mine = file("mine.safetensors", {{"emb_params", vectors({1, 16})}});
  EXPECT_EQ(refusal(model, mine), "");
  EXPECT_THAT(refusal(model, mine), HasSubstr("rename"));
}

}  // namespace
}  // namespace likeness::nn::test
