// Automatic values, and comparison of recipes.
#include "core/workspace/recipe.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace likeness::workspace {
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

}  // namespace
}  // namespace likeness::workspace
