// Optimizers inside of training: the step in the backward pass, and which weights a run shows.
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "core/train/train.h"
#include "core/workspace/checkpoint_manifest.h"
#include "tests/core/train/driver/recipe.h"
#include "tests/core/train/fixture.h"
#include "tests/core/train/optimizer_fixture.h"
#include "tests/support/recording_reporter.h"

namespace likeness::train::test {
namespace {

using api::Method;
using api::OptimizerKind;

TEST(StepInBackwardTest, EqualsTheStepAfterwardsBitForBit) {
  for (const Method method : {Method::Full, Method::Lora})
    for (const OptimizerKind kind : kKinds) {
      if (kind == OptimizerKind::Prodigy) continue;
      auto recipe = tinyRecipe(method, true);
      recipe.optimizer.kind = kind;
      recipe.training.maxGradNorm = 0;
      TinyTraining after(tinyModel(), recipe);
      recipe.memory.stepInBackward = true;
      TinyTraining within(tinyModel(), recipe);
      for (std::int64_t step = 0; step < 2; ++step) {
        const auto a = after.trainer.step(step), b = within.trainer.step(step);
        ASSERT_TRUE(a && b);
        EXPECT_EQ(a->losses.subject, b->losses.subject);
        EXPECT_NEAR(a->gradientNorm, b->gradientNorm, 1e-9 * a->gradientNorm);
      }
      expectEqualBits(copyOfWeights(after.trainer),
                      copyOfWeights(within.trainer),
                      std::string(api::enumName(kind)));
    }
}

TEST(StepInBackwardTest, GradientsDoNotLieInMemoryTogether) {
  for (const bool within : {false, true}) {
    auto recipe = tinyRecipe(Method::Full, true);
    recipe.training.maxGradNorm = 0;
    recipe.memory.stepInBackward = within;
    TinyTraining setup(tinyModel(), recipe);
    const auto& parameters = setup.trainer.optimizer().parameters();
    std::ptrdiff_t most = 0;
    for (const Trainable& p : parameters)
      p.value.register_hook([&](const at::Tensor&) {
        most = std::max(most, std::ranges::count_if(parameters, [](const Trainable& other) {
                          return other.value.grad().defined();
                        }));
      });
    ASSERT_TRUE(setup.trainer.step(0));
    if (within)
      EXPECT_LE(most, 1);
    else
      EXPECT_GE(most, static_cast<std::ptrdiff_t>(parameters.size()) - 1);
  }
}

TEST(StepInBackwardTest, GradientsGoAsTheyCome) {
  // Both gradients are there after a pass that was not begun, and neither after one that was.
  std::vector<Trainable> parameters{{"a", at::full({3}, 2.0).requires_grad_(true), 0.1},
                                    {"b", at::full({3}, 5.0).requires_grad_(true), 0.1}};
  const at::Tensor &a = parameters[0].value, &b = parameters[1].value;
  const auto optimizer = makeOptimizer(parameters, {}, 1);
  StepInBackward stepper(*optimizer);
  a.mul(b).sum().backward();
  EXPECT_TRUE(a.grad().defined() && b.grad().defined());
  optimizer->dropGradients();
  stepper.begin(1, 1);
  a.mul(b).sum().backward();
  EXPECT_FALSE(a.grad().defined() || b.grad().defined());
  const auto norm = stepper.end();
  EXPECT_NEAR(norm.value, std::sqrt(3 * 25.0 + 3 * 4.0), 1e-5);
  EXPECT_TRUE(norm.nonFiniteKey.empty());
  EXPECT_LT(a[0].item<double>(), 2);
}

TEST(StepInBackwardTest, AGradientThatIsNotFiniteIsNamedAndNotUsed) {
  std::vector<Trainable> parameters{{"good", at::full({3}, 2.0).requires_grad_(true), 0.1},
                                    {"bad", at::full({3}, 5.0).requires_grad_(true), 0.1}};
  const auto optimizer = makeOptimizer(parameters, {}, 1);
  StepInBackward stepper(*optimizer);
  stepper.begin(1, 1);
  // The root has an infinite slope at 0.
  (parameters[0].value + parameters[1].value.mul(0).sqrt()).sum().backward();
  EXPECT_EQ(stepper.end().nonFiniteKey, "bad");
  EXPECT_EQ(parameters[1].value[0].item<double>(), 5);
  for (const Trainable& p : parameters) EXPECT_FALSE(p.value.grad().defined()) << p.key;
}

/// Runs of the tiny model, and what their last checkpoints hold.
class OptimizerRunTest : public testing::Test {
 protected:
  OptimizerRunTest() { support::makePhotos(folder / "photos", 3); }

