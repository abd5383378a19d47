// AdamW against its formula in fp64, and the learning-rate schedules against a table.
#include "core/train/optimizer.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include <cmath>

#include "core/tensor/random_tensor.h"
#include "core/train/lr_schedule.h"

namespace likeness::train {
namespace {

at::Tensor draw(std::uint64_t sample, at::IntArrayRef shape) {
  return tensor::normal(shape, base::Random(3, base::Purpose::Test, 0, sample));
}

TEST(AdamWTest, EqualsItsFormulaInFp64) {
  const api::OptimizerOptions options{0.8, 0.95, 1e-6, 0.1};
  const double rates[] = {1e-2, 3e-3}, factor = 0.5, clip = 0.25;
  std::vector<Trainable> parameters{{"a", draw(1, {7, 5}).requires_grad_(true), rates[0]},
                                    {"b", draw(2, {4, 3, 3, 3}), rates[1]}};
  parameters[1].value =
      parameters[1].value.contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
  at::Tensor expected[2], m[2], v[2];
  for (int i = 0; i < 2; ++i) {
    expected[i] = parameters[static_cast<std::size_t>(i)].value.detach().to(at::kDouble);
    m[i] = expected[i] * 0;
    v[i] = expected[i] * 0;
  }
  AdamW optimizer(parameters, options);
  for (std::int64_t t = 1; t <= 5; ++t) {
    for (int i = 0; i < 2; ++i) {
      const auto& value = parameters[static_cast<std::size_t>(i)].value;
      const at::Tensor g = draw(10 * static_cast<std::uint64_t>(t + i), value.sizes());
      // Contiguous gradients, although b lies in memory channels-last.
      value.mutable_grad() = g;
      const at::Tensor scaled = g.to(at::kDouble) * clip;
      const double rate = rates[i] * factor, n = static_cast<double>(t);
      expected[i] = expected[i] * (1 - rate * options.weightDecay);
      m[i] = m[i] * options.beta1 + scaled * (1 - options.beta1);
      v[i] = v[i] * options.beta2 + scaled.square() * (1 - options.beta2);
      const at::Tensor mHat = m[i] / (1 - std::pow(options.beta1, n));
      const at::Tensor vHat = v[i] / (1 - std::pow(options.beta2, n));
      expected[i] = expected[i] - rate * mHat / (vHat.sqrt() + options.epsilon);
    }
    optimizer.step(t, factor, clip);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const at::Tensor value = parameters[i].value.detach().to(at::kDouble);
    EXPECT_LE((value - expected[i]).norm().item<double>(),
              1e-6 * expected[i].norm().item<double>());
    EXPECT_FALSE(parameters[i].value.grad().defined());
  }
}

TEST(AdamWTest, NormSpansAllGradients) {
  std::vector<Trainable> parameters{{"a", at::Tensor(draw(1, {3})).requires_grad_(true), 1},
                                    {"b", at::Tensor(draw(2, {2})).requires_grad_(true), 1},
                                    {"untouched", draw(3, {2}).requires_grad_(true), 1}};
  parameters[0].value.mutable_grad() = parameters[0].value.detach() * 0 + 2;
  parameters[1].value.mutable_grad() = parameters[1].value.detach() * 0 + 1;
  const at::Tensor before = parameters[2].value.detach().clone();
  AdamW optimizer(parameters, {});
  EXPECT_NEAR(optimizer.gradientNorm().value, std::sqrt(14.0), 1e-6);
  optimizer.step(1, 1, 1);
  EXPECT_TRUE(before.equal(parameters[2].value.detach()));
}

TEST(AdamWTest, StateGoesRoundAndStrangersAreRefused) {
  const auto make = [] {
    return std::vector<Trainable>{{"a", draw(1, {3, 4}).requires_grad_(true), 1e-3}};
  };
  auto parameters = make();
  AdamW first(parameters, {});
  parameters[0].value.mutable_grad() = draw(5, {3, 4});
  first.step(1, 1, 1);
  AdamW second(make(), {});
  ASSERT_TRUE(second.load(first.state()));
  EXPECT_TRUE(second.state().at("a.exp_avg").equal(first.state().at("a.exp_avg")));
  auto state = first.state();
  state.emplace("b.exp_avg", draw(1, {1}));
  EXPECT_FALSE(AdamW(make(), {}).load(state));
  state = first.state();
  state["a.exp_avg_sq"] = draw(1, {4, 3});
  EXPECT_FALSE(AdamW(make(), {}).load(state));
}

TEST(LrScheduleTest, FollowsTheTable) {
  using api::LrScheduleKind;
  const LrSchedule constant{LrScheduleKind::Constant, 10, 0};
  const LrSchedule warm{LrScheduleKind::Constant, 10, 4};
  const LrSchedule linear{LrScheduleKind::Linear, 10, 2};
  const LrSchedule cosine{LrScheduleKind::Cosine, 8, 0};
  const struct {
    const LrSchedule& schedule;
    std::int64_t step;
    double factor;
  } rows[] = {{constant, 0, 1},
              {constant, 9, 1},
              {warm, 0, 0.25},
              {warm, 3, 1},
              {warm, 9, 1},
              {linear, 0, 0.5},
              {linear, 1, 1},
              {linear, 2, 1},
              {linear, 6, 0.5},
              {linear, 9, 0.125},
              {cosine, 0, 1},
              {cosine, 2, 0.853553},
              {cosine, 4, 0.5},
              {cosine, 8, 0},
              {cosine, 20, 0}};
  for (const auto& [schedule, step, factor] : rows)
    EXPECT_NEAR(schedule.factor(step), factor, 1e-6) << step;
}

TEST(LrScheduleTest, WarmUpIsAFractionOfTheRun) {
  api::TrainingOptions options;
  options.lrWarmup = 0.1;
  EXPECT_EQ(makeSchedule(options, 400).warmup, 40);
  EXPECT_EQ(makeSchedule(options, 400).steps, 400);
}

}  // namespace
}  // namespace likeness::train
