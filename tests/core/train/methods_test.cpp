// What every method trains, in which steps, and what of it a run holds.
#include <gmock/gmock.h>

#include <set>

#include "core/generate/load_model.h"
#include "core/nn/encode_text.h"
#include "core/train/train.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/training_need.h"
#include "tests/core/train/driver/recipe.h"
#include "tests/core/train/fixture.h"
#include "tests/support/recording_reporter.h"

namespace likeness::train::test {
namespace {

using api::LoraKind;
using api::Method;

struct Variant {
  const char* name;
  Method method;
  void (*change)(api::TrainRequest&) = [](api::TrainRequest&) {};
};
const Variant kVariants[] = {
    {"Full", Method::Full},
    {"FullAlone", Method::Full, [](auto& r) { r.training.trainTextEncoder = false; }},
    {"Layers",
     Method::Full,
     [](auto& r) {
       r.training.layers = {"attn2.to_k", "attn2.to_v"}, r.training.trainTextEncoder = false;
     }},
    {"Lora", Method::Lora},
    {"Locon", Method::Lora, [](auto& r) { r.lora.convRank = 1; }},
    {"LoraOfText", Method::Lora, [](auto& r) { r.lora.textEncoder = true; }},
    {"Dora",
     Method::Lora,
     [](auto& r) { r.lora.kind = LoraKind::Dora, r.lora.convRank = 1, r.lora.textEncoder = true; }},
    {"Lokr",
     Method::Lora,
     [](auto& r) {
       r.lora.kind = LoraKind::Lokr, r.lora.convRank = 1, r.lora.textEncoder = true;
       r.lora.lokrFactor = 2, r.lora.rank = 1;
     }},
    {"Word", Method::TextualInversion},
    {"PivotalFull", Method::Full, [](auto& r) { r.embedding.vectors = 2, r.embedding.part = 0.4; }},
    {"PivotalLora",
     Method::Lora,
     [](auto& r) { r.embedding.vectors = 2, r.embedding.part = 0.4, r.lora.textEncoder = true; }},
};

constexpr std::int64_t kSteps = 5;

api::TrainRequest recipeOf(const Variant& variant) {
  auto recipe = tinyRecipe(variant.method, true);
  recipe.training.steps = kSteps;
  recipe.training.maxGradNorm = 0;
  recipe.training.textEncoderLearningRate = 0;
  variant.change(recipe);
  return workspace::completeRecipe(recipe, 16);
}

/// Everything that could be trained, under the names of Trainable.
tensor::StateDict everything(const TinyTraining& setup) {
  tensor::StateDict all = copyOfWeights(setup.trainer);
  const nn::StableDiffusion& model = setup.model;
  for (const auto& [name, store] : {std::pair("unet.", model.unet.store),
                                    std::pair("text_encoder.", model.textEncoder.store),
                                    std::pair("text_encoder_2.", model.textEncoder2.store),
                                    std::pair("vae.", model.vae.store)})
    for (const auto& [key, tensor] : store ? store->parameters() : tensor::StateDict{})
      all.emplace(name + key, tensor.detach().clone());
  return all;
}

std::set<std::string> changed(const tensor::StateDict& before, const tensor::StateDict& after) {
  std::set<std::string> keys;
  for (const auto& [key, tensor] : before)
    if (!tensor.equal(after.at(key))) keys.insert(key);
  return keys;
}

void takeSteps(Trainer& trainer, std::int64_t from, std::int64_t until) {
  for (std::int64_t step = from; step < until; ++step) ASSERT_TRUE(trainer.step(step));
}

class MethodTest : public testing::TestWithParam<std::tuple<std::size_t, Tiny>> {};

TEST_P(MethodTest, ChangesWhatItMarksAndNothingElse) {
  const auto& [index, model] = GetParam();
  const auto recipe = recipeOf(kVariants[index]);
  TinyTraining setup(tinyModel(model), recipe);
  const auto before = everything(setup);
  takeSteps(setup.trainer, 0, kSteps);
  std::set<std::string> marked;
  std::int64_t count = 0;
  for (const Trainable& p : setup.trainer.optimizer().parameters()) {
    marked.insert(p.key);
    count += p.value.numel();
    EXPECT_TRUE(before.contains(p.key)) << p.key;
  }
  EXPECT_FALSE(marked.empty());
  EXPECT_EQ(changed(before, everything(setup)), marked);
  EXPECT_EQ(workspace::trainedPart(setup.model.files.configs, recipe).parameters, count);
}

INSTANTIATE_TEST_SUITE_P(All,
                         MethodTest,
                         testing::Combine(testing::Range(std::size_t{0}, std::size(kVariants)),
                                          testing::Values(Tiny::Noise, Tiny::Velocity2, Tiny::Xl)),
                         [](const auto& test) {
                           return std::string(kVariants[std::get<0>(test.param)].name) +
                                  std::to_string(static_cast<int>(std::get<1>(test.param)));
                         });

TEST(Methods, LayersAndRanksAreThoseThatWereNamed) {
  const auto keysOf = [](const char* name) {
    for (const Variant& variant : kVariants)
      if (variant.name == std::string(name)) {
        TinyTraining setup(tinyModel(), recipeOf(variant));
        std::map<std::string, at::Tensor> keys;
        for (const Trainable& p : setup.trainer.optimizer().parameters())
          keys.emplace(p.key, p.value);
        return keys;
      }
    return std::map<std::string, at::Tensor>();
  };
  for (const auto& [key, value] : keysOf("Layers"))
    EXPECT_THAT(key,
                testing::AnyOf(testing::HasSubstr("attn2.to_k"), testing::HasSubstr("attn2.to_v")));
  std::set<std::string> convolutions;
  for (const auto& [key, value] : keysOf("Locon"))
    if (key.ends_with("lora_A.weight")) {
      const bool convolution = key.find("conv") != std::string::npos;
      EXPECT_EQ(value.size(0), convolution ? 1 : 2) << key;
      if (convolution) convolutions.insert(key.substr(key.find("conv")));
    }
  EXPECT_THAT(convolutions,
              testing::UnorderedElementsAre("conv.lora_A.weight",
                                            "conv1.lora_A.weight",
                                            "conv2.lora_A.weight",
                                            "conv_shortcut.lora_A.weight"));
  EXPECT_EQ(keysOf("Word").size(), 1U);
}

TEST(Methods, TheTextEncoderStopsAndItsOptimizerStateToo) {
  for (const Method method : {Method::Full, Method::Lora}) {
    auto recipe = tinyRecipe(method, true);
    recipe.training.steps = 4;
    recipe.training.textEncoderStop = 0.5;
    recipe.lora.textEncoder = true;
    TinyTraining setup(tinyModel(), recipe);
    const auto state = [&] {
      auto all = copyOfWeights(setup.trainer);
      for (const auto& [key, tensor] : setup.trainer.optimizer().state())
        all.emplace(key, tensor.clone());
      return all;
    };
    const auto isText = [](const std::string& key) {
      return key.find("text_encoder.") != std::string::npos;
    };
    const auto kept = [&](bool ofText) {
      return std::ranges::count_if(setup.trainer.optimizer().state(), [&](const auto& entry) {
        return isText(entry.first) == ofText;
      });
    };
    const auto begun = copyOfWeights(setup.trainer);
    takeSteps(setup.trainer, 0, 1);
    const auto ofUnet = kept(false);
    EXPECT_GT(kept(true), 0);
    takeSteps(setup.trainer, 1, 2);
    EXPECT_EQ(kept(true), 0) << "its memory is free";
    EXPECT_EQ(kept(false), ofUnet);
    const auto middle = state();
    takeSteps(setup.trainer, 2, 4);
    const auto first = changed(begun, middle), second = changed(middle, state());
    EXPECT_TRUE(std::ranges::any_of(first, isText));
    EXPECT_FALSE(std::ranges::any_of(second, isText));
    EXPECT_FALSE(second.empty());
  }
}

TEST(Methods, TheWordIsLearnedBeforeTheWeights) {
  auto recipe = tinyRecipe(Method::Full, true);
  recipe.training.steps = 4;
  recipe.embedding.vectors = 2;
  recipe.embedding.part = 0.5;
  TinyTraining setup(tinyModel(), workspace::completeRecipe(recipe, 16));
  const auto begun = everything(setup);
  const auto first = setup.trainer.step(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->learningRate, recipe.embedding.learningRate);
  ASSERT_TRUE(setup.trainer.step(1));
  const auto middle = everything(setup);
  EXPECT_THAT(changed(begun, middle), testing::ElementsAre("embeddings.sks"));
  takeSteps(setup.trainer, 2, 4);
  EXPECT_FALSE(changed(middle, everything(setup)).contains("embeddings.sks"));
}

TEST(Methods, TheWordBeginsAsTheInitialWord) {
  auto recipe = tinyRecipe(Method::TextualInversion, false);
  recipe.embedding.vectors = 3;
  recipe.embedding.initialWord = "dog";
  TinyTraining setup(tinyModel(), recipe);
  const auto token = setup.model.tokenizer.encode("dog");
  const at::Tensor table = setup.model.textEncoder.store->parameters().at(
      "text_model.embeddings.token_embedding.weight");
  const at::Tensor vectors = copyOfWeights(setup.trainer).at("embeddings.sks");
  ASSERT_EQ(vectors.size(0), 3);
  for (std::int64_t i = 0; i < 3; ++i)
    EXPECT_TRUE(vectors[i].equal(table[token[static_cast<std::size_t>(i) % token.size()]]));
}

TEST(Methods, EachSubjectsWordBeginsAsItsClass) {
  auto recipe = tinyRecipe(Method::TextualInversion, false);
  api::FurtherSubject& further = recipe.furtherSubjects.emplace_back();
  further.subject.token = "zwx";
  further.subject.classWord = "cat";
  recipe.embedding.initialWord.clear();
  recipe = workspace::completeRecipe(recipe, 16);
  for (const Tiny tiny : {Tiny::Noise, Tiny::Xl}) {
    TinyTraining setup(tinyModel(tiny), recipe);
    const auto& encoder = setup.model.textEncoder;
    const at::Tensor table =
        encoder.store->parameters().at("text_model.embeddings.token_embedding.weight");
    const auto weights = copyOfWeights(setup.trainer);
    const bool xl = tiny == Tiny::Xl;
    EXPECT_EQ(weights.size(), xl ? 4U : 2U);
    for (const auto& [key, word] :
         {std::pair(xl ? "embeddings.clip_l" : "embeddings.sks", recipe.subject.classWord.c_str()),
          std::pair(xl ? "embeddings_2.clip_l" : "embeddings_2.zwx", "cat")})
      EXPECT_TRUE(weights.at(key)[0].equal(table[setup.model.tokenizer.encode(word).front()]))
          << key;
  }
}

class MethodRun : public testing::Test {
 protected:
  MethodRun() { support::makePhotos(folder / "photos", 3); }
  api::TrainRequest request(Method method, Tiny model) const {
    auto r = jobRequest(tinyModel(model), folder / "photos", folder / "run");
    r.training.method = method;
    r.prior.classImages = 0;
    r.watch.sampleEvery = -1;
    return r;
  }
  support::TempFolder folder;
  support::RecordingReporter reporter;
};

TEST_F(MethodRun, OfAWordIsAModelThatKnowsIt) {
  for (const Tiny tiny : {Tiny::Noise, Tiny::Xl}) {
    auto r = request(Method::TextualInversion, tiny);
    r.runFolder = folder / std::to_string(static_cast<int>(tiny));
    const auto trained = train(r, {}, reporter);
    ASSERT_TRUE(trained) << api::message(trained.error()) << trained.error().detail;
    const auto manifest =
        workspace::readManifest(workspace::checkpointFolder(r.runFolder, kJobSteps));
    std::set<std::string> files;
    for (const auto& file : manifest->files) files.insert(file.name);
    EXPECT_THAT(files, testing::ElementsAre("embeddings.safetensors", "optimizer.safetensors"));
    const auto run =
        generate::loadModel({r.runFolder.string(), "latest", {}}, {}, {}, r.compute, {});
    ASSERT_TRUE(run) << api::message(run.error());
    const auto base = loadTiny(tinyModel(tiny));
    const auto differ = [&](const char* prompt) {
      return !nn::encodeText(run->model, {prompt}, {at::kFloat})
                  .context.equal(nn::encodeText(base, {prompt}, {at::kFloat}).context);
    };
    EXPECT_TRUE(differ("a photo of sks toy"));
    EXPECT_FALSE(differ("a photo of a toy"));
  }
}

TEST_F(MethodRun, OfSeveralSubjectsKnowsAWordOfEach) {
  for (const Tiny tiny : {Tiny::Noise, Tiny::Xl}) {
    auto r = request(Method::TextualInversion, tiny);
    r.runFolder = folder / std::to_string(static_cast<int>(tiny));
    api::FurtherSubject& further = r.furtherSubjects.emplace_back();
    further.subject.token = "zwx";
    further.subject.classWord = "cat";
    further.photos = {r.photos.back()};
    r.photos.pop_back();
    const auto trained = train(r, {}, reporter);
    ASSERT_TRUE(trained) << api::message(trained.error()) << trained.error().detail;
    const auto run =
        generate::loadModel({r.runFolder.string(), "latest", {}}, {}, {}, r.compute, {});
    ASSERT_TRUE(run) << api::message(run.error());
    const auto contextOf = [&](const char* prompt) {
      return nn::encodeText(run->model, {prompt}, {at::kFloat}).context;
    };
    const auto base = loadTiny(tinyModel(tiny));
    EXPECT_TRUE(contextOf("a toy and a cat")
                    .equal(nn::encodeText(base, {"a toy and a cat"}, {at::kFloat}).context));
    for (const char* word : {"sks", "zwx"})
      EXPECT_FALSE(contextOf(word).equal(nn::encodeText(base, {word}, {at::kFloat}).context))
          << word;
    EXPECT_FALSE(contextOf("sks").equal(contextOf("zwx")));
    // Begun again from the files, it learns on.
    r.training.steps += 2;
    r.resume = true;
    ASSERT_TRUE(train(r, {}, reporter));
  }
}

TEST_F(MethodRun, LayersThatTheModelHasNotAreRefusedWithNearOnes) {
  auto r = request(Method::Full, Tiny::Noise);
  r.training.layers = {"attn2.to_k", "atn2.to_v"};
  const auto refused = train(r, {}, reporter);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, api::ErrorCode::BadCombination);
  EXPECT_THAT(api::message(refused.error()), testing::HasSubstr("atn2.to_v"));
  EXPECT_THAT(std::string(refused.error().value("fix")), testing::HasSubstr("attn2.to_v"));
  r = request(Method::Lora, Tiny::Noise);
  r.lora.targets = {"to_q", "to_x"};
  EXPECT_EQ(train(r, {}, reporter).error().code, api::ErrorCode::BadCombination);
}

}  // namespace
}  // namespace likeness::train::test
