// Every optimizer, the averaged weights and the rate schedules against the published
// implementations in fp64 (tests/golden/make_optimizers_golden.py).
#include <gmock/gmock.h>

#include "core/train/lr_schedule.h"
#include "core/train/optimizer_kernels.h"
#include "tests/core/train/optimizer_fixture.h"

namespace likeness::train::test {
namespace {

using api::OptimizerKind;

/// |a - b| as part of what training moved.
double error(const at::Tensor& value, const at::Tensor& expected, const at::Tensor& start) {
  const at::Tensor b = expected.to(at::kDouble);
  return ((value.detach().to(at::kDouble) - b).norm() / (b - start).norm()).item<double>();
}

struct Case {
  OptimizerKind kind;
  double tolerance;  ///< three to ten times what is measured
  double ema = 0;
};

/// Rates and gradients come in two factors each, which multiply to those of the golden run.
void expectGolden(const Case& row, const std::vector<std::string>& names, bool operators) {
  const std::string kind(api::enumName(row.kind));
  Problem problem(names, problemRate(row.kind) * 2, at::kFloat, problemScale(row.kind));
  const auto start = problem.copyOfWeights();
  auto options = problemOptions(row.kind);
  options.ema = row.ema;
  const auto optimizer = optimizerOf(problem, options);
  if (operators) optimizer->useOperators();
  const auto compare = [&](const std::string& prefix, const std::string& suffix) {
    for (const Trainable& p : problem.parameters) {
      EXPECT_LE(error(p.value, golden().at(kind + prefix + p.key + suffix), start.at(p.key)),
                row.tolerance)
          << kind << prefix << p.key << suffix << (operators ? " by operators" : "");
    }
  };
  for (std::int64_t number = 1; number <= 30; ++number) {
    problem.makeGradients(number, 4);
    optimizer->step(number, 0.5, 0.25);
    if (number == 10) compare(".", ".10");
  }
  compare(".", "");
  if (golden().contains(kind + ".shown." + names.front())) {
    const auto trained = problem.copyOfWeights();
    {
      const ShownWeights shown(*optimizer), again(*optimizer);
      compare(".shown.", "");
    }
    expectEqualBits(trained, problem.copyOfWeights(), kind);
  }
  if (row.kind == OptimizerKind::Prodigy) {
    EXPECT_NEAR(optimizer->learningRate(0, 0.5), golden().at("prodigy.d").item<double>(), 1e-6);
  }
}

TEST(OptimizerGolden, EqualsThePublishedOnes) {
  // fp32 against fp64, as part of what training moved; Lion moved the least.
  const Case rows[] = {{OptimizerKind::AdamW, 1e-5, 0.7},
                       {OptimizerKind::Adafactor, 1e-5},
                       {OptimizerKind::Prodigy, 1e-5},
                       {OptimizerKind::Lion, 1e-4},
                       {OptimizerKind::ScheduleFree, 1e-5}};
  for (const Case& row : rows)
    for (const bool operators : {false, true})
      expectGolden(row, {"matrix", "kernel", "vector"}, operators);
}

TEST(OptimizerGolden, EightBitsEqualBitsandbytes) {
  const auto equal = [](const auto& values, const char* name) {
    const at::Tensor expected = golden().at(name);
    EXPECT_TRUE(std::equal(values.begin(), values.end(), expected.const_data_ptr<float>())) << name;
  };
  equal(kernels::signedMap().values, "adamw8bit.signed");
  equal(kernels::unsignedMap().values, "adamw8bit.unsigned");
  // Both in fp32; a sum in another order may round a value to the neighbouring code.
  for (const bool operators : {false, true})
    expectGolden({OptimizerKind::AdamW8bit, 1e-5}, {"large"}, operators);
  Problem problem({"large"}, problemRate(OptimizerKind::AdamW8bit));
  const auto optimizer = optimizerOf(problem, problemOptions(OptimizerKind::AdamW8bit));
  problem.run(*optimizer, 1, 30);
  for (const std::string name : {"exp_avg", "exp_avg_sq"}) {
    const at::Tensor codes = optimizer->state().at("large." + name);
    EXPECT_GE(codes.eq(golden().at("adamw8bit." + name)).to(at::kDouble).mean().item<double>(),
              0.999);
  }
}

TEST(OptimizerGolden, SmallTensorsOfEightBitsAreThoseOfAdamW) {
  Problem eight({"matrix"}, 1e-2), full({"matrix"}, 1e-2);
  eight.run(*optimizerOf(eight, problemOptions(OptimizerKind::AdamW8bit)), 1, 3);
  full.run(*optimizerOf(full, problemOptions(OptimizerKind::AdamW)), 1, 3);
  expectEqualBits(eight.copyOfWeights(), full.copyOfWeights(), "");
}

TEST(LrScheduleGolden, EqualsDiffusers) {
  using api::LrScheduleKind;
  const struct {
    const char* name;
    LrSchedule schedule;
    double tolerance;
  } rows[] = {{"linear", {LrScheduleKind::Linear, 40, 6}, 1e-12},
              {"cosine", {LrScheduleKind::Cosine, 40, 6}, 1e-12},
              {"cosine_with_restarts", {LrScheduleKind::CosineRestarts, 40, 6, 3}, 1e-12},
              // Theirs ends at 1e-7.
              {"polynomial.2", {LrScheduleKind::Polynomial, 40, 6, 1, 2}, 2e-7},
              {"polynomial.0.5", {LrScheduleKind::Polynomial, 40, 6, 1, 0.5}, 2e-7}};
  for (const auto& [name, schedule, tolerance] : rows) {
    const at::Tensor expected = golden().at(std::string("schedule.") + name);
    for (std::int64_t step = 0; step <= 40; ++step) {
      // Their rise begins at 0, ours one step further on.
      const double theirs = expected[step < 6 ? step + 1 : step].item<double>();
      EXPECT_NEAR(schedule.factor(step), theirs, tolerance) << name << " " << step;
    }
  }
}

}  // namespace
}  // namespace likeness::train::test
