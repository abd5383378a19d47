// What a training is predicted to take: counts by hand, and that every option counts.
#include "core/workspace/training_need.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "core/base/file_system.h"
#include "core/weights/weight_hash.h"
#include "core/workspace/class_images.h"
#include "core/workspace/network_passes.h"
#include "core/workspace/plan_training.h"
#include "core/workspace/recipe.h"
#include "core/workspace/training_speed.h"
#include "core/workspace/workspace.h"
#include "tests/support/temp_folder.h"

namespace likeness::workspace {
namespace {

using api::Method;

constexpr std::int64_t kMiB = 1 << 20;

class TrainingNeedTest : public testing::Test {
 protected:
  static api::TrainRequest someRequest() {
    api::TrainRequest request;
    request.subject.classWord = "dog";
    request.photos.resize(5);
    request.runFolder = ".";
    return request;
  }
  std::int64_t mib() const { return peakMemory(configs, recipe, conditions).total(); }
  std::int64_t parameters() const { return trainedPart(configs, recipe).parameters; }

  const weights::StoredModel starter =
      weights::openModel({base::findResources() / "starter"}).value();
  const weights::ModelConfigs& configs = starter.configs;
  api::TrainRequest recipe = completeRecipe(someRequest(), starter.resolution());
  RunConditions conditions{false, 0, 1 << 20};
};

// ---- passes

TEST(Rehearsal, OfStableDiffusion1CountsWhatLibTorchCounts) {
  Pass pass({});
  const Ghost text = pass.input({1, 1, 77, 768});
  weights::UNet2DConditionConfig config;
  config.crossAttentionDim = 768;
  const Ghost out = passUnet(pass, config, {1, 64, 64}, text);
  EXPECT_EQ(out.extent.values(), 4 * 64 * 64);
  EXPECT_NEAR(pass.flops() / 1e9, 803.27, 0.01);  // torch.utils.flop_counter, diffusers' UNet
}

TEST(Rehearsal, KeepsWhatABackwardPassNeedsByHand) {
  api::TrainRequest all;  // everything is trained
  const auto pass = [&](bool records) {
    Pass p({.records = records, .recipe = &all});
    Ghost y = p.input({1, 1, 100, 10});             // 4000 bytes
    y = p.linear("a", y, 20);                       // 8000
    y = p.linear("b", p.activation(y, 20, 1), 30);  // 8000, 12000
    if (records) p.backward(y);
    return p;
  };
  // Without a record the input of a layer goes when it has been read: 8000 + 12000 at the end, one
  // more input that the caller's expression holds.
  EXPECT_EQ(pass(false).peak(), 8000 + 8000 + 12000);
  // With it, all four; then the gradients of the last output, of its input and of the weights.
  EXPECT_EQ(pass(true).peak(), 4000 + 8000 + 8000 + 12000 + 12000 + 8000 + 4 * (20 * 30 + 30));
  const double forward = 2.0 * 100 * (10 * 20 + 20 * 30);
  EXPECT_EQ(pass(false).flops(), forward);
  // Backwards: both weights, and the input of the second layer alone.
  EXPECT_EQ(pass(true).flops(), 2 * forward + 2.0 * 100 * 20 * 30);
}

TEST(Rehearsal, ABlockThatIsComputedAgainKeepsItsInputAlone) {
  api::TrainRequest all;
  const auto pass = [&](bool checkpointing) {
    Pass p({.records = true, .checkpointing = checkpointing, .recipe = &all});
    Ghost y = p.linear("in", p.input({1, 1, 100, 10}), 10);
    for (int i = 0; i < 8; ++i)
      y = p.block(y, {}, [&](const Ghost& x, const Ghost&) {
        return p.linear("down", p.activation(p.linear("up", x, 80), 80, 1), 10);
      });
    p.backward(y);
    return p;
  };
  EXPECT_LT(pass(true).peak(), pass(false).peak() / 3);
  EXPECT_GT(pass(true).flops(), pass(false).flops());
  EXPECT_LT(pass(true).flops(), pass(false).flops() * 1.5);
}

// ---- counts

TEST_F(TrainingNeedTest, TrainedParametersComeFromShapes) {
  const auto count = [&](weights::NetworkKind kind) {
    return starter.networks.at(kind).parameters();
  };
  const std::int64_t unet = count(weights::NetworkKind::UNet),
                     text = count(weights::NetworkKind::TextEncoder);
  EXPECT_EQ(parameters(), unet + text);
  recipe.training.trainTextEncoder = false;
  EXPECT_EQ(parameters(), unet);
  recipe.training.layers = {"conv_in"};
  EXPECT_EQ(parameters(), 4 * 96 * 9 + 96);
  recipe.training.method = Method::Lora;
  recipe.lora.targets = {"mid_block.attentions.0.transformer_blocks.0.attn1.to_q"};
  recipe.lora.rank = 4;
  EXPECT_EQ(parameters(), 2 * 4 * 256);
  recipe.lora.kind = api::LoraKind::Dora;
  EXPECT_EQ(parameters(), 2 * 4 * 256 + 256);
  recipe.training.method = Method::TextualInversion;
  recipe.embedding.vectors = 3;
  EXPECT_EQ(parameters(), 3 * 192);
}

TEST_F(TrainingNeedTest, CheckpointsHoldWholeNetworksOrAdapters) {
  const auto saved = [&] { return trainedPart(configs, recipe).savedBytes; };
  const std::int64_t all = parameters();
  EXPECT_EQ(saved(), all * 12) << "weights and two moments";
  recipe.optimizer.ema = 0.99;
  EXPECT_EQ(saved(), all * 16);
  recipe.optimizer.ema = 0;
  recipe.training.trainTextEncoder = false;
  const std::int64_t unet = parameters();
  recipe.training.layers = {"conv_in"};
  EXPECT_EQ(saved(), unet * 4 + parameters() * 8) << "the whole network, the part's moments";
  recipe.training.method = Method::Lora;
  EXPECT_EQ(saved(), parameters() * 12);
}

// ---- memory

TEST_F(TrainingNeedTest, EveryMemoryOptionCounts) {
  recipe.training.batchSize = 4;
  const auto plain = mib();
  const auto with = [&](auto change) {
    const auto before = recipe;
    change(recipe.memory);
    const auto result = mib();
    recipe = before;
    return result;
  };
  EXPECT_LT(with([](auto& m) { m.checkpointing = true; }), plain);
  EXPECT_LT(with([](auto& m) { m.offload = true; }), plain);
  recipe.training.batchSize = 1;
  const auto small = mib();
  EXPECT_LT(with([](auto& m) { m.stepInBackward = true; }), small);
  conditions.bf16 = true;
  const auto mixed = mib();
  EXPECT_LT(with([](auto& m) { m.bf16Weights = true; }), mixed);
}

TEST_F(TrainingNeedTest, GrowsWithBatchAndResolution) {
  for (const Method method : {Method::Full, Method::Lora, Method::TextualInversion}) {
    recipe.training.method = method;
    recipe.embedding.vectors = method == Method::TextualInversion;
    recipe.training.resolution = 128;
    std::int64_t last = 0;
    for (const std::int64_t batch : {4, 8, 16}) {
      recipe.training.batchSize = batch;
      EXPECT_GT(mib(), last) << api::enumName(method) << " " << batch;
      last = mib();
    }
    for (const std::int64_t side : {192, 256, 512}) {
      recipe.training.resolution = side;
      EXPECT_GT(mib(), last) << api::enumName(method) << " " << side;
      last = mib();
    }
  }
}

TEST_F(TrainingNeedTest, PartsAreThoseOfTheMethod) {
  recipe.training.batchSize = 8;
  auto parts = peakMemory(configs, recipe, conditions);
  EXPECT_EQ(parts.optimizer, (parameters() * 8 + kMiB - 1) / kMiB);
  const auto vae = starter.networks.at(weights::NetworkKind::Vae).parameters();
  EXPECT_EQ(parts.weights, ((parameters() + vae) * 4 + kMiB - 1) / kMiB);
  recipe.training.method = Method::Lora;
  parts = peakMemory(configs, recipe, conditions);
  EXPECT_EQ(parts.optimizer, (parameters() * 8 + kMiB - 1) / kMiB);
  EXPECT_LE(parts.gradients, 4);
}

TEST_F(TrainingNeedTest, KnowsWhatEachOptimizerKeeps) {
  const auto of = [&](api::OptimizerKind kind, double ema) {
    recipe.optimizer.kind = kind;
    recipe.optimizer.ema = ema;
    return std::pair(mib(), trainedPart(configs, recipe).savedBytes);
  };
  using enum api::OptimizerKind;
  EXPECT_GT(of(Prodigy, 0), of(AdamW, 0));
  EXPECT_GT(of(AdamW, 0.9), of(AdamW, 0));
  EXPECT_GT(of(AdamW, 0), of(Lion, 0));
  EXPECT_GT(of(Lion, 0), of(AdamW8bit, 0));
  EXPECT_GT(of(AdamW8bit, 0).second, of(Adafactor, 0).second);
}

TEST_F(TrainingNeedTest, RefusalSaysWhatFits) {
  const auto refuse = [&] {
    conditions.availableMiB = mib() - 1;
    const auto refused = obstacleTo(configs, recipe, conditions);
    EXPECT_TRUE(refused);
    EXPECT_EQ(refused->code, api::ErrorCode::NotEnoughMemory);
    return std::string(refused->value("fits"));
  };
  recipe.training.batchSize = 64;
  EXPECT_THAT(refuse(), testing::MatchesRegex("Checkpointing \\([0-9]+ MiB\\) would fit"));
  recipe.memory.checkpointing = true;
  EXPECT_THAT(refuse(), testing::MatchesRegex("Offload \\([0-9]+ MiB\\) would fit"));
  recipe.memory.offload = true;
  EXPECT_THAT(refuse(), testing::MatchesRegex("A batch size of 1 \\([0-9]+ MiB\\) would fit"));
  recipe.training.batchSize = 1;
  EXPECT_THAT(refuse(),
              testing::MatchesRegex("A LoRA instead of full training \\([0-9]+ MiB\\) would fit"));
  conditions.availableMiB = 1;
  EXPECT_EQ(obstacleTo(configs, recipe, conditions)->value("fits"),
            "No smaller setting of this model would fit");
  conditions.availableMiB = 0;
  EXPECT_FALSE(obstacleTo(configs, recipe, conditions)) << "a GPU's memory is not known here";
}

TEST_F(TrainingNeedTest, TooSmallADiskIsRefused) {
  recipe.checkpoints.keep = 1'000'000'000;
  const auto refused = obstacleTo(configs, recipe, conditions);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, api::ErrorCode::DiskFull);
  EXPECT_NE(refused->value("needed"), "");
}

// ---- the plan

/// What is remembered between starts is remembered for this test alone.
class PlanTest : public TrainingNeedTest {
 protected:
  PlanTest() { ::setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1); }
  ~PlanTest() override { ::unsetenv("XDG_CACHE_HOME"); }
  const support::TempFolder folder;
};

