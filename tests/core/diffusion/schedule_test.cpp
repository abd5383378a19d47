// The noise schedule against diffusers, the training loss and guidance against their formulas.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "core/diffusion/guidance.h"
#include "core/diffusion/losses.h"
#include "golden.h"

namespace likeness::diffusion {
namespace {

TEST(NoiseSchedule, TablesEqualDiffusersBitForBit) {
  EXPECT_TRUE(at::equal(NoiseSchedule({}).alphasCumprod(), goldenTensors().at("alphas_cumprod")));
  nn::NoiseScheduleConfig linear;
  linear.betaSchedule = "linear";
  linear.betaStart = 0.0001;
  linear.betaEnd = 0.02;
  EXPECT_TRUE(at::equal(NoiseSchedule(linear).alphasCumprod(),
                        goldenTensors().at("alphas_cumprod_linear")));
  nn::NoiseScheduleConfig zeroSnr;
  zeroSnr.rescaleBetasZeroSnr = true;
  const NoiseSchedule rescaled(zeroSnr);
  EXPECT_LE(relativeError(rescaled.alphasCumprod(), goldenTensors().at("alphas_cumprod_zero_snr")),
            1e-6);
  EXPECT_EQ(rescaled.alphasCumprod()[-1].item<double>(), 0);
}

TEST(NoiseSchedule, ForwardProcessAndVelocityEqualDiffusers) {
  const auto& g = goldenTensors();
  nn::NoiseScheduleConfig config;
  config.predictionType = nn::PredictionType::VPrediction;
  const NoiseSchedule schedule(config);
  const auto &x0 = g.at("forward.x0"), &noise = g.at("forward.noise"), &t = g.at("forward.t");
  EXPECT_LE(relativeError(schedule.addNoise(x0, noise, t), g.at("forward.noisy")), 1e-7);
  EXPECT_LE(relativeError(schedule.target(x0, noise, t), g.at("forward.velocity")), 1e-7);
  EXPECT_TRUE(at::equal(NoiseSchedule({}).target(x0, noise, t), noise));
}

TEST(NoiseSchedule, CoefficientsStayExactForLowPrecision) {
  const auto& g = goldenTensors();
  const at::Tensor x0 = g.at("forward.x0").to(at::kBFloat16),
                   noise = g.at("forward.noise").to(at::kBFloat16);
  const at::Tensor noisy = NoiseSchedule({}).addNoise(x0, noise, g.at("forward.t"));
  EXPECT_EQ(noisy.scalar_type(), at::kBFloat16);
  const at::Tensor exact =
      NoiseSchedule({}).addNoise(x0.to(at::kFloat), noise.to(at::kFloat), g.at("forward.t"));
  EXPECT_TRUE(at::equal(noisy, exact.to(at::kBFloat16)));
}

TEST(DreamBoothLoss, HalvesAreMeansAndTheWeightCountsOnceInTheTotal) {
  const at::Tensor target = goldenTensors().at("forward.noise");
  const at::Tensor prediction = at::cat({target.narrow(0, 0, 1) + 2, target.narrow(0, 1, 3) - 3});
  const auto loss = dreamBoothLoss(prediction, target, 1, 0.5);
  EXPECT_NEAR(loss.subject.item<double>(), 4, 1e-5);
  EXPECT_NEAR(loss.classes.item<double>(), 9, 1e-5);
  EXPECT_NEAR(loss.total.item<double>(), 4 + 0.5 * 9, 1e-5);
}

TEST(DreamBoothLoss, WithoutClassRowsTheTotalIsTheSubject) {
  const at::Tensor target = goldenTensors().at("forward.noise");
  const auto loss = dreamBoothLoss(target + 1, target, 4, 0.5);
  EXPECT_FALSE(loss.classes.defined());
  EXPECT_NEAR(loss.total.item<double>(), 1, 1e-5);
}

TEST(DreamBoothLoss, GradientFlowsToBothHalves) {
  const at::Tensor target = goldenTensors().at("forward.noise");
  const at::Tensor prediction = (target + 1).detach().requires_grad_(true);
  dreamBoothLoss(prediction, target, 2, 3).total.backward();
  // d mean((p - t)^2) / dp = 2 (p - t) / n with n = 2 x 4 x 2 x 2.
  const at::Tensor gradient = prediction.grad();
  EXPECT_NEAR(gradient[0][0][0][0].item<double>(), 2.0 / 32, 1e-6);
  EXPECT_NEAR(gradient[3][0][0][0].item<double>(), 3 * 2.0 / 32, 1e-6);
}

TEST(Guidance, MovesFromTheUnconditionalPrediction) {
  const at::Tensor uncond = at::full({2, 4, 2, 2}, 1.0), cond = at::full({2, 4, 2, 2}, 3.0);
  const at::Tensor guided = combineGuided(at::cat({uncond, cond}).to(at::kBFloat16), 7.5);
  EXPECT_TRUE(at::equal(guided, at::full({2, 4, 2, 2}, 1 + 7.5 * 2)));
  EXPECT_TRUE(isGuided(7.5));
  EXPECT_TRUE(isGuided(0));
  EXPECT_FALSE(isGuided(1));
}

TEST(Guidance, RescaleKeepsTheDeviationOfEachPicture) {
  const auto& start = goldenTensors().at("start");
  const at::Tensor uncond = at::cat({start, start.cos()}), cond = at::cat({start.sin(), 2 * start});
  const at::Tensor stacked = at::cat({uncond, cond});
  const at::Tensor full = combineGuided(stacked, 7.5, 1), none = combineGuided(stacked, 7.5);
  const auto deviation = [](const at::Tensor& x) { return x.flatten().std().item<double>(); };
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(deviation(full[i]), deviation(cond[i]), 1e-5);
  EXPECT_LE(relativeError(combineGuided(stacked, 7.5, 0.25), 0.25 * full + 0.75 * none), 1e-6);
}

}  // namespace
}  // namespace likeness::diffusion
