// Ranks as torchrun, Slurm and nobody say them.
#include "core/base/placement.h"

#include <gtest/gtest.h>

#include <map>

namespace likeness::base {
namespace {

using Variables = std::map<std::string, std::string>;

api::Result<Placement> placed(const Variables& variables) {
  return placement([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

const Variables kTorchrun{{"RANK", "3"},
                          {"WORLD_SIZE", "4"},
                          {"LOCAL_RANK", "1"},
                          {"LOCAL_WORLD_SIZE", "2"},
                          {"MASTER_ADDR", "ahost"},
                          {"MASTER_PORT", "29500"}};
const Variables kSlurm{{"SLURM_STEP_ID", "0"},
                       {"SLURM_PROCID", "5"},
                       {"SLURM_NTASKS", "8"},
                       {"SLURM_LOCALID", "1"},
                       {"SLURM_STEP_NODELIST", "gpu[07-09,12],spare"},
                       {"SLURM_JOB_ID", "123456"}};

Variables with(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

TEST(Placement, OfEachLauncher) {
  const auto torchrun = placed(kTorchrun).value();
  EXPECT_EQ(torchrun.rank, 3);
  EXPECT_EQ(torchrun.size, 4);
  EXPECT_EQ(torchrun.localRank, 1);
  EXPECT_EQ(torchrun.localSize, 2);
  EXPECT_EQ(torchrun.address, "ahost");
  EXPECT_EQ(torchrun.port, 29500);
  EXPECT_FALSE(torchrun.launcherListens);
  const auto agent = placed(with(
      with(kTorchrun, "TORCHELASTIC_USE_AGENT_STORE", "True"), "TORCHELASTIC_RESTART_COUNT", "2"));
  EXPECT_TRUE(agent->launcherListens);
  EXPECT_EQ(agent->attempt, "2");

  const auto slurm = placed(kSlurm).value();
  EXPECT_EQ(slurm.rank, 5);
  EXPECT_EQ(slurm.size, 8);
  EXPECT_EQ(slurm.localRank, 1);
  EXPECT_EQ(slurm.localSize, 1);
  EXPECT_EQ(slurm.address, "gpu07");
  EXPECT_EQ(slurm.port, 15000 + 123456 % 16000);
  EXPECT_EQ(placed(with(kSlurm, "MASTER_PORT", "7"))->port, 7);
  EXPECT_EQ(placed(with(kSlurm, "MASTER_ADDR", "other"))->address, "other");
}

TEST(Placement, OneProcessWithoutALauncher) {
  EXPECT_EQ(placed({})->size, 1);
  EXPECT_EQ(placed(with(kTorchrun, "WORLD_SIZE", "1"))->rank, 0);
  // A batch script is no task of its job.
  EXPECT_EQ(placed(without(kSlurm, "SLURM_STEP_ID"))->size, 1);
}

TEST(Placement, WrongVariablesAreNamed) {
  const std::pair<Variables, const char*> wrong[] = {
      {without(kTorchrun, "RANK"), "RANK"},
      {with(kTorchrun, "RANK", "4"), "RANK"},
      {with(kTorchrun, "RANK", "1x"), "RANK"},
      {with(kTorchrun, "WORLD_SIZE", "0"), "WORLD_SIZE"},
      {with(kTorchrun, "LOCAL_RANK", "-1"), "LOCAL_RANK"},
      {without(kTorchrun, "MASTER_ADDR"), "MASTER_ADDR"},
      {with(kTorchrun, "MASTER_PORT", "70000"), "MASTER_PORT"},
      {without(kSlurm, "SLURM_PROCID"), "SLURM_PROCID"},
      {without(kSlurm, "SLURM_JOB_ID"), "SLURM_JOB_ID"}};
  for (const auto& [variables, name] : wrong) {
    const auto result = placed(variables);
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, api::ErrorCode::BadUsage);
    EXPECT_NE(message(result.error()).find(std::string(" ") + name + " is"), std::string::npos)
        << message(result.error());
  }
}

TEST(Placement, FirstHostOfAList) {
  EXPECT_EQ(firstHost("node1"), "node1");
  EXPECT_EQ(firstHost("node1,node2"), "node1");
  EXPECT_EQ(firstHost("node[03-07,9],other"), "node03");
  EXPECT_EQ(firstHost("node[3]"), "node3");
  EXPECT_EQ(firstHost("node[3,5]"), "node3");
}

}  // namespace
}  // namespace likeness::base
