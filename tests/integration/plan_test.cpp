// `train --plan`: what a training will take, before and beside the training itself.
#include <gmock/gmock.h>

#include "tests/integration/scene.h"

namespace likeness::integration {
namespace {

using testing::HasSubstr;

/// No plan needs the engine.
class Plan : public Scene {
 protected:
  Plan() { noEngine.environment = {"LIKENESS_ENGINE=/nowhere/engine.so"}; }
  RunOptions noEngine;
};

Finished succeed(const std::vector<std::string>& arguments, const RunOptions& options = {}) {
  Finished finished = cli(arguments, options);
  EXPECT_EQ(finished.exitCode, 0) << finished.err;
  return finished;
}

TEST_F(Plan, SaysWhatATrainingWillTakeAndTrainsNothing) {
  const auto arguments = training(photos(), at("run"), 2, {"--plan"});
  const auto plan = succeed(arguments, noEngine).json();
  EXPECT_EQ(plan["steps"], 2);
  EXPECT_EQ(plan["class_images"], 2);
  EXPECT_EQ(plan["fits"], true);
  const auto& memory = plan["memory"];
  EXPECT_EQ(memory["total_mib"],
            memory["weights_mib"].get<int>() + memory["gradients_mib"].get<int>() +
                memory["optimizer_mib"].get<int>() + memory["activations_mib"].get<int>() +
                memory["other_mib"].get<int>());
  EXPECT_GT(plan["seconds"], 0);
  EXPECT_FALSE(fs::exists(at("run")));
  const Finished table = succeed({"train",
                                  "--base",
                                  starter().string(),
                                  "--photos",
                                  photos().string(),
                                  "--class",
                                  "toy",
                                  "--plan"},
                                 noEngine);
  for (const char* words :
       {"Steps", "passes per photo", "Time", "about", "Memory", "  activations"})
    EXPECT_THAT(table.out, HasSubstr(words));
}

TEST_F(Plan, ThatDoesNotFitIsAnAnswerAndTheTrainingSaysTheSame) {
  const Finished refused =
      cli(training(photos(), at("run"), 2, {"--memory-limit", "100", "--plan"}), noEngine);
  EXPECT_EQ(refused.exitCode, 4) << refused.err;
  EXPECT_EQ(refused.json()["fits"], false);
  EXPECT_EQ(refused.json()["obstacle"]["code"], "not_enough_memory");
  const Finished job = cli(training(photos(), at("run"), 2, {"--memory-limit", "100"}));
  expectError(job, "not_enough_memory", 4);
  EXPECT_EQ(job.json()["error"]["message"], refused.json()["obstacle"]["message"]);
}

TEST_F(Plan, IsNeverBelowWhatIsUsed) {
  const auto plan = succeed(training(photos(), at("run"), 2, {"--plan"})).json();
  const auto done = succeed(training(photos(), at("run"), 2)).json();
  EXPECT_LE(done["peak_rss_mib"], plan["memory"]["total_mib"]);
  // The run's pictures are there now.
  EXPECT_EQ(
      succeed(training(photos(), at("run"), 2, {"--plan", "--resume"})).json()["class_images"], 0);
}

}  // namespace
}  // namespace likeness::integration
