// Sums of products at full speed, and what is left of it in a run.
#include "core/workspace/training_speed.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "core/base/for_each_cpu.h"
#include "core/base/machine.h"
#include "core/base/user_cache.h"

namespace likeness::workspace {
namespace {

using Clock = std::chrono::steady_clock;

/// The part of the processor's best that a step of a large UNet reaches, and one of the size of the
/// starter model; and what bf16 does to it, where the processor has it and where it has not.
constexpr double kLargePart = 0.6, kSmallPart = 0.25;
constexpr std::int64_t kLarge = 300'000'000;
constexpr double kFastBf16 = 2.5, kSlowBf16 = 0.1;
constexpr double kMeasuringSeconds = 0.02;

std::int64_t threadsOf(const SpeedConditions& conditions) {
  const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  return conditions.threads > 0 ? std::min(conditions.threads, cores) : cores;
}

std::string factOf(const SpeedConditions& c) {
  return "training speed 1, " + base::cpuName() + ", " + std::to_string(threadsOf(c)) +
         " threads, " + (c.bf16 ? "bf16" : "fp32") + ", " + std::to_string(c.unetParameters);
}

/// Enough sums at a time that none waits for another, on registers of any width.
constexpr std::size_t kSums = 128;
constexpr int kRounds = 1000;

LIKENESS_FOR_EACH_CPU void multiplyAndAdd(float* sums, float factor) {
  std::array<float, kSums> own;
  for (std::size_t i = 0; i < kSums; ++i) own[i] = sums[i];
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < kSums; ++i) own[i] = own[i] * factor + 1;
  for (std::size_t i = 0; i < kSums; ++i) sums[i] = own[i];
}

/// Operations a second of all threads together.
double measured(std::int64_t threads) {
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::vector<std::jthread> workers;
  for (double& rate : rates)
    workers.emplace_back([&rate] {
      std::array<float, kSums> sums{};
      const auto start = Clock::now();
      double operations = 0, seconds = 0;
      while (seconds < kMeasuringSeconds) {
        multiplyAndAdd(sums.data(), 0.5F);
        operations += 2.0 * kSums * kRounds;
        seconds = std::chrono::duration<double>(Clock::now() - start).count();
      }
      rate = sums[0] > 0 ? operations / seconds : 0;
    });
  workers.clear();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

}  // namespace

double trainingSpeed(const SpeedConditions& conditions) {
  if (const auto known = base::recall(factOf(conditions))) {
    double speed = 0;
    const auto [end, error] = std::from_chars(known->data(), known->data() + known->size(), speed);
    if (error == std::errc() && speed > 0) return speed;
  }
  static const double best = measured(threadsOf({}));
  const double part = conditions.unetParameters >= kLarge ? kLargePart : kSmallPart;
  const double type = !conditions.bf16 ? 1 : base::cpuHasFastBf16() ? kFastBf16 : kSlowBf16;
  return best * part * type * static_cast<double>(threadsOf(conditions)) /
         static_cast<double>(threadsOf({}));
}

void rememberTrainingSpeed(const SpeedConditions& conditions, double operationsPerSecond) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(),
                                          text.data() + text.size(),
                                          operationsPerSecond,
                                          std::chars_format::scientific,
                                          4);
  base::remember(factOf(conditions), std::string_view(text.data(), end));
}

}  // namespace likeness::workspace
