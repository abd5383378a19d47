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

/// What a run stores is read again by --resume.
TEST(CompleteRecipe, IsValidForEveryMethod) {
  for (const auto method : {api::Method::Full, api::Method::Lora})
    for (const bool text : {true, false}) {
      api::TrainRequest request = someRequest();
      request.training.method = method;
      request.training.trainTextEncoder = text;
      request.training.textEncoderLearningRate = 0;
      request.photos = {{"a.png", {}, {}, false}};
      request.subject.classWord = "toy";
      request.runFolder = "run";
      const auto errors = api::validate(completeRecipe(request, 128));
      EXPECT_TRUE(errors.empty()) << api::message(errors.front().error);
    }
}

class FootprintTest : public testing::Test {
 protected:
  const ModelSize starter = measureModel(
      weights::openModel({base::findResources() / "starter"}).value(), api::LoraOptions{}.targets);
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
  EXPECT_EQ(trainedParameters(starter, recipe), 16 * starter.loraUnits);
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
