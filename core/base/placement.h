// Which of the processes that train together this one is, as its launcher says in the environment.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/api/result.h"

namespace likeness::base {

/// The place of one process (rank) among those that train one model together.
struct Placement {
  std::int64_t rank = 0, size = 1;  ///< of all ranks
  std::int64_t localRank = 0;       ///< of those on this machine
  std::int64_t localSize = 1;       ///< ranks that divide the cores of this machine among them
  std::string address;              ///< where rank 0 listens
  std::uint16_t port = 0;
  bool launcherListens = false;  ///< the launcher listens there in place of rank 0
  std::string attempt;           ///< tells a restart by the launcher from what was before
};

/// Looks a variable up; nullptr = not set.
using Environment = std::function<const char*(const char* name)>;

/// torchrun's RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, with
/// TORCHELASTIC_USE_AGENT_STORE and TORCHELASTIC_RESTART_COUNT where it sets them; else, in a step
/// of Slurm (srun), SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID, the first host of the step's nodes
/// and a port that follows from the job's number; MASTER_ADDR and MASTER_PORT win there too.
/// Neither: one process. Slurm gives each task cores of its own, so localSize stays 1 there.
/// Any thread that no other one changes the environment beside. Errors: BadUsage naming the
/// variable.
api::Result<Placement> placement(const Environment& environment);
/// The same of this process.
api::Result<Placement> placement();

/// "node[03-07,9],other" -> "node03": the first of a list of hosts as Slurm writes it.
std::string firstHost(const std::string& list);

}  // namespace likeness::base