  using Change = std::function<void(api::TrainRequest&)>;
  struct Run {
    tensor::StateDict weights, optimizer;
    double probe = 0;
    std::vector<api::PictureReady> samples;
  };
  /// From the beginning or where a run of that name was stopped, to the end or after `stopAt`.
  Run run(const std::string& name, const Change& change, std::int64_t stopAt = kJobSteps) {
    auto r = jobRequest(tinyModel(), folder / "photos", folder / name);
    r.classImageFolder = folder / "class-images";
    r.cacheFolder = folder / "cache";
    r.training.trainTextEncoder = false;
    r.resume = true;
    change(r);
    support::RecordingReporter reporter;
    reporter.onProgress = [&](const api::Progress& p) {
      if (p.stage == api::Stage::Train && p.done == stopAt) reporter.stopSource.request_stop();
    };
    const auto result = train(r, {}, reporter);
    EXPECT_TRUE(result) << api::message(result.error());
    const auto checkpoint = workspace::checkpointFolder(folder / name, stopAt);
    const auto read = [&](std::string_view file) {
      return tensor::loadSafetensors(checkpoint / file).value();
    };
    Run done{
        read(r.training.method == Method::Lora ? workspace::kAdapterFile : workspace::kUnetFile),
        read(workspace::kOptimizerFile),
        0,
        {}};
    for (const auto& [key, figure] : result->figures)
      if (key == "probe_subject") done.probe = std::get<double>(figure);
    done.samples = reporter.of(api::PictureKind::Sample);
    return done;
  }

  support::TempFolder folder;
};

TEST_F(OptimizerRunTest, ResumeIsExactForEveryKind) {
  const auto use = [](OptimizerKind kind) -> Change {
    return [kind](api::TrainRequest& r) {
      r.optimizer.kind = kind;
      if (kind == OptimizerKind::Prodigy) r.training.learningRate = r.lora.learningRate = 1;
    };
  };
  std::map<std::string, Change> cases;
  for (const OptimizerKind kind : kKinds) cases.emplace(api::enumName(kind), use(kind));
  cases.emplace("average", [](api::TrainRequest& r) {
    r.training.method = Method::Lora;
    r.optimizer.ema = 0.9;
  });
  cases.emplace("least memory", [](api::TrainRequest& r) {
    r.optimizer.kind = OptimizerKind::AdamW8bit;
    r.memory.bf16Weights = r.memory.stepInBackward = true;
    r.training.maxGradNorm = 0;
  });
  for (const auto& [name, change] : cases) {
    const Run whole = run(name, change);
    run(name + " in parts", change, 4);
    run(name + " in parts", change, 5);
    const Run parts = run(name + " in parts", change);
    expectEqualBits(whole.weights, parts.weights, name);
    expectEqualBits(whole.optimizer, parts.optimizer, name);
    EXPECT_EQ(whole.probe, parts.probe) << name;
  }
}

TEST_F(OptimizerRunTest, AveragesAreShownAndChangeNothingInTraining) {
  const Run plain = run("plain", [](auto&) {});
  const Run averaged = run("averaged", [](auto& r) { r.optimizer.ema = 0.9; });
  for (const auto& [key, weight] : plain.weights) {
    EXPECT_TRUE(weight.equal(averaged.optimizer.at("unet." + key + ".trained"))) << key;
    EXPECT_FALSE(weight.equal(averaged.weights.at(key))) << key;
  }
  EXPECT_NE(plain.probe, averaged.probe);
  ASSERT_EQ(plain.samples.size(), averaged.samples.size());
  EXPECT_EQ(*plain.samples.front().image.bytes, *averaged.samples.front().image.bytes);
  EXPECT_NE(*plain.samples.back().image.bytes, *averaged.samples.back().image.bytes);
}

TEST_F(OptimizerRunTest, ScheduleFreeShowsItsAverage) {
  const Run free = run("free", [](auto& r) { r.optimizer.kind = OptimizerKind::ScheduleFree; });
  for (const auto& [key, x] : free.weights) {
    const at::Tensor y = free.optimizer.at("unet." + key + ".trained"),
                     z = free.optimizer.at("unet." + key + ".z");
    EXPECT_TRUE(x.equal(y.lerp(z, 1 - 1 / 0.9))) << key;
    EXPECT_FALSE(x.equal(y)) << key;
  }
}

TEST_F(OptimizerRunTest, WeightsInBf16StayBf16AndAreTrained) {
  const Run half = run("half", [](auto& r) { r.memory.bf16Weights = true; });
  const auto base = loadTiny(tinyModel());
  for (const auto& [key, weight] : half.weights) {
    ASSERT_EQ(weight.scalar_type(), at::kBFloat16) << key;
    EXPECT_FALSE(weight.equal(base.unet.store->parameters().at(key).to(at::kBFloat16))) << key;
    EXPECT_EQ(half.optimizer.at("unet." + key + ".exp_avg").scalar_type(), at::kFloat) << key;
  }
}

}  // namespace
}  // namespace likeness::train::test