TEST_F(PlanTest, SpeedIsMeasuredOnceAndThenThatOfTheLastRun) {
  const SpeedConditions own{1000, false, 1};
  EXPECT_GT(trainingSpeed(own), 1e8);
  EXPECT_LT(trainingSpeed(own), 1e13);
  rememberTrainingSpeed(own, 5e10);
  EXPECT_DOUBLE_EQ(trainingSpeed(own), 5e10);
  EXPECT_NE(trainingSpeed({1000, true, 1}), 5e10);
  EXPECT_NE(trainingSpeed({2000, false, 1}), 5e10);
}

TEST_F(PlanTest, CountsTheClassPicturesThatAreThere) {
  recipe.classImageFolder = folder / "class-images";
  const auto missing = [&] { return runConditions(recipe, starter, true, false).classImages; };
  EXPECT_EQ(missing(), 100) << "weights that were never hashed here";
  const std::string hash = weights::weightHash(starter).value();
  const auto picture =
      classPictureRequest(classImagesRequests(recipe).at(0).second, hash, starter.resolution());
  for (const std::size_t i : {0, 7})
    support::put(recipe.classImageFolder / classImageKey(picture, "Float") / classImageFile(i), "");
  EXPECT_EQ(missing(), 98);
  EXPECT_EQ(runConditions(recipe, starter, true, true).classImages, 100) << "of another type";
  recipe.prior.folder = folder / "own";
  EXPECT_EQ(missing(), 0);
}

