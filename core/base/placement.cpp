// The variables of torchrun and Slurm.
#include "core/base/placement.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

namespace likeness::base {
namespace {

using api::Result;

/// Ports above those of services and below those that systems hand out by themselves.
constexpr std::int64_t kFirstPort = 15000, kPorts = 16000;
constexpr std::int64_t kMostRanks = 1 << 16;

auto wrong(const char* variable, const std::string& what) {
  return api::fail(api::ErrorCode::BadUsage,
                   {{"reason", "the environment's " + std::string(variable) + " " + what}});
}

/// A whole number in [min, max]. Errors: BadUsage, also when it is not set.
Result<std::int64_t> number(const Environment& environment,
                            const char* variable,
                            std::int64_t min,
                            std::int64_t max) {
  const char* text = environment(variable);
  if (!text || !*text) return wrong(variable, "is missing, which ranks that train together need");
  std::int64_t value = 0;
  const char* end = text + std::strlen(text);
  if (const auto [stop, error] = std::from_chars(text, end, value);
      error != std::errc() || stop != end || value < min || value > max)
    return wrong(variable,
                 "is \"" + std::string(text) + "\", but it must be a whole number from " +
                     std::to_string(min) + " to " + std::to_string(max));
  return value;
}

/// The four names of one launcher.
struct Names {
  const char *rank, *size, *localRank, *localSize;
};
constexpr Names kTorchrun{"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Names kSlurm{"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", nullptr};

}  // namespace

std::string firstHost(const std::string& list) {
  const auto open = list.find_first_of("[,");
  if (open == std::string::npos || list[open] == ',') return list.substr(0, open);
  const auto end = list.find_first_of("-,]", open);
  return list.substr(0, open) + list.substr(open + 1, end - open - 1);
}

Result<Placement> placement(const Environment& environment) {
  // A batch script or an interactive allocation of Slurm has most of the variables, but is no task.
  const bool slurm = !environment(kTorchrun.size) && environment("SLURM_STEP_ID");
  const Names& names = slurm ? kSlurm : kTorchrun;
  Placement place;
  if (!environment(names.size)) return place;
  const auto size = number(environment, names.size, 1, kMostRanks);
  if (!size) return api::fail(size.error());
  place.size = *size;
  if (place.size == 1) return place;

  const auto read = [&](std::int64_t& value,
                        const char* variable,
                        std::int64_t min,
                        std::int64_t max) -> Result<void> {
    const auto found = number(environment, variable, min, max);
    if (!found) return api::fail(found.error());
    value = *found;
    return {};
  };
  if (auto ok = read(place.rank, names.rank, 0, place.size - 1); !ok) return api::fail(ok.error());
  if (environment(names.localRank))
    if (auto ok = read(place.localRank, names.localRank, 0, place.size - 1); !ok)
      return api::fail(ok.error());
  if (names.localSize && environment(names.localSize))
    if (auto ok = read(place.localSize, names.localSize, 1, place.size); !ok)
      return api::fail(ok.error());

  if (const char* address = environment("MASTER_ADDR"); address && *address)
    place.address = address;
  else if (const char* nodes = environment("SLURM_STEP_NODELIST"); slurm && nodes)
    place.address = firstHost(nodes);
  if (place.address.empty())
    return wrong("MASTER_ADDR", "is missing: the machine of rank 0, which the others look for");
  std::int64_t port = 0;
  if (slurm && !environment("MASTER_PORT")) {
    std::int64_t job = 0;
    if (auto ok = read(job, "SLURM_JOB_ID", 0, INT64_MAX); !ok) return api::fail(ok.error());
    port = kFirstPort + job % kPorts;
  } else if (auto ok = read(port, "MASTER_PORT", 1, UINT16_MAX); !ok) {
    return api::fail(ok.error());
  }
  place.port = static_cast<std::uint16_t>(port);
  const char* agent = environment("TORCHELASTIC_USE_AGENT_STORE");
  place.launcherListens = agent && std::string_view(agent) == "True";
  if (const char* attempt = environment("TORCHELASTIC_RESTART_COUNT")) place.attempt = attempt;
  return place;
}

Result<Placement> placement() {
  return placement([](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace likeness::base
