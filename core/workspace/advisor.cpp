#include "core/workspace/advisor.h"

#include <algorithm>
#include <cmath>

namespace likeness::workspace {
namespace {

constexpr std::size_t kProbes = 5, kWindow = 3;
constexpr double kGain = 0.01;       ///< of the balance, in a window, that counts as learning
constexpr double kLeastFall = 0.02;  ///< of the subject's probe, before anything can be enough
constexpr double kClassRise = 0.05, kClassDrift = 0.5;

struct Probe {
  std::int64_t step = 0;
  double subject = 0;
  std::optional<double> classHalf;
  double balance() const { return workspace::balance(subject, classHalf); }
};

}  // namespace

double balance(double probeSubject, std::optional<double> probeClass) {
  return probeSubject * probeClass.value_or(1);
}

std::optional<api::Advice> advise(const std::vector<api::MetricSample>& samples) {
  std::vector<Probe> probes;
  api::Advice advice;
  for (const api::MetricSample& sample : samples) {
    if (sample.series == api::Series::ProbeSubject)
      probes.push_back({sample.step, sample.value, {}});
    else if (sample.series == api::Series::ProbeClass && !probes.empty() &&
             probes.back().step == sample.step)
      probes.back().classHalf = sample.value;
    else if (sample.series == api::Series::ClassDrift)
      advice.classDrift = sample.value;
    else if (sample.series == api::Series::DinoLikeness)
      advice.dino = sample.value;
  }
  if (probes.size() < kProbes || probes.front().step != 0) return {};
  const Probe &first = probes.front(), &last = probes.back();
  const double scale = first.balance();
  if (!std::isfinite(scale) || scale <= 0) return {};

  const auto lower = [](const Probe& a, const Probe& b) { return a.balance() < b.balance(); };
  const auto best = std::min_element(probes.begin(), probes.end(), lower);
  advice.step = last.step;
  advice.bestStep = best->step;
  advice.subjectFall = 1 - best->subject / first.subject;
  if (first.classHalf && last.classHalf) advice.classRise = *last.classHalf / *first.classHalf - 1;

  const auto window =
      probes.end() - static_cast<std::ptrdiff_t>(std::max(kWindow, probes.size() / 3));
  const double before = std::min_element(probes.begin(), window, lower)->balance();
  const double within = std::min_element(window, probes.end(), lower)->balance();
  const bool drifts =
      advice.classRise.value_or(0) >= kClassRise || advice.classDrift.value_or(0) >= kClassDrift;
  if (before - within >= kGain * scale)
    advice.state = api::AdviceState::Learning;
  else if (drifts)
    advice.state = api::AdviceState::Drifting;
  else if (advice.subjectFall >= kLeastFall)
    advice.state = api::AdviceState::Enough;
  return advice;
}

}  // namespace likeness::workspace
