// What each family makes of a prompt, and the parts of Conditioning.
#include "core/nn/encode_text.h"

#include <ATen/TensorIndexing.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "tests/core/nn/tiny.h"
#include "tests/support/tiny_model.h"

namespace likeness::nn::test {
namespace {

using at::indexing::Slice;
using support::TinyFamily;

class EncodeText : public testing::Test {
 protected:
  StableDiffusion load(TinyFamily family) {
    return mustLoad(support::makeTinyModel(m_folder / std::to_string(static_cast<int>(family)),
                                           {.family = family}));
  }
  support::TempFolder m_folder;
  const at::NoGradGuard m_noGradients;
};

TEST_F(EncodeText, SdxlJoinsTheStatesOfBothEncodersBeforeTheirLastLayer) {
  const StableDiffusion model = load(TinyFamily::StableDiffusionXl);
  ASSERT_TRUE(model.isXl());
  const TokenIds ids = tokenIds(model, {"a photo of sks toy", "a dog"});
  const Conditioning text = encodeText(model, ids);
  EXPECT_EQ(text.context.sizes(), at::IntArrayRef({2, 77, 40}));
  EXPECT_EQ(text.pooled.sizes(), at::IntArrayRef({2, 12}));
  const auto first = model.textEncoder.model->forwardXl(ids.first, model.tokenizer.endId());
  const auto second = model.textEncoder2.model->forwardXl(ids.second, model.tokenizer2.endId());
  EXPECT_TRUE(at::equal(text.context, at::cat({first.states, second.states}, 2)));
  EXPECT_TRUE(at::equal(text.pooled, second.pooled));
  EXPECT_FALSE(first.pooled.defined());
}

TEST_F(EncodeText, PaddingFollowsEachTokenizerAndDoesNotReachThePooledText) {
  const StableDiffusion model = load(TinyFamily::StableDiffusionXl);
  TokenIds ids = tokenIds(model, {"a dog"});
  EXPECT_EQ(ids.first[0][76].item<std::int64_t>(), model.tokenizer.endId());
  EXPECT_EQ(ids.second[0][76].item<std::int64_t>(), 0);
  const at::Tensor pooled = encodeText(model, ids).pooled;
  ids.second.index_put_({0, 76}, model.tokenizer2.endId());
  EXPECT_TRUE(at::allclose(pooled, encodeText(model, ids).pooled, 1e-6, 1e-6))
      << "the first end is read, and sees nothing behind it";
}

TEST_F(EncodeText, ClipSkipCountsFromTheLayerOfTheFamily) {
  const auto states = [](const StableDiffusion& model, std::int64_t skip) {
    return encodeText(model, {"a dog"}, {{}, skip}).context;
  };
  const StableDiffusion second = load(TinyFamily::StableDiffusion2);
  EXPECT_TRUE(at::equal(states(second, 1), encodeText(second, {"a dog"}).context));
  EXPECT_FALSE(at::equal(states(second, 1), states(second, 2)));
  EXPECT_FALSE(at::equal(states(second, 3), states(second, 2)));
  const StableDiffusion xl = load(TinyFamily::StableDiffusionXl);
  const at::Tensor one = states(xl, 1), two = states(xl, 2);
  EXPECT_FALSE(at::equal(one, two));
  // The first encoder has two layers: what is left are the embeddings, which no token before
  // changes.
  const auto ids = tokenIds(xl, {"a dog", "my dog"}).first;
  const auto left = xl.textEncoder.model->forwardXl(ids, 0, {}, 2).states;
  EXPECT_TRUE(at::equal(left[0].index({Slice(2)}), left[1].index({Slice(2)})));
  EXPECT_TRUE(
      at::equal(encodeText(xl, {"a dog"}).pooled, encodeText(xl, {"a dog"}, {{}, 2}).pooled))
      << "the pooled text always comes from the last layer";
}

TEST_F(EncodeText, OnlyTheParametersThatAreReadMatter) {
  const StableDiffusion model = load(TinyFamily::StableDiffusionXl);
  const auto all = [&] {
    const Conditioning text = encodeText(model, {"a photo of sks toy"});
    return at::cat({text.context.flatten(), text.pooled.flatten()});
  };
  const at::Tensor before = all();
  for (const auto* encoder : {&model.textEncoder, &model.textEncoder2}) {
    std::int64_t unread = 0;
    for (const auto& [key, parameter] : encoder->store->parameters()) {
      // Biases of keys change nothing in any attention.
      if (key.ends_with("k_proj.bias")) continue;
      const at::Tensor kept = parameter.detach().clone();
      parameter.detach().mul_(1.5).add_(0.1);
      EXPECT_EQ(!at::equal(all(), before), encoder->model->isReadByXl(key)) << key;
      parameter.detach().copy_(kept);
      unread += encoder->model->isReadByXl(key) ? 0 : 1;
    }
    EXPECT_EQ(unread > 0, encoder == &model.textEncoder);
  }
}

TEST(ConditioningTest, RowsSizesAndZeros) {
  const Conditioning plain(at::tensor({1.0, 2.0}).view({1, 2, 1}));
  EXPECT_FALSE(plain.withSizes({PictureSize::uncut(8, 8)}).timeIds.defined())
      << "only SDXL is told sizes";
  const Conditioning one(plain.context, at::tensor({3.0}).view({1, 1}));
  const Conditioning sized = one.withSizes({{10, 20, 1, 2, 8, 9}});
  EXPECT_TRUE(
      at::equal(sized.timeIds, at::tensor({10, 20, 1, 2, 8, 9}).to(at::kFloat).view({1, 6})));
  const Conditioning two = sized.repeated(2);
  EXPECT_EQ(two.context.sizes(), at::IntArrayRef({2, 2, 1}));
  EXPECT_EQ(two.timeIds.sizes(), at::IntArrayRef({2, 6}));
  const Conditioning rows = joined({two.withoutText(), sized});
  EXPECT_TRUE(at::equal(rows.pooled, at::tensor({0.0, 0.0, 3.0}).view({3, 1})));
  EXPECT_EQ(rows.timeIds.sizes(), at::IntArrayRef({3, 6}));
  EXPECT_FALSE(joined({plain, plain}).pooled.defined());
  EXPECT_EQ(rows.to(at::kBFloat16).timeIds.scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace likeness::nn::test