TEST_F(PlanTest, OfTheStarterModel) {
  const auto workspace = makeWorkspace(base::findResources());
  api::TrainRequest request = workspace->recommendedRecipe({}).value();
  request.photos.resize(5);
  for (api::Photo& photo : request.photos) photo.file = "photo.png";
  request.photos.back().excluded = true;
  request.subject.classWord = "dog";
  request.runFolder = folder / "run";
  request.compute.dtype = api::DType::Fp32;
  const auto plan = workspace->planTraining(request);
  ASSERT_TRUE(plan) << api::message(plan.error());
  EXPECT_EQ(plan->steps, 240);
  EXPECT_EQ(plan->passesPerPhoto, 60);
  EXPECT_EQ(plan->classImages, 16);
  EXPECT_EQ(plan->trainedParameters, parameters());
  EXPECT_FALSE(plan->obstacle);
  EXPECT_GT(plan->availableMiB, 0);
  EXPECT_GT(plan->seconds, 0);
  EXPECT_EQ(plan->disk.checkpoints,
            4U * static_cast<std::uint64_t>(plan->trainedParameters * 12 + kMiB));
  EXPECT_GT(plan->disk.pictures, 16U * 128 * 128);
  EXPECT_GE(plan->disk.caches, 20U * 4 * 16 * 16 * 8);
  EXPECT_FALSE(std::filesystem::exists(request.runFolder)) << "nothing is written";
  EXPECT_EQ(planTraining(request, base::findResources())->memory.total(), plan->memory.total());

  request.prior.classImages = 0;
  const auto without = workspace->planTraining(request);
  EXPECT_EQ(without->classImages, 0);
  EXPECT_LT(without->seconds, plan->seconds);
  request.compute.memoryLimit = 100;
  const auto refused = workspace->planTraining(request);
  EXPECT_EQ(refused->availableMiB, 100);
  ASSERT_TRUE(refused->obstacle);
  EXPECT_EQ(refused->obstacle->code, api::ErrorCode::NotEnoughMemory);
  request.base.path = "nowhere";
  EXPECT_EQ(workspace->planTraining(request).error().code, api::ErrorCode::FileNotFound);
}

}  // namespace
}  // namespace likeness::workspace
