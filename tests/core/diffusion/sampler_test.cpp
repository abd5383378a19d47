// Samplers against diffusers: timesteps, the ten-step table, and twenty-step trajectories value by
// value.
#include "core/diffusion/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "tests/support/expect_within.h"

namespace likeness::diffusion {
namespace {

at::Tensor noNoise() {
  ADD_FAILURE() << "a deterministic sampler asked for noise";
  return {};
}

TEST(Sampler, TimestepsAndInitialScaleEqualDiffusers) {
  for (const auto& golden : goldenCases()) {
    SCOPED_TRACE(golden.at("name").get<std::string>());
    const auto sampler = samplerOf(golden);
    const double sigma = golden.at("initNoiseSigma").get<double>();
    EXPECT_NEAR(sampler->initNoiseSigma(), sigma, 2e-6 * std::max(1.0, sigma));
    const auto timesteps = golden.at("timesteps").get<std::vector<double>>();
    ASSERT_EQ(sampler->evaluations(), static_cast<std::int64_t>(timesteps.size()));
    for (std::size_t i = 0; i < timesteps.size(); ++i) {
      EXPECT_NEAR(sampler->timestep(static_cast<std::int64_t>(i)), timesteps[i], 1e-4)
          << "step " << i;
    }
  }
}

TEST(Sampler, TenStepTableEqualsDiffusers) {
  // arange(768).reshape(3, 8, 8, 4) / 768 permuted to (4, 3, 8, 8), as in diffusers' own scheduler
  // tests.
  const at::Tensor ramp =
      (at::arange(768, at::kFloat).view({3, 8, 8, 4}) / 768).permute({3, 0, 1, 2});
  int compared = 0;
  for (const auto& golden : goldenCases()) {
    if (golden.at("kind") != "table") continue;
    SCOPED_TRACE(golden.at("name").get<std::string>());
    const auto sampler = samplerOf(golden);
    at::Tensor x = ramp * sampler->initNoiseSigma();
    const at::Tensor recorded = goldenNoise(golden);
    for (std::int64_t i = 0; i < sampler->evaluations(); ++i) {
      x = sampler->step(fakeNetwork(*sampler, x, i), x, i, [&] { return recorded[i]; });
    }
    // Rounding is relative to the values of the whole, of which a single one may be near zero.
    const double mean = golden.at("sum").get<double>() / static_cast<double>(x.numel());
    const auto near = [mean](double value, double wanted) {
      EXPECT_NEAR(value, wanted, 1e-5 * std::max(mean, std::abs(wanted)));
    };
    near(x.abs().sum().item<double>(), golden.at("sum"));
    near(x[0][0][0][0].item<double>(), golden.at("first"));
    near(x[3][2][7][7].item<double>(), golden.at("last"));
    ++compared;
  }
  EXPECT_EQ(compared, 34);
}

TEST(Sampler, TwentyStepTrajectoriesEqualDiffusers) {
  int compared = 0;
  for (const auto& golden : goldenCases()) {
    if (golden.at("kind") != "trajectory") continue;
    const std::string name = golden.at("name");
    SCOPED_TRACE(name);
    const auto sampler = samplerOf(golden);
    const at::Tensor& wanted = goldenTensors().at(name + ".x");
    const at::Tensor recorded = goldenNoise(golden);
    at::Tensor x = goldenTensors().at("start") * sampler->initNoiseSigma();
    EXPECT_LE(relativeError(x, wanted[0]), 1e-6);
    for (std::int64_t i = 0; i < sampler->evaluations(); ++i) {
      int calls = 0;
      const auto noise = [&] {
        ++calls;
        return recorded.defined() ? recorded[i] : noNoise();
      };
      x = sampler->step(fakeNetwork(*sampler, x, i), x, i, noise);
      EXPECT_LE(calls, recorded.defined() ? 1 : 0);
      support::expectWithin(
          golden.at("sampler").get<std::string>(), relativeError(x, wanted[i + 1]), 1e-5);
    }
    ++compared;
  }
  EXPECT_EQ(compared, 108);
}

TEST(Sampler, LastStepOfADeterministicSamplerIsWhatTheNetworkSees) {
  for (const auto kind :
       {api::SamplerKind::Euler, api::SamplerKind::Dpmpp2m, api::SamplerKind::UniPc}) {
    for (const auto prediction : {nn::PredictionType::Epsilon,
                                  nn::PredictionType::VPrediction,
                                  nn::PredictionType::Sample}) {
      nn::NoiseScheduleConfig config;
      config.predictionType = prediction;
      const auto sampler = makeSampler(NoiseSchedule(config), {.sampler = kind, .steps = 4});
      const at::Tensor x = goldenTensors().at("start"), out = x.cos();
      for (std::int64_t i = 0; i < 3; ++i) sampler->step(out, x, i, noNoise);
      EXPECT_LE(relativeError(sampler->step(out, x, 3, noNoise), sampler->denoised(out, x, 3)),
                1e-6);
    }
  }
}

TEST(Sampler, FromAnyStepANetworkThatKnowsThePictureLeadsToIt) {
  const at::Tensor clean = goldenTensors().at("start"), noise = clean.flip({3}).cos();
  for (const auto& info : api::kSamplers)
    for (const std::int64_t first : {0, 1, 4}) {
      SCOPED_TRACE(std::string(info.key) + " from step " + std::to_string(first));
      const auto sampler = makeSampler(NoiseSchedule({}), {.sampler = info.kind, .steps = 8});
      const std::int64_t begin = sampler->evaluationOf(first);
      EXPECT_EQ(begin == 0 ? 0 : sampler->stepsDone(begin - 1), first);
      at::Tensor x = sampler->noisy(clean, noise, begin);
      EXPECT_GT(relativeError(x, clean), 0.05);
      for (std::int64_t i = begin; i < sampler->evaluations(); ++i) {
        // The epsilon with which denoised() is the picture: it is linear in the output.
        const at::Tensor base = sampler->denoised(at::zeros_like(x), x, i),
                         slope = base - sampler->denoised(at::ones_like(x), x, i);
        x = sampler->step((base - clean) / slope, x, i, [&] { return noise; });
      }
      // DDIM and its kin end at the first noise level of the table, not at none.
      EXPECT_LE(relativeError(x, clean), 0.05);
      EXPECT_TRUE(sampler->noisy(clean, noise, sampler->evaluations()).equal(clean));
    }
}

TEST(Sampler, MoreStepsThanNoiseLevelsAreCut) {
  for (const auto& info : api::kSamplers) {
    SCOPED_TRACE(std::string(info.key));
    for (const char* spacing : {"leading", "linspace", "trailing"}) {
      nn::NoiseScheduleConfig config;
      config.timestepSpacing = spacing;
      const auto sampler =
          makeSampler(NoiseSchedule(config), {.sampler = info.kind, .steps = 5000});
      ASSERT_EQ(sampler->steps(), info.maxSteps);
      for (std::int64_t i = 0; i < sampler->evaluations(); ++i) {
        EXPECT_GE(sampler->timestep(i), 0);
        EXPECT_LE(sampler->timestep(i), 999);
      }
    }
  }
}

TEST(Sampler, StepsAreCountedAsTheyWereAskedFor) {
  for (const auto& info : api::kSamplers) {
    SCOPED_TRACE(std::string(info.key));
    for (const std::int64_t steps : {1, 2, 7}) {
      const auto sampler = makeSampler(NoiseSchedule({}), {.sampler = info.kind, .steps = steps});
      EXPECT_EQ(sampler->steps(), steps);
      std::int64_t done = 0;
      for (std::int64_t i = 0; i < sampler->evaluations(); ++i) {
        const std::int64_t now = sampler->stepsDone(i);
        EXPECT_TRUE(now == done || now == done + 1) << i;
        done = now;
      }
      EXPECT_EQ(done, steps);
    }
  }
}

TEST(Sampler, TheTableTellsWhoDrawsNoise) {
  for (const auto& info : api::kSamplers) {
    EXPECT_EQ(api::enumName(info.kind), info.key);
    const auto sampler = makeSampler(NoiseSchedule({}), {.sampler = info.kind, .steps = 4});
    at::Tensor x = goldenTensors().at("start") * sampler->initNoiseSigma();
    int draws = 0;
    for (std::int64_t i = 0; i < sampler->evaluations(); ++i) {
      x = sampler->step(fakeNetwork(*sampler, x, i), x, i, [&] { return ++draws, x.cos(); });
    }
    EXPECT_EQ(draws > 0, info.draws) << info.key;
  }
}

TEST(Sampler, TheOptionsSpacingComesBeforeTheModels) {
  nn::NoiseScheduleConfig config;
  config.timestepSpacing = "leading";
  api::SamplingOptions options{.steps = 10};
  EXPECT_EQ(makeSampler(NoiseSchedule(config), options)->timestep(0), 901);
  options.spacing = api::TimestepSpacing::Trailing;
  EXPECT_EQ(makeSampler(NoiseSchedule(config), options)->timestep(0), 999);
}

TEST(Sampler, TrailingHasExactlyTheStepsAskedFor) {
  // numpy's float arange yields 62 values here, which upstream then runs.
  nn::NoiseScheduleConfig config;
  config.timestepSpacing = "trailing";
  const auto sampler = makeSampler(NoiseSchedule(config), {.steps = 61});
  EXPECT_EQ(sampler->evaluations(), 61);
  EXPECT_EQ(sampler->timestep(0), 999);
  EXPECT_GE(sampler->timestep(60), 0);
}

}  // namespace
}  // namespace likeness::diffusion
