// What all optimizers have in common: norm, state, order, threads, bf16 weights; and the tables of
// the learning-rate schedules.
#include "core/train/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>

#include "core/base/random.h"
#include "core/tensor/random_tensor.h"
#include "core/train/lr_schedule.h"
#include "core/train/optimizer_kernels.h"
#include "core/workspace/training_need.h"
#include "tests/core/train/optimizer_fixture.h"

namespace likeness::train::test {
namespace {

using api::OptimizerKind;

at::Tensor draw(std::uint64_t sample, at::IntArrayRef shape) {
  return tensor::normal(shape, base::Random(3, base::Purpose::Test, 0, sample));
}

std::vector<api::OptimizerOptions> everyKind() {
  std::vector<api::OptimizerOptions> all;
  for (const OptimizerKind kind : kKinds) all.push_back(problemOptions(kind));
  all.push_back(problemOptions(OptimizerKind::AdamW));
  all.back().ema = 0.9;
  return all;
}

std::string nameOf(const api::OptimizerOptions& options) {
  return std::string(api::enumName(options.kind)) + (options.ema > 0 ? " with average" : "");
}

TEST(OptimizerTest, NormSpansAllGradients) {
  std::vector<Trainable> parameters{{"a", at::Tensor(draw(1, {3})).requires_grad_(true), 1},
                                    {"b", at::Tensor(draw(2, {2})).requires_grad_(true), 1},
                                    {"untouched", draw(3, {2}).requires_grad_(true), 1}};
  parameters[0].value.mutable_grad() = parameters[0].value.detach() * 0 + 2;
  parameters[1].value.mutable_grad() = parameters[1].value.detach() * 0 + 1;
  const at::Tensor before = parameters[2].value.detach().clone();
  const auto optimizer = makeOptimizer(parameters, {}, 0);
  EXPECT_NEAR(optimizer->gradientNorm().value, std::sqrt(14.0), 1e-6);
  EXPECT_NEAR(optimizer->gradientNorm(0).value, std::sqrt(12.0), 1e-6);
  optimizer->step(1, 1, 1);
  EXPECT_TRUE(before.equal(parameters[2].value.detach()));
  EXPECT_FALSE(parameters[0].value.grad().defined());
}

const std::vector<std::string> kNames{"matrix", "kernel", "vector", "large"};

/// What a checkpoint holds.
tensor::StateDict saved(const Problem& problem, Optimizer& optimizer) {
  const ShownWeights shown(optimizer);
  tensor::StateDict all;
  for (const auto& [key, tensor] : optimizer.state()) all.emplace("state." + key, tensor.clone());
  all.merge(problem.copyOfWeights());
  return all;
}

TEST(OptimizerTest, StateHoldsEverythingThatTheNextStepsDependOn) {
  for (const api::OptimizerOptions& options : everyKind()) {
    const double rate = problemRate(options.kind);
    Problem whole(kNames, rate), resumed(kNames, rate);
    const auto first = optimizerOf(whole, options), second = optimizerOf(resumed, options);
    whole.run(*first, 1, 5, 0.7);
    const auto checkpoint = saved(whole, *first);
    whole.run(*first, 6, 9);

    tensor::StateDict state;
    for (const auto& [key, tensor] : checkpoint)
      if (key.starts_with("state.")) state.emplace(key.substr(6), tensor);
    for (const Trainable& p : resumed.parameters) p.value.detach().copy_(checkpoint.at(p.key));
    ASSERT_TRUE(second->load(state)) << nameOf(options);
    resumed.run(*second, 6, 9);
    expectEqualBits(saved(whole, *first), saved(resumed, *second), nameOf(options));

    for (const auto& [key, tensor] : state) {
      auto spoiled = state;
      spoiled.erase(key);
      EXPECT_FALSE(optimizerOf(resumed, options)->load(spoiled)) << key;
      spoiled[key] = at::full({3, 3}, 1.0);
      EXPECT_FALSE(optimizerOf(resumed, options)->load(spoiled)) << key;
    }
    auto more = state;
    more.emplace("b.exp_avg", draw(1, {1}));
    EXPECT_FALSE(optimizerOf(resumed, options)->load(more));
  }
}

TEST(OptimizerTest, OneParameterAfterTheOtherIsAllAtOnce) {
  for (const api::OptimizerOptions& options : everyKind()) {
    if (options.kind == OptimizerKind::Prodigy) continue;
    Problem together(kNames, 1e-2), apart(kNames, 1e-2);
    const auto first = optimizerOf(together, options), second = optimizerOf(apart, options);
    together.run(*first, 1, 3);
    for (std::int64_t number = 1; number <= 3; ++number) {
      apart.makeGradients(number);
      for (std::size_t i = kNames.size(); i-- > 0;) second->stepOne(i, number, 1);
    }
    expectEqualBits(saved(together, *first), saved(apart, *second), nameOf(options));
  }
}

TEST(OptimizerTest, ThreadsChangeNothing) {
  const int threads = at::get_num_threads();
  for (const api::OptimizerOptions& options : everyKind()) {
    std::vector<at::Tensor> results;
    for (const int count : {1, 3}) {
      at::set_num_threads(count);
      std::vector<Trainable> parameters{{"a", draw(1, {300, 401}).requires_grad_(true), 1e-2},
                                        {"b", draw(2, {90001}).requires_grad_(true), 1e-2}};
      const auto optimizer = makeOptimizer(parameters, options, 1);
      for (std::int64_t number = 1; number <= 3; ++number) {
        for (std::uint64_t i = 0; i < 2; ++i)
          parameters[i].value.mutable_grad() =
              draw(10 * static_cast<std::uint64_t>(number) + i, parameters[i].value.sizes());
        if (number == 1) results.push_back(at::full({}, optimizer->gradientNorm().value));
        optimizer->step(number, 1, 0.9);
      }
      for (const Trainable& p : parameters) results.push_back(p.value.detach());
    }
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_TRUE(results[i].equal(results[i + 3])) << nameOf(options) << i;
  }
  at::set_num_threads(threads);
}

// ---- bf16 weights

TEST(Bf16Weights, RoundingHasTheRightMean) {
  constexpr std::size_t n = 1 << 16;
  std::vector<std::uint32_t> random(n / 2);
  base::Random(1, base::Purpose::StochasticRounding).words(0, random);
  // Between two bf16 numbers at distance 2^-7 (of 1 and 2), and negative.
  for (const float value : {1.0F, 1.0F + 0.125F / 128, 1.0F + 0.7F / 128, -1.5F - 0.3F / 128}) {
    const std::vector<float> values(n, value);
    std::vector<std::uint16_t> rounded(n);
    kernels::roundAtRandom(n, values.data(), random.data(), rounded.data());
    std::vector<float> back(n);
    kernels::toFloat(n, rounded.data(), back.data());
    double sum = 0;
    for (const float b : back) {
      ASSERT_LT(std::abs(b - value), 1.0F / 128);
      sum += static_cast<double>(b);
    }
    const double part = std::abs(static_cast<double>(value)) * 128;
    const double share = part - std::floor(part);
    const double deviation = std::sqrt(share * (1 - share) / n) / 128;
    EXPECT_NEAR(sum / n, static_cast<double>(value), 5 * deviation) << value;
  }
}

const std::vector<OptimizerKind> kHalved{
    OptimizerKind::AdamW, OptimizerKind::AdamW8bit, OptimizerKind::Adafactor, OptimizerKind::Lion};

TEST(Bf16Weights, SmallUpdatesAndWeightDecayAreNotLost) {
  // Each is a fortieth of the distance of bf16 numbers at 1.
  constexpr double rate = 1.0 / 128 / 40, steps = 100;
  for (const bool decay : {false, true})
    for (const OptimizerKind kind : kHalved) {
      const at::Tensor value = at::full({64, 1024}, 1.25, at::kBFloat16).requires_grad_(true);
      auto options = problemOptions(kind);
      options.weightDecay = decay ? 1 : 0;
      const auto optimizer = makeOptimizer({{"w", value, rate}}, options, 5);
      for (std::int64_t number = 1; number <= static_cast<std::int64_t>(steps); ++number) {
        value.mutable_grad() = at::full({64, 1024}, decay ? 1e-25 : 1, at::kBFloat16);
        optimizer->step(number, 1, 1);
      }
      ASSERT_EQ(value.scalar_type(), at::kBFloat16);
      const double mean = value.detach().to(at::kDouble).mean().item<double>();
      if (decay)  // and a gradient of next to nothing, which those with a sign still follow
        EXPECT_LT(mean, 1.25 - 0.9 * 1.2 * rate * steps) << api::enumName(kind);
      else
        EXPECT_NEAR(mean, 1.25 - rate * steps, 0.02 * rate * steps) << api::enumName(kind);
    }
}

TEST(Bf16Weights, DrawsAreThoseOfTheStep) {
  for (const OptimizerKind kind : kHalved) {
    const double rate = problemRate(kind);
    Problem whole(kNames, rate, at::kBFloat16), resumed(kNames, rate, at::kBFloat16);
    const auto first = optimizerOf(whole, problemOptions(kind));
    whole.run(*first, 1, 4);
    tensor::StateDict state;
    for (const auto& [key, tensor] : first->state()) state.emplace(key, tensor.clone());
    for (std::size_t i = 0; i < kNames.size(); ++i)
      resumed.parameters[i].value.detach().copy_(whole.parameters[i].value.detach());
    const auto second = optimizerOf(resumed, problemOptions(kind));
    ASSERT_TRUE(second->load(state));
    whole.run(*first, 5, 7);
    resumed.run(*second, 5, 7);
    expectEqualBits(whole.copyOfWeights(), resumed.copyOfWeights(), nameOf(problemOptions(kind)));

    // Another step's draws are others; and those of other devices are the same.
    Problem operators(kNames, rate, at::kBFloat16), other(kNames, rate, at::kBFloat16),
        plain(kNames, rate, at::kBFloat16);
    const auto third = optimizerOf(operators, problemOptions(kind));
    third->useOperators();
    operators.run(*third, 1, 1);
    plain.run(*optimizerOf(plain, problemOptions(kind)), 1, 1);
    other.makeGradients(1);
    makeOptimizer(other.parameters, problemOptions(kind), 4)->step(1, 1, 1);
    const auto same = [&](const Problem& a, const Problem& b) {
      const auto &x = a.parameters[3].value, &y = b.parameters[3].value;
      return x.detach().eq(y.detach()).to(at::kDouble).mean().item<double>();
    };
    EXPECT_GT(same(plain, operators), 0.995) << api::enumName(kind);
    EXPECT_LT(same(plain, other), 0.9) << api::enumName(kind);
  }
}

TEST(OptimizerTest, MemoryIsWhatTheStateTakes) {
  for (const api::OptimizerOptions& options : everyKind()) {
    const at::Tensor value = draw(1, {1000, 1000}).requires_grad_(true);
    const auto optimizer = makeOptimizer({{"w", value, 1e-3}}, options, 1);
    value.mutable_grad() = draw(2, {1000, 1000});
    optimizer->step(1, 1, 1);
    std::int64_t bytes = 0;
    {
      const ShownWeights shown(*optimizer);
      for (const auto& [key, tensor] : optimizer->state())
        if (options.kind != OptimizerKind::ScheduleFree || !key.ends_with(".trained"))
          bytes += static_cast<std::int64_t>(tensor.nbytes());
    }
    const std::int64_t predicted = workspace::optimizerBytes({1000, 1000}, options);
    EXPECT_LE(std::abs(predicted - bytes), 64) << nameOf(options);
  }
}

TEST(OptimizerTest, WhatIsRetiredKeepsWhatIsShownAndNothingElse) {
  for (const api::OptimizerOptions& options : everyKind()) {
    SCOPED_TRACE(nameOf(options));
    const auto make = [&](std::int64_t until) {
      return makeOptimizer({{"a", draw(1, {300, 20}).requires_grad_(true), 1e-3, 0, until},
                            {"b", draw(2, {50}).requires_grad_(true), 1e-3}},
                           options,
                           1);
    };
    struct Saved {
      tensor::StateDict state;
      std::vector<at::Tensor> trained, shown;
    };
    const auto copies = [](const Optimizer& optimizer) {
      std::vector<at::Tensor> values;
      for (const Trainable& p : optimizer.parameters()) values.push_back(p.value.detach().clone());
      return values;
    };
    const auto save = [&](Optimizer& optimizer) {
      Saved saved{{}, copies(optimizer), {}};
      const ShownWeights shown(optimizer);
      saved.shown = copies(optimizer);
      for (const auto& [key, tensor] : optimizer.state()) saved.state.emplace(key, tensor.clone());
      return saved;
    };
    const auto isEqual = [](const std::vector<at::Tensor>& x, const std::vector<at::Tensor>& y) {
      return x[0].equal(y[0]) && x[1].equal(y[1]);
    };
    const auto optimizer = make(2);
    for (std::int64_t number = 1; number <= 2; ++number) {
      for (const Trainable& p : optimizer->parameters())
        p.value.mutable_grad() = draw(static_cast<std::uint64_t>(2 + number), p.value.sizes());
      optimizer->step(number, 1, 1);
    }
    optimizer->retire(1);
    const Saved before = save(*optimizer);
    optimizer->retire(2);
    const Saved after = save(*optimizer);
    EXPECT_TRUE(isEqual(before.trained, after.trained) && isEqual(before.shown, after.shown));
    const auto isOf = [](const std::string& name) {
      return [=](const auto& entry) {
        return entry.first.starts_with(name) && !entry.first.ends_with(".trained");
      };
    };
    EXPECT_TRUE(std::ranges::any_of(before.state, isOf("a.")));
    EXPECT_TRUE(std::ranges::none_of(after.state, isOf("a.")));
    EXPECT_TRUE(std::ranges::any_of(after.state, isOf("b.")));

    const auto isLoaded = [&](const Saved& saved, std::int64_t until) {
      const auto resumed = make(until);
      for (std::size_t i = 0; i < 2; ++i)
        resumed->parameters()[i].value.detach().copy_(saved.shown[i]);
      if (!resumed->load(saved.state, 2)) return false;
      const Saved now = save(*resumed);
      EXPECT_TRUE(isEqual(now.trained, saved.trained));
      EXPECT_TRUE(until > 2 || isEqual(now.shown, saved.shown));
      return true;
    };
    EXPECT_TRUE(isLoaded(after, 2));
    EXPECT_TRUE(isLoaded(before, 2)) << "of an earlier version";
    EXPECT_TRUE(isLoaded(after, 4)) << "trained longer than was said";
    EXPECT_FALSE(isLoaded(after, Trainable().until));
  }
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

TEST(LrScheduleTest, TakesItsShapeFromTheOptions) {
  api::TrainingOptions options;
  options.lrSchedule = api::LrScheduleKind::Polynomial;
  options.lrCycles = 3;
  options.lrPower = 1.5;
  EXPECT_EQ(makeSchedule(options, 400).kind, api::LrScheduleKind::Polynomial);
  EXPECT_EQ(makeSchedule(options, 400).cycles, 3);
  EXPECT_EQ(makeSchedule(options, 400).power, 1.5);
  options.lrWarmup = 0.1;
  EXPECT_EQ(makeSchedule(options, 400).warmup, 40);
  EXPECT_EQ(makeSchedule(options, 400).steps, 400);
}

}  // namespace
}  // namespace likeness::train::test
