// The requests of a contact sheet, and the order that exchanges the weights least.
#include "core/api/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace likeness::api {
namespace {

using testing::ElementsAre;

TrainRequest run(Method method) {
  TrainRequest request;
  request.base.path = "base";
  request.training.method = method;
  return request;
}

GenerateRequest common() {
  GenerateRequest request;
  request.model.path = "other";
  request.prompt = "words";
  request.promptTemplate = "{subject}";
  request.seed = 5;
  request.width = 64, request.height = 96;
  return request;
}

TEST(Comparison, EveryCellHasTheValuesOfItsRowAndColumnAndAllElseInCommon) {
  const SheetWeights early = sheetWeights("runs/1", run(Method::Full), 20);
  const SheetWeights late = sheetWeights("runs/1", run(Method::Full), 40);
  const auto cells = sheetRequests(
      common(), early, {Axis::Checkpoint, {early, late}}, {Axis::Guidance, {2.0, 4.0, 7.5}});
  ASSERT_EQ(cells.size(), 6U);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    GenerateRequest wanted = common();
    wanted.model = {"runs/1", i < 3 ? "20" : "40"};
    wanted.sampling.guidance = std::array{2.0, 4.0, 7.5}[i % 3];
    ASSERT_TRUE(cells[i]);
    EXPECT_TRUE(*cells[i] == wanted) << i;
  }
}

TEST(Comparison, PromptsAndSeedsTakeTheFixedWeights) {
  const auto cells = sheetRequests(common(),
                                   SheetWeights{{"runs/1", "40"}, {}, {}},
                                   {Axis::Prompt, {std::string("a"), std::string("b")}},
                                   {Axis::Seed, {std::int64_t{7}}});
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(cells[1]->prompt, "b");
  EXPECT_EQ(cells[1]->promptTemplate, "");
  EXPECT_EQ(cells[1]->seed, 7);
  EXPECT_EQ(cells[1]->model.path, "runs/1");
}

TEST(Comparison, AStrengthIsThatOfTheRunsOwnAdapterOnItsBase) {
  const SheetWeights lora = sheetWeights("runs/1", run(Method::Lora), 320);
  GenerateRequest request = common();
  request.adapters = {{"further.safetensors", 0.7}};
  const auto cells =
      sheetRequests(request, lora, {Axis::Strength, {0.0, 0.5}}, {Axis::Guidance, {3.0}});
  const std::vector<AdapterRef> adapters{{"runs/1/checkpoints/000320/adapter.safetensors", 0.5},
                                         {"further.safetensors", 0.7}};
  EXPECT_EQ(cells[1]->adapters, adapters);
  EXPECT_EQ(cells[1]->model.path, "base");
  // Without strengths it is the run as it stands.
  const auto whole =
      sheetRequests(request, lora, {Axis::Seed, {std::int64_t{1}}}, {Axis::Guidance, {3.0}});
  EXPECT_EQ(whole[0]->model, (ModelRef{"runs/1", "320"}));
  EXPECT_EQ(whole[0]->adapters, request.adapters);
}

TEST(Comparison, WhereThereIsNoAdapterTheCellSaysSoAndTheOthersStand) {
  const SheetWeights full = sheetWeights("runs/1", run(Method::Full), 10);
  const SheetWeights lora = sheetWeights("runs/2", run(Method::Lora), 10);
  const auto cells =
      sheetRequests(common(), full, {Axis::Checkpoint, {full, lora}}, {Axis::Strength, {0.0, 1.0}});
  EXPECT_FALSE(cells[0]);
  EXPECT_EQ(cells[1].error().code, ErrorCode::BadCombination);
  EXPECT_NE(message(cells[1].error()).find("no LoRA"), std::string::npos);
  ASSERT_TRUE(cells[2]);
  EXPECT_EQ(cells[3]->adapters.front().strength, 1.0);
}

TEST(Comparison, WeightsAreExchangedAsSeldomAsPossible) {
  const auto with = [](const char* model, std::vector<AdapterRef> adapters, std::int64_t seed) {
    GenerateRequest request;
    request.model.path = model;
    request.adapters = std::move(adapters);
    request.seed = seed;
    return request;
  };
  const AdapterRef x{"x", 1}, y{"y", 1};
  EXPECT_THAT(orderByWeights({with("a", {x}, 1),
                              with("b", {x}, 1),
                              with("a", {y}, 1),
                              with("a", {x}, 2),
                              with("b", {y}, 2),
                              with("a", {y}, 2),
                              with("b", {x}, 2)}),
              ElementsAre(0, 3, 2, 5, 1, 6, 4));
  EXPECT_THAT(orderByWeights({}), ElementsAre());
}

}  // namespace
}  // namespace likeness::api
