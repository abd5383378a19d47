// Automatic values, comparison of recipes, and what a training is predicted to need.
#include "core/train/recipe.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "core/base/file_system.h"
#include "core/train/footprint.h"

namespace likeness::train {
namespace {

api::TrainRequest someRequest() {
  api::TrainRequest request;
  request.subject.classWord = "dog";
  request.photos.resize(5);
  return request;
}

TEST(RecipeTest, EveryAutomaticValueIsFilledIn) {
  auto request = someRequest();
  request.training.passesPerPhoto = 200;
  request.lora.rank = 8;
  const auto r = completeRecipe(request, 512);
  EXPECT_EQ(r.training.steps, 1000);
  EXPECT_EQ(r.training.resolution, 512);
  EXPECT_EQ(r.training.textEncoderLearningRate, request.training.learningRate);
  EXPECT_EQ(r.lora.alpha, 8);
  EXPECT_EQ(r.watch.sampleEvery, 100);
  EXPECT_EQ(r.watch.probeEvery, 50);
  EXPECT_EQ(completeRecipe(r, 64), r) << "complete recipes stay as they are";
  EXPECT_EQ(r.embedding.vectors, 0);
  request.training.method = api::Method::TextualInversion;
  const auto word = completeRecipe(request, 512);
  EXPECT_EQ(word.embedding.vectors, 1);
  EXPECT_EQ(word.embedding.initialWord, "dog");
  EXPECT_EQ(word.prior.classImages, 0) << "their caption does not hold the word";
  EXPECT_EQ(completeRecipe(word, 64), word);
}

TEST(RecipeTest, ShortRunsAreNotWatchedToDeath) {
  auto request = someRequest();
  request.training.steps = 60;
  EXPECT_EQ(completeRecipe(request, 512).watch.sampleEvery, 50);
  EXPECT_EQ(completeRecipe(request, 512).watch.probeEvery, 40);
  request.watch.sampleEvery = -1;
  EXPECT_EQ(completeRecipe(request, 512).watch.sampleEvery, -1);
}

TEST(RecipeTest, TheHelpOfWatchingNamesItsShortestDistance) {
  auto request = someRequest();
  request.training.steps = 1;
  const auto shortest = completeRecipe(request, 512);
  for (const char* key : {"sampleEvery", "probeEvery"}) {
    const auto& row = *std::ranges::find(api::fields<api::WatchOptions>(),
                                         std::string_view(key),
                                         &api::Field<api::WatchOptions>::key);
    const auto distance = std::get<std::int64_t>(row.get(shortest.watch));
    EXPECT_THAT(std::string(row.help), testing::HasSubstr("at least " + std::to_string(distance)));
  }
}

TEST(RecipeTest, OptionsOfTheOtherMethodDoNotMatter) {
  auto a = someRequest(), b = someRequest();
  b.lora.rank = 3;
  EXPECT_EQ(firstDifference(a, b), "");
  a.training.method = b.training.method = api::Method::Lora;
  EXPECT_EQ(firstDifference(a, b), "lora.rank");
  b = a;
  b.training.trainTextEncoder = false;
  EXPECT_EQ(firstDifference(a, b), "");
  b.compute.dtype = api::DType::Bf16;
  EXPECT_EQ(firstDifference(a, b), "compute.dtype");
}

TEST(RecipeTest, FurtherSubjectsMatterLikeTheFirst) {
  auto a = someRequest();
  a.prior.classImages = 4;
  api::FurtherSubject& further = a.furtherSubjects.emplace_back();
  further.subject.token = "zwx";
  further.subject.classWord = "cat";
  auto b = a;
  b.furtherSubjects[0].subject.name = "Mimi";
  EXPECT_EQ(firstDifference(a, b), "") << "a name is shown only";
  b.furtherSubjects[0].subject.token = "ohw";
  EXPECT_EQ(firstDifference(a, b), "furtherSubjects[0].subject.token");
  b = a;
  b.furtherSubjects[0].classFolder = "cats";
  EXPECT_EQ(firstDifference(a, b), "furtherSubjects[0].classFolder");
  a.prior.classImages = b.prior.classImages = 0;
  EXPECT_EQ(firstDifference(a, b), "");
  b.furtherSubjects.clear();
  EXPECT_NE(firstDifference(a, b), "");
  EXPECT_NE(firstDifference(b, a), "");
}

/// Which option stands in the way of a continuation when it alone differs; "" = it is not looked
/// at.
TEST(RecipeTest, AnOptionMattersToTheMethodsThatLookAtIt) {
  using Change = void (*)(api::TrainRequest&);
  const auto full = [](auto& r) { r.training.method = api::Method::Full; };
  const auto lora = [](auto& r) { r.training.method = api::Method::Lora; };
  const auto word = [](auto& r) {
    r.training.method = api::Method::TextualInversion, r.embedding.vectors = 1;
  };
  const auto pivotal = [](auto& r) { r.embedding.vectors = 1; };
  const auto loraOfText = [](auto& r) {
    r.training.method = api::Method::Lora, r.lora.textEncoder = true;
  };
  const auto lokr = [](auto& r) {
    r.training.method = api::Method::Lora, r.lora.kind = api::LoraKind::Lokr;
  };
  const auto stop = [](auto& r) { r.training.textEncoderStop = 0.5; };
  const auto layers = [](auto& r) { r.training.layers = {"attn2"}; };
  const auto factor = [](auto& r) { r.lora.lokrFactor = 4; };
  const auto part = [](auto& r) { r.embedding.part = 0.5; };
  const auto initial = [](auto& r) { r.embedding.initialWord = "cat"; };
  const auto convolutions = [](auto& r) { r.lora.convRank = 2; };
  const struct {
    Change method, option;
    const char* key;
  } cases[] = {{full, stop, "training.textEncoderStop"},
               {loraOfText, stop, "training.textEncoderStop"},
               {lora, stop, ""},
               {word, stop, ""},
               {full, layers, "training.layers"},
               {lora, layers, ""},
               {lokr, factor, "lora.lokrFactor"},
               {lora, factor, ""},
               {lora, convolutions, "lora.convRank"},
               {word, convolutions, ""},
               {pivotal, part, "embedding.embeddingPart"},
               {word, part, ""},
               {full, part, ""},
               {word, initial, "embedding.initialWord"},
               {full, initial, ""}};
  for (const auto& [method, option, key] : cases) {
    auto a = someRequest();
    method(a);
    auto b = a;
    option(b);
    EXPECT_EQ(firstDifference(a, b), key) << api::enumName(a.training.method);
  }
}

/// What a run stores is read again by --resume.
TEST(CompleteRecipe, IsValidForEveryMethod) {
  for (const auto method : {api::Method::Full, api::Method::Lora, api::Method::TextualInversion})
    for (const bool text : {true, false}) {
      api::TrainRequest request = someRequest();
      request.training.method = method;
      request.training.trainTextEncoder = text;
      request.training.textEncoderLearningRate = 0;
      request.lora.textEncoder = text;
      request.photos = {{"a.png", {}, {}, false}};
      request.subject.classWord = "toy";
      request.runFolder = "run";
      const auto errors = api::validate(completeRecipe(request, 128));
      EXPECT_TRUE(errors.empty()) << api::message(errors.front().error);
    }
}

class FootprintTest : public testing::Test {
 protected:
  const ModelSize starter =
      measureModel(weights::openModel({base::findResources() / "starter"}).value());
  api::TrainRequest recipe = completeRecipe(someRequest(), starter.resolution);
};

TEST_F(FootprintTest, SizesComeFromHeaders) {
  EXPECT_EQ(starter.resolution, 128);
  EXPECT_EQ(starter.latentFactor, 8);
  EXPECT_GT(starter.unetParameters, 5 * starter.textParameters);
  EXPECT_EQ(trainedParameters(starter, recipe), starter.unetParameters + starter.textParameters);
  recipe.training.trainTextEncoder = false;
  EXPECT_EQ(trainedParameters(starter, recipe), starter.unetParameters);
  recipe.training.method = api::Method::Lora;
  EXPECT_LT(trainedParameters(starter, recipe), starter.unetParameters / 10);
}

TEST_F(FootprintTest, GrowsWithWhatIsAsked) {
  const auto mib = [&] { return trainingMiB(starter, recipe, at::kFloat); };
  const auto full = mib();
  recipe.training.batchSize = 8;
  const auto batch = mib();
  EXPECT_GT(batch, full);
  recipe.training.method = api::Method::Lora;
  const auto lora = mib();
  EXPECT_LT(lora, batch);
  recipe.training.resolution = 256;
  EXPECT_GT(mib(), lora);
}

TEST_F(FootprintTest, KnowsWhatEachOptimizerKeeps) {
  const auto of = [&](api::OptimizerKind kind, double ema) {
    recipe.optimizer.kind = kind;
    recipe.optimizer.ema = ema;
    return std::pair(trainingMiB(starter, recipe, at::kFloat), checkpointBytes(starter, recipe));
  };
  using enum api::OptimizerKind;
  EXPECT_GT(of(Prodigy, 0), of(AdamW, 0));
  EXPECT_GT(of(AdamW, 0.9), of(AdamW, 0));
  EXPECT_GT(of(AdamW, 0), of(Lion, 0));
  EXPECT_GT(of(Lion, 0), of(AdamW8bit, 0));
  EXPECT_GT(of(AdamW8bit, 0).second, of(Adafactor, 0).second);
}

TEST_F(FootprintTest, RefusalSaysWhatFits) {
  recipe.training.batchSize = 64;
  recipe.runFolder = ".";
  recipe.compute.memoryLimit = trainingMiB(starter, recipe, at::kFloat) - 1;
  auto refused = checkResources(starter, recipe, at::kCPU, at::kFloat);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, api::ErrorCode::NotEnoughMemory);
  EXPECT_THAT(std::string(refused.error().value("fits")),
              testing::MatchesRegex("A batch size of 1 \\([0-9]+ MiB\\) would fit"));
  recipe.training.batchSize = 1;
  recipe.compute.memoryLimit = trainingMiB(starter, recipe, at::kFloat) - 1;
  refused = checkResources(starter, recipe, at::kCPU, at::kFloat);
  ASSERT_FALSE(refused);
  EXPECT_THAT(std::string(refused.error().value("fits")),
              testing::MatchesRegex("A LoRA instead of full training \\([0-9]+ MiB\\) would fit"));
  recipe.compute.memoryLimit = 1;
  refused = checkResources(starter, recipe, at::kCPU, at::kFloat);
  EXPECT_EQ(refused.error().value("fits"), "No smaller setting of this model would fit");
  recipe.compute.memoryLimit = 0;
  EXPECT_TRUE(checkResources(starter, recipe, at::kCPU, at::kFloat));
}

TEST_F(FootprintTest, TooSmallADiskIsRefused) {
  recipe.runFolder = ".";
  recipe.checkpoints.keep = 1'000'000'000;
  const auto refused = checkResources(starter, recipe, at::kCPU, at::kFloat);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, api::ErrorCode::DiskFull);
  EXPECT_NE(refused.error().value("needed"), "");
}

}  // namespace
}  // namespace likeness::train
