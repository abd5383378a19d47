#include "app/cli/training_plan.h"

#include <algorithm>
#include <cstdio>

namespace likeness::cli {

using namespace api;

namespace {

/// "1.4 GB": as a person compares it.
std::string gigabytes(double mib) {
  char text[32];
  std::snprintf(
      text, sizeof text, mib < 1000 ? "%.0f MB" : "%.1f GB", mib < 1000 ? mib : mib / 1024);
  return text;
}

/// "about 12 min"
std::string duration(double seconds) {
  char text[32];
  if (seconds < 90)
    std::snprintf(text, sizeof text, "about %.0f s", std::max(1.0, seconds));
  else if (seconds < 5400)
    std::snprintf(text, sizeof text, "about %.0f min", seconds / 60);
  else
    std::snprintf(text, sizeof text, "about %.1f h", seconds / 3600);
  return text;
}

}  // namespace

CommandResult planResult(const TrainingPlan& plan) {
  constexpr double kMiB = 1 << 20;
  const TrainingPlan::Memory& memory = plan.memory;
  const TrainingPlan::Disk& disk = plan.disk;
  CommandResult result;
  result.json = {{"steps", plan.steps},
                 {"passes_per_photo", plan.passesPerPhoto},
                 {"trained_parameters", plan.trainedParameters},
                 {"memory",
                  {{"total_mib", memory.total()},
                   {"weights_mib", memory.weights},
                   {"gradients_mib", memory.gradients},
                   {"optimizer_mib", memory.optimizer},
                   {"activations_mib", memory.activations},
                   {"other_mib", memory.other},
                   {"available_mib", plan.availableMiB}}},
                 {"disk",
                  {{"total_bytes", disk.total()},
                   {"checkpoints_bytes", disk.checkpoints},
                   {"pictures_bytes", disk.pictures},
                   {"caches_bytes", disk.caches},
                   {"free_bytes", plan.freeBytes}}},
                 {"class_images", plan.classImages},
                 {"seconds", plan.seconds},
                 {"fits", !plan.obstacle}};
  const auto row = [&](const char* name, const std::string& value) {
    char text[32];
    std::snprintf(text, sizeof text, "%-19s", name);
    result.text += text + value + "\n";
  };
  const auto mib = [](std::int64_t count) { return gigabytes(static_cast<double>(count)); };
  const auto bytes = [](std::uint64_t count) {
    return gigabytes(static_cast<double>(count) / kMiB);
  };
  char passes[64];
  std::snprintf(passes,
                sizeof passes,
                "%lld, %.4g passes per photo",
                static_cast<long long>(plan.steps),
                plan.passesPerPhoto);
  row("Steps", passes);
  row("Trained parameters", std::to_string(plan.trainedParameters));
  row("Class pictures", std::to_string(plan.classImages) + " to be made");
  row("Time", duration(plan.seconds));
  row("Memory",
      mib(memory.total()) +
          (plan.availableMiB > 0 ? " of " + mib(plan.availableMiB) + " available" : std::string()));
  for (const auto& [name, part] : {std::pair("  weights", memory.weights),
                                   std::pair("  gradients", memory.gradients),
                                   std::pair("  optimizer", memory.optimizer),
                                   std::pair("  activations", memory.activations),
                                   std::pair("  program", memory.other)})
    row(name, mib(part));
  row("Disk", bytes(disk.total()) + " of " + bytes(plan.freeBytes) + " free");
  for (const auto& [name, part] : {std::pair("  checkpoints", disk.checkpoints),
                                   std::pair("  pictures", disk.pictures),
                                   std::pair("  caches", disk.caches)})
    row(name, bytes(part));
  if (!plan.obstacle) return result;
  result.json["obstacle"] = {{"code", name(plan.obstacle->code)},
                             {"message", message(*plan.obstacle)},
                             {"hint", hint(*plan.obstacle)}};
  result.text += message(*plan.obstacle) + "\n" + hint(*plan.obstacle) + "\n";
  result.exitCode = exitCode(plan.obstacle->code);
  return result;
}

}  // namespace likeness::cli
