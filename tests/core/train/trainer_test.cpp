// What a step changes, what its draws depend on, and how it stops.
#include <ATen/ops/full_like.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <limits>
#include <set>

#include "tests/core/train/fixture.h"

namespace likeness::train::test {
namespace {

using api::Method;

bool equal(const at::Tensor& a, const at::Tensor& b) { return a.equal(b); }

void trainTwoSteps(Trainer& trainer) {
  for (std::int64_t step = 0; step < 2; ++step) ASSERT_TRUE(trainer.step(step));
}

void expectOnlyChanged(const tensor::StateDict& before,
                       const tensor::StateDict& after,
                       const std::vector<std::string>& prefixes) {
  for (const auto& [key, tensor] : before) {
    bool trained = false;
    for (const std::string& prefix : prefixes) trained |= key.starts_with(prefix);
    EXPECT_EQ(equal(tensor, after.at(key)), !trained) << key;
  }
}

TEST(TrainerTest, FullChangesUnetAndTextEncoderAndNothingElse) {
  TinyTraining setup(tinyModel(), tinyRecipe(Method::Full, true));
  const auto before = everything(setup.model);
  trainTwoSteps(setup.trainer);
  expectOnlyChanged(before, everything(setup.model), {"unet.", "text_encoder."});
}

TEST(TrainerTest, FullWithoutTextEncoderChangesTheUnetAlone) {
  auto recipe = tinyRecipe(Method::Full, true);
  recipe.training.trainTextEncoder = false;
  TinyTraining setup(tinyModel(), recipe);
  const auto before = everything(setup.model);
  trainTwoSteps(setup.trainer);
  expectOnlyChanged(before, everything(setup.model), {"unet."});
  for (const auto& [key, tensor] : setup.model.textEncoder.store->parameters())
    EXPECT_FALSE(tensor.requires_grad()) << key;
}

TEST(TrainerTest, LoraChangesItsAdapterAlone) {
  TinyTraining setup(tinyModel(), tinyRecipe(Method::Lora, true));
  const auto before = everything(setup.model), adapter = copyOfWeights(setup.trainer);
  ASSERT_FALSE(adapter.empty());
  trainTwoSteps(setup.trainer);
  expectOnlyChanged(before, everything(setup.model), {});
  expectOnlyChanged(adapter, copyOfWeights(setup.trainer), {"adapter."});
  for (const auto& [key, tensor] : setup.model.unet.store->parameters()) {
    EXPECT_FALSE(tensor.requires_grad()) << key;
    EXPECT_FALSE(tensor.grad().defined()) << key;
  }
}

/// The names of what the optimizer was given, and of what changed.
void expectTheTrainablesChange(const tensor::StateDict& before,
                               const tensor::StateDict& after,
                               const Trainer& trainer) {
  std::set<std::string> marked, changed;
  for (const Trainable& p : trainer.optimizer().parameters()) marked.insert(p.key);
  for (const auto& [key, tensor] : before)
    if (!equal(tensor, after.at(key))) changed.insert(key);
  EXPECT_EQ(marked, changed);
}

TEST(TrainerTest, OfSdxlEveryTrainableTensorChangesAndNoOther) {
  for (const bool text : {true, false}) {
    auto recipe = tinyRecipe(Method::Full, true);
    recipe.training.trainTextEncoder = text;
    TinyTraining setup(tinyModel(Tiny::Xl), recipe);
    const auto before = everything(setup.model);
    trainTwoSteps(setup.trainer);
    const auto after = everything(setup.model);
    expectTheTrainablesChange(before, after, setup.trainer);
    EXPECT_EQ(equal(before.at("text_encoder_2.text_projection.weight"),
                    after.at("text_encoder_2.text_projection.weight")),
              !text);
    EXPECT_FALSE(equal(before.at("unet.add_embedding.linear_1.weight"),
                       after.at("unet.add_embedding.linear_1.weight")));
  }
  TinyTraining lora(tinyModel(Tiny::Xl), tinyRecipe(Method::Lora, true));
  const auto before = everything(lora.model), adapter = copyOfWeights(lora.trainer);
  trainTwoSteps(lora.trainer);
  expectOnlyChanged(before, everything(lora.model), {});
  expectTheTrainablesChange(adapter, copyOfWeights(lora.trainer), lora.trainer);
}

TEST(TrainerTest, SdxlIsToldTheSizesOfItsPictures) {
  const auto loss = [](std::int64_t originalHeight) {
    const auto recipe = tinyRecipe(Method::Full, false);
    auto model = loadTiny(tinyModel(Tiny::Xl));
    auto set = randomLatents(kPhotos, "a photo of sks toy", 1);
    for (data::Latents& latents : set.plain) latents.size.originalHeight = originalHeight;
    Ranks ranks;
    return Trainer(model, recipe, set, {}, at::kFloat, ranks).gradients(0).subject;
  };
  EXPECT_EQ(loss(20), loss(20));
  EXPECT_NE(loss(20), loss(400));
}

/// The loss of a step whose captions are all dropped is that of pictures without captions, with
/// cached and with trained text; SDXL is then trained as it is asked for "no prompt".
TEST(TrainerTest, DroppedCaptionsTrainTheEmptyPrompt) {
  for (const Tiny kind : {Tiny::Noise, Tiny::Xl})
    for (const bool trained : {false, true}) {
      const auto loss = [&](double dropout, const std::string& prompt) {
        auto recipe = tinyRecipe(Method::Full, false);
        recipe.training.trainTextEncoder = trained;
        recipe.loss.captionDropout = dropout;
        auto model = loadTiny(tinyModel(kind));
        model.files.zerosForEmptyPrompt = true;
        Ranks ranks;
        return Trainer(model, recipe, randomLatents(kPhotos, prompt, 1), {}, at::kFloat, ranks)
            .gradients(0)
            .subject;
      };
      EXPECT_EQ(loss(1, "a photo of sks toy"), loss(0, ""));
      EXPECT_NE(loss(1, "a photo of sks toy"), loss(0, "a photo of sks toy"));
    }
}

TEST(TrainerTest, SdxlLearnsNoPromptAsZeros) {
  const auto loss = [](bool zeros, bool trained) {
    auto recipe = tinyRecipe(Method::Full, false);
    recipe.training.trainTextEncoder = trained;
    recipe.loss.captionDropout = 1;
    auto model = loadTiny(tinyModel(Tiny::Xl));
    model.files.zerosForEmptyPrompt = zeros;
    Ranks ranks;
    return Trainer(model, recipe, randomLatents(kPhotos, "a toy", 1), {}, at::kFloat, ranks)
        .gradients(0)
        .subject;
  };
  EXPECT_EQ(loss(true, false), loss(true, true));
  EXPECT_NE(loss(true, false), loss(false, false));
}

/// What is compared between runs: plain mean squared errors.
TEST(TrainerTest, ProbeKnowsNoOptionOfTheLoss) {
  auto recipe = tinyRecipe(Method::Full, true);
  TinyTraining plain(tinyModel(), recipe);
  recipe.loss.kind = api::LossKind::Huber;
  recipe.loss.weighting = api::LossWeighting::Debiased;
  recipe.loss.noiseOffset = recipe.loss.inputPerturbation = recipe.loss.captionDropout = 0.5;
  recipe.loss.timestepMin = 500;
  TinyTraining other(tinyModel(), recipe);
  EXPECT_NE(plain.trainer.gradients(0).subject, other.trainer.gradients(0).subject);
  EXPECT_EQ(plain.trainer.probe().subject, other.trainer.probe().subject);
  EXPECT_EQ(plain.trainer.probe().classHalf, other.trainer.probe().classHalf);
}

TEST(TrainerTest, AccumulationDoesNotChangeTheDraws) {
  auto recipe = tinyRecipe(Method::Full, true);
  recipe.training.batchSize = 6;
  TinyTraining whole(tinyModel(), recipe);
  recipe.training.batchSize = 2;
  recipe.training.gradientAccumulation = 3;
  TinyTraining parts(tinyModel(), recipe);
  const Losses a = whole.trainer.gradients(4), b = parts.trainer.gradients(4);
  EXPECT_NEAR(a.subject, b.subject, 1e-6 * a.subject);
  EXPECT_NEAR(*a.classHalf, *b.classHalf, 1e-6 * *a.classHalf);
}

TEST(TrainerTest, EachStepIsAFunctionOfItsNumber) {
  const auto recipe = tinyRecipe(Method::Full, true);
  TinyTraining first(tinyModel(), recipe), second(tinyModel(), recipe);
  first.trainer.gradients(0);
  first.trainer.optimizer().dropGradients();
  const Losses a = first.trainer.gradients(3), b = second.trainer.gradients(3);
  EXPECT_EQ(a.subject, b.subject);
  EXPECT_NE(a.subject, first.trainer.gradients(4).subject);
}

TEST(TrainerTest, ProbeRepeatsBitForBitAndFollowsTheWeights) {
  TinyTraining setup(tinyModel(), tinyRecipe(Method::Full, true));
  const Losses before = setup.trainer.probe();
  setup.trainer.gradients(8);
  setup.trainer.optimizer().dropGradients();
  EXPECT_EQ(setup.trainer.probe().subject, before.subject);
  EXPECT_EQ(setup.trainer.probe().classHalf, before.classHalf);
  TinyTraining again(tinyModel(), tinyRecipe(Method::Full, true));
  EXPECT_EQ(again.trainer.probe().subject, before.subject);
  trainTwoSteps(setup.trainer);
  EXPECT_NE(setup.trainer.probe().subject, before.subject);
  for (const Trainable& p : setup.trainer.optimizer().parameters())
    EXPECT_FALSE(p.value.grad().defined()) << p.key;
}

/// In bf16 the networks compute with copies of the weights, which have to follow the updates.
TEST(TrainerTest, TrainingLowersTheSubjectProbeInEachPrecision) {
  const auto recipe = tinyRecipe(Method::Full, true);
  TinyTraining full(tinyModel(), recipe), mixed(tinyModel(), recipe, at::kBFloat16);
  const double before = full.trainer.probe().subject;
  EXPECT_NEAR(mixed.trainer.probe().subject, before, 0.02 * before);
  for (std::int64_t step = 0; step < 60; ++step) {
    ASSERT_TRUE(full.trainer.step(step));
    ASSERT_TRUE(mixed.trainer.step(step));
  }
  const double after = full.trainer.probe().subject;
  EXPECT_LT(after, 0.9 * before);
  EXPECT_NEAR(mixed.trainer.probe().subject, after, 0.02 * before);
}

TEST(TrainerTest, MixedPrecisionFollowsFp32) {
  const auto recipe = tinyRecipe(Method::Full, true);
  TinyTraining full(tinyModel(), recipe), mixed(tinyModel(), recipe, at::kBFloat16);
  const Losses a = mixed.trainer.gradients(0), b = full.trainer.gradients(0);
  EXPECT_NEAR(a.subject, b.subject, 0.03 * b.subject);
  EXPECT_NEAR(*a.classHalf, *b.classHalf, 0.03 * *b.classHalf);
  for (const Trainable& p : mixed.trainer.optimizer().parameters()) {
    EXPECT_EQ(p.value.scalar_type(), at::kFloat) << p.key;
    EXPECT_EQ(p.value.grad().scalar_type(), at::kFloat) << p.key;
  }
  EXPECT_NEAR(mixed.trainer.optimizer().gradientNorm().value,
              full.trainer.optimizer().gradientNorm().value,
              0.05 * full.trainer.optimizer().gradientNorm().value);
}

/// fp16 on LibTorch's operators: what GPUs without bf16 do, slowly.
TEST(TrainerTest, InFp16TheLossIsScaledAndTheUpdateIsNot) {
  const auto recipe = tinyRecipe(Method::Full, true);
  TinyTraining full(tinyModel(), recipe), half(tinyModel(), recipe, at::kHalf);
  for (std::int64_t step = 0; step < 20; ++step) {
    const auto a = full.trainer.step(step), b = half.trainer.step(step);
    ASSERT_TRUE(a && b);
    ASSERT_FALSE(b->leftOut) << step;
    EXPECT_NEAR(b->gradientNorm, a->gradientNorm, 0.05 * a->gradientNorm) << step;
  }
  EXPECT_NEAR(half.trainer.probe().subject, full.trainer.probe().subject, 0.01);
  EXPECT_TRUE(half.trainer.state().contains("loss_scale"));
  EXPECT_FALSE(full.trainer.state().contains("loss_scale"));
}

TEST(TrainerTest, GradientsThatOverflowFp16LowerTheScaleAndChangeNothing) {
  auto recipe = tinyRecipe(Method::Full, true);
  recipe.prior.weight = 1e4;
  TinyTraining half(tinyModel(), recipe, at::kHalf);
  const auto& parameters = half.trainer.optimizer().parameters();
  const auto sum = [&] {
    double total = 0;
    for (const Trainable& p : parameters) total += p.value.sum().item<double>();
    return total;
  };
  const double before = sum();
  std::int64_t step = 0;
  for (;; ++step) {
    ASSERT_LT(step, 16) << "the scale does not fall";
    const auto report = half.trainer.step(step);
    ASSERT_TRUE(report) << api::message(report.error());
    if (!report->leftOut) break;
    EXPECT_EQ(sum(), before);
  }
  EXPECT_GT(step, 0) << "nothing overflowed";
  EXPECT_NE(sum(), before);
  const double scale = half.trainer.state().at("loss_scale")[0].item<double>();
  EXPECT_EQ(scale, 65536 / std::pow(2, step));
  // A resumed run goes on with it.
  TinyTraining resumed(tinyModel(), recipe, at::kHalf);
  ASSERT_TRUE(resumed.trainer.load(half.trainer.state()));
  EXPECT_EQ(resumed.trainer.state().at("loss_scale")[0].item<double>(), scale);
}

TEST(LossScalerTest, FollowsTheGradients) {
  LossScaler scaler(true, 3);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(scaler.leavesOut(true));
  EXPECT_EQ(scaler.scale(), 131072);
  EXPECT_FALSE(scaler.leavesOut(true));
  EXPECT_TRUE(scaler.leavesOut(false));
  EXPECT_EQ(scaler.scale(), 65536);
  // The good ones count anew.
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(scaler.leavesOut(true));
  EXPECT_EQ(scaler.scale(), 65536);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(scaler.leavesOut(false));
  EXPECT_EQ(scaler.scale(), 1);
  EXPECT_FALSE(scaler.leavesOut(false)) << "that is an error";
  LossScaler off(false);
  EXPECT_FALSE(off.leavesOut(false));
  EXPECT_EQ(off.scale(), 1);
  tensor::StateDict damaged{{"loss_scale", at::tensor(std::vector<double>{-4, 0}, at::kDouble)}};
  EXPECT_FALSE(scaler.load(damaged));
  tensor::StateDict none;
  EXPECT_FALSE(scaler.load(none));
}

TEST(TrainerTest, ClippingLimitsTheStepButReportsTheWholeNorm) {
  auto recipe = tinyRecipe(Method::Full, true);
  recipe.training.maxGradNorm = 0;
  TinyTraining free(tinyModel(), recipe);
  recipe.training.maxGradNorm = 1e-3;
  TinyTraining clipped(tinyModel(), recipe);
  const auto a = free.trainer.step(0), b = clipped.trainer.step(0);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->gradientNorm, b->gradientNorm);
  EXPECT_GT(a->gradientNorm, 1e-3);
  // The first moment after one step is (1 - beta1) x the gradient that was used.
  const auto norm = [](const Trainer& trainer) {
    double sum = 0;
    for (const auto& [key, tensor] : trainer.optimizer().state())
      if (key.ends_with(".exp_avg")) sum += std::pow(tensor.norm().item<double>(), 2);
    return std::sqrt(sum) / 0.1;
  };
  EXPECT_NEAR(norm(free.trainer), a->gradientNorm, 1e-4 * a->gradientNorm);
  EXPECT_NEAR(norm(clipped.trainer), 1e-3, 1e-5);
}

TEST(TrainerTest, NanInAWeightStopsBeforeTheUpdate) {
  TinyTraining setup(tinyModel(), tinyRecipe(Method::Full, true));
  ASSERT_TRUE(setup.trainer.step(0));
  const at::Tensor poisoned = setup.model.unet.store->parameters().at("conv_out.bias").detach();
  const at::Tensor good = poisoned.clone();
  poisoned.copy_(at::full_like(poisoned, std::numeric_limits<double>::quiet_NaN()));
  const auto before = copyOfWeights(setup.trainer);
  const auto report = setup.trainer.step(1);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, api::ErrorCode::NonFinite);
  EXPECT_EQ(report.error().value("what"), "The subject loss");
  EXPECT_EQ(report.error().value("step"), "2");
  poisoned.copy_(good);
  for (const auto& [key, tensor] : copyOfWeights(setup.trainer))
    EXPECT_TRUE(key == "unet.conv_out.bias" || equal(tensor, before.at(key))) << key;
}

TEST(TrainerTest, InfiniteGradientIsNamed) {
  TinyTraining setup(tinyModel(), tinyRecipe(Method::Full, false));
  setup.trainer.gradients(0);
  const Trainable& p = setup.trainer.optimizer().parameters()[3];
  p.value.mutable_grad().fill_(std::numeric_limits<double>::infinity());
  EXPECT_EQ(setup.trainer.optimizer().gradientNorm().nonFiniteKey, p.key);
}

}  // namespace
}  // namespace likeness::train::test
