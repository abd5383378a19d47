// What a loss can be made of, by hand: weights of noise levels, Huber, masks, coarse noise.
#include "core/diffusion/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/diffusion/training_noise.h"
#include "core/tensor/random_tensor.h"

namespace likeness::diffusion {
namespace {

using api::LossWeighting;
using nn::PredictionType;

NoiseSchedule scheduleFor(PredictionType prediction, bool zeroSnr = false) {
  nn::NoiseScheduleConfig config;
  config.predictionType = prediction;
  config.rescaleBetasZeroSnr = zeroSnr;
  return NoiseSchedule(config);
}

at::Tensor weights(const NoiseSchedule& schedule,
                   LossWeighting weighting,
                   const std::vector<std::int64_t>& timesteps) {
  api::LossOptions options;
  options.weighting = weighting;
  return lossForm(options, schedule, at::tensor(timesteps, at::kLong), {}).rowWeights;
}

/// Stable Diffusion's table at 100, 500 and 999: snr 8.48, 0.384 and 0.004683, from diffusers'
/// alphas_cumprod in double.
TEST(LossForm, WeightsOfNoiseLevelsAreThoseOfTheFormulas) {
  struct Case {
    LossWeighting weighting;
    PredictionType prediction;
    double (*formula)(double snr);
  };
  const Case cases[] = {
      {LossWeighting::MinSnr,
       PredictionType::Epsilon,
       [](double snr) { return std::min(snr, 5.0) / snr; }},
      {LossWeighting::MinSnr,
       PredictionType::VPrediction,
       [](double snr) { return std::min(snr, 5.0) / (snr + 1); }},
      {LossWeighting::Debiased,
       PredictionType::Epsilon,
       [](double snr) { return 1 / std::sqrt(snr); }},
      {LossWeighting::Debiased,
       PredictionType::VPrediction,
       [](double snr) { return std::sqrt(snr) / (snr + 1); }},
      {LossWeighting::MinSnr,
       PredictionType::Sample,
       [](double snr) { return std::min(snr, 5.0); }},
      {LossWeighting::Debiased, PredictionType::Sample, [](double snr) { return std::sqrt(snr); }},
      {LossWeighting::P2, PredictionType::Epsilon, [](double snr) { return 1 / (1 + snr); }},
      {LossWeighting::P2, PredictionType::VPrediction, [](double snr) { return 1 / (1 + snr); }},
  };
  for (const Case& c : cases) {
    const NoiseSchedule schedule = scheduleFor(c.prediction);
    const at::Tensor found = weights(schedule, c.weighting, {100, 500, 999});
    for (const int i : {0, 1, 2}) {
      const double a = schedule.alphasCumprod()[std::array{100, 500, 999}[i]].item<double>();
      EXPECT_NEAR(found[i].item<double>() / c.formula(a / (1 - a)), 1, 1e-6)
          << api::enumName(c.weighting) << " " << static_cast<int>(c.prediction) << " " << i;
    }
  }
  EXPECT_FALSE(
      weights(scheduleFor(PredictionType::Epsilon), LossWeighting::Constant, {1}).defined());
}

/// kohya 6b3148fd: min-SNR x velocity x zero terminal SNR was 0 / 0.
TEST(LossForm, WithoutAnySignalWeightsAreFinite) {
  for (const auto weighting : {LossWeighting::MinSnr, LossWeighting::Debiased, LossWeighting::P2})
    for (const auto prediction : {PredictionType::Epsilon, PredictionType::VPrediction}) {
      const NoiseSchedule schedule = scheduleFor(prediction, true);
      ASSERT_EQ(schedule.alphasCumprod()[-1].item<double>(), 0);
      const double last = weights(schedule, weighting, {999}).item<double>();
      EXPECT_TRUE(std::isfinite(last)) << api::enumName(weighting);
      if (weighting == LossWeighting::P2 ||
          (weighting == LossWeighting::MinSnr && prediction == PredictionType::Epsilon)) {
        EXPECT_NEAR(last, 1, 1e-6);
      } else if (prediction != PredictionType::Epsilon) {
        EXPECT_NEAR(last, 0, 1e-3);
      }
    }
}

/// diffusers#6356 weighed the class half by the subjects' timesteps.
TEST(LossForm, EachHalfIsWeighedByItsOwnTimesteps) {
  const NoiseSchedule schedule = scheduleFor(PredictionType::Epsilon);
  api::LossOptions options;
  options.weighting = LossWeighting::MinSnr;
  const at::Tensor timesteps = at::tensor({900, 20, 10, 5}, at::kLong);
  const LossForm form = lossForm(options, schedule, timesteps, {});
  const auto loss = dreamBoothLoss(at::ones({4, 4, 2, 2}), at::zeros({4, 4, 2, 2}), 2, 0.5, form);
  const auto weight = [&](int t) {
    const double a = schedule.alphasCumprod()[t].item<double>();
    return std::min(1.0, 5 * (1 - a) / a);
  };
  EXPECT_NEAR(loss.subject.item<double>(), (weight(900) + weight(20)) / 2, 1e-6);
  EXPECT_NEAR(loss.classes.item<double>(), (weight(10) + weight(5)) / 2, 1e-6);
  EXPECT_NEAR(loss.subjectRows[1].item<double>(), weight(20), 1e-6);
}

/// Runs without any of these options are to stay what they were, bit for bit.
TEST(LossForm, ThePlainLossIsTorchsOwn) {
  const at::Tensor target = tensor::normal({3, 4, 6, 7}, base::Random(1, base::Purpose::Test));
  const at::Tensor a = (target * 1.7).requires_grad_(true), b = a.detach().requires_grad_(true);
  const LossForm form =
      lossForm({}, scheduleFor(PredictionType::Epsilon), at::tensor({1, 2, 3}, at::kLong), {});
  const auto loss = dreamBoothLoss(a, target, 1, 0.7, form);
  (loss.total / 3).backward();
  const at::Tensor subject = at::mse_loss(b.narrow(0, 0, 1), target.narrow(0, 0, 1)),
                   classes = at::mse_loss(b.narrow(0, 1, 2), target.narrow(0, 1, 2));
  ((subject + 0.7 * classes) / 3).backward();
  EXPECT_TRUE(loss.subject.equal(subject) && loss.classes.equal(classes));
  EXPECT_TRUE(a.grad().equal(b.grad()));
}

TEST(LossForm, HuberIsSquareBelowDeltaAndStraightAbove) {
  api::LossOptions options;
  options.kind = api::LossKind::Huber;
  const auto loss = [&](double delta, double error) {
    options.huberDelta = delta;
    const LossForm form =
        lossForm(options, scheduleFor(PredictionType::Epsilon), at::tensor({1}, at::kLong), {});
    return dreamBoothLoss(at::full({1, 4, 2, 2}, error), at::zeros({1, 4, 2, 2}), 1, 0, form)
        .subject.item<double>();
  };
  EXPECT_NEAR(loss(0.1, 0.2), 0.2 * (std::sqrt(0.05) - 0.1), 1e-8);
  EXPECT_NEAR(loss(0.1, 100) / (2 * 0.1 * 100), 1, 2e-3);
  EXPECT_NEAR(loss(100, 0.01) / 1e-4, 1, 1e-5);  // the textbook form is 0 here in fp32
}

TEST(LossForm, MasksAreSoftAndLeaveTheirShareOutside) {
  api::LossOptions options;
  at::Tensor mask = at::zeros({2, 1, 2, 2});
  mask[0][0][0][0] = 1;
  mask[0][0][0][1] = 0.5;
  mask[1].fill_(1);
  for (const double outside : {0.0, 0.1, 1.0}) {
    options.unmaskedWeight = outside;
    const LossForm form = lossForm(
        options, scheduleFor(PredictionType::Epsilon), at::tensor({1, 2}, at::kLong), mask);
    const auto loss =
        dreamBoothLoss(at::full({2, 4, 2, 2}, 3.0), at::zeros({2, 4, 2, 2}), 1, 1, form);
    EXPECT_NEAR(loss.subject.item<double>(), 9 * (1.5 + 2.5 * outside) / 4, 1e-5);
    EXPECT_NEAR(loss.classes.item<double>(), 9, 1e-5);
  }
}

/// The bilinear enlargement of one level, value by value (half-pixel centres, clamped at the edge).
double enlarged(const at::Tensor& level, std::int64_t c, double y, double x) {
  const auto at = [&](std::int64_t row, std::int64_t column) {
    return level[c][std::min(row, level.size(1) - 1)][std::min(column, level.size(2) - 1)]
        .item<double>();
  };
  const double cy = std::max(0.0, y), cx = std::max(0.0, x);
  const auto row = static_cast<std::int64_t>(cy), column = static_cast<std::int64_t>(cx);
  const double fy = cy - static_cast<double>(row), fx = cx - static_cast<double>(column);
  return (1 - fy) * ((1 - fx) * at(row, column) + fx * at(row, column + 1)) +
         fy * ((1 - fx) * at(row + 1, column) + fx * at(row + 1, column + 1));
}

TEST(CoarseNoise, IsTheNormalizedSumOfItsLevels) {
  constexpr std::int64_t kHeight = 24, kWidth = 16;
  constexpr double kDiscount = 0.6;
  const base::Random scales(1, base::Purpose::Test), values(2, base::Purpose::Test);
  const at::Tensor white =
      tensor::normal({2, kHeight, kWidth}, base::Random(3, base::Purpose::Test));
  at::Tensor wanted = white.to(at::kDouble);
  const at::Tensor all = tensor::normal({4 * kHeight * kWidth}, values);
  std::int64_t height = kHeight, width = kWidth, from = 0, levels = 0;
  for (;; ++levels) {
    if (levels > 0) {
      const double r = std::pow(2 + 2 * scales.uniform(static_cast<std::uint64_t>(levels)),
                                static_cast<double>(levels));
      height = std::max(1, static_cast<int>(static_cast<double>(height) / r));
      width = std::max(1, static_cast<int>(static_cast<double>(width) / r));
    }
    const at::Tensor level = all.narrow(0, from, 2 * height * width).view({2, height, width});
    from += 2 * height * width;
    for (std::int64_t c = 0; c < 2; ++c)
      for (std::int64_t y = 0; y < kHeight; ++y)
        for (std::int64_t x = 0; x < kWidth; ++x)
          wanted[c][y][x] +=
              std::pow(kDiscount, static_cast<double>(levels)) *
              enlarged(level,
                       c,
                       (static_cast<double>(y * height) + 0.5 * static_cast<double>(height)) /
                               static_cast<double>(kHeight) -
                           0.5,
                       (static_cast<double>(x * width) + 0.5 * static_cast<double>(width)) /
                               static_cast<double>(kWidth) -
                           0.5);
    if (height == 1 || width == 1) break;
  }
  EXPECT_GE(levels, 2);
  const at::Tensor found = withCoarseNoise(white, kDiscount, scales, values);
  EXPECT_NEAR(found.std().item<double>(), 1, 1e-6);
  EXPECT_LE((found.to(at::kDouble) - wanted / wanted.std()).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace likeness::diffusion
