// Sums of products at full speed, and what is left of it in a run.
#include "core/workspace/training_speed.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "core/base/for_each_cpu.h"
#include "core/base/machine.h"
#include "core/base/user_cache.h"

namespace likeness::workspace {
namespace {

/// The part of the processor's best that a step of a large UNet reaches, and one of the size of the
/// starter model; and what bf16 does to it, where the processor has it and where it has not.
constexpr double kLargePart = 0.5, kSmallPart = 0.25;
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

/// Eight sums in one register, and as many registers that none waits for another.
using Lanes = float __attribute__((vector_size(32)));
constexpr int kRegisters = 12, kRounds = 2000;

LIKENESS_FOR_EACH_CPU void multiplyAndAdd(Lanes* sums, float factor) {
  const Lanes times = Lanes{} + factor, one = Lanes{} + 1;
  Lanes a = sums[0], b = sums[1], c = sums[2], d = sums[3], e = sums[4], f = sums[5], g = sums[6],
        h = sums[7], i = sums[8], j = sums[9], k = sums[10], l = sums[11];
  for (int round = 0; round < kRounds; ++round) {
    a = a * times + one, b = b * times + one, c = c * times + one, d = d * times + one;
    e = e * times + one, f = f * times + one, g = g * times + one, h = h * times + one;
    i = i * times + one, j = j * times + one, k = k * times + one, l = l * times + one;
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d, sums[4] = e, sums[5] = f;
  sums[6] = g, sums[7] = h, sums[8] = i, sums[9] = j, sums[10] = k, sums[11] = l;
}

/// Of the thread that asks, so that other programs make no machine slow.
double ownSeconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Operations a second of all threads together.
double measured(std::int64_t threads) {
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::vector<std::jthread> workers;
  for (double& rate : rates)
    workers.emplace_back([&rate] {
      std::array<Lanes, kRegisters> sums{};
      const double start = ownSeconds();
      double operations = 0, seconds = 0;
      while (seconds < kMeasuringSeconds) {
        multiplyAndAdd(sums.data(), 0.5F);
        operations += 2.0 * sizeof(Lanes) / sizeof(float) * kRegisters * kRounds;
        seconds = ownSeconds() - start;
      }
      rate = sums[0][0] > 0 ? operations / seconds : 0;
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
