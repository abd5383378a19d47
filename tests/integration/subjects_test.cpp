// Several subjects in one run, as the command line takes them.
#include <gmock/gmock.h>

#include "tests/integration/scene.h"

namespace likeness::integration {
namespace {

using testing::HasSubstr;

class SeveralSubjects : public Scene {
 protected:
  Finished succeed(const std::vector<std::string>& arguments) {
    Finished finished = cli(arguments);
    EXPECT_EQ(finished.exitCode, 0) << finished.err << finished.out;
    return finished;
  }
};

TEST_F(SeveralSubjects, AreLearnedInOneRun) {
  const std::string cat = photos(2, "a:cat").string();
  writeText(fs::path(cat) / "photo1.txt", "{subject} asleep");
  const std::vector<std::string> also = {"--also", cat + ":zwx:cat"};
  const auto trained = succeed(training(photos(), at("run"), 4, also)).json();
  EXPECT_EQ(trained["steps"], 4);
  const auto inputs = nlohmann::json::parse(readText(at("run") / "inputs.json"));
  std::vector<std::string> prompts;
  for (const auto& photo : inputs["photos"]) prompts.push_back(photo["prompt"]);
  EXPECT_THAT(prompts,
              testing::ElementsAre("a photo of sks toy",
                                   "a photo of sks toy",
                                   "a photo of sks toy",
                                   "a photo of zwx cat",
                                   "zwx cat asleep"));
  EXPECT_EQ(inputs["classPictures"].size(), 4u) << "two of each class";

  const auto run = succeed({"inspect", at("run").string(), "--json"}).json();
  EXPECT_EQ(run["details"]["Subjects"], "sks toy, zwx cat");
  EXPECT_EQ(run["details"]["Photos"], "5");
  succeed({"train", "--out", at("run").string(), "--resume", "--steps", "6", "--json"});
  expectError(cli(training(photos(), at("run"), 8, {"--resume", "--also", cat + ":zwx:tiger"})),
              "run_incompatible",
              3);
  succeed({"train", "--fork", at("run").string(), "--out", at("fork").string(), "--steps", "7"});
  EXPECT_EQ(succeed({"inspect", at("fork").string(), "--json"}).json()["details"]["Subjects"],
            "sks toy, zwx cat");
  // The flags' configuration is a file that asks for the same.
  auto flags = training(photos(), at("other"), 4, also);
  flags.push_back("--print-config");
  writeText(at("both.yaml"), succeed(flags).json()["config"]);
  EXPECT_THAT(succeed({"train",
                       "--config",
                       at("both.yaml").string(),
                       "--out",
                       at("other").string(),
                       "--print-config"})
                  .out,
              HasSubstr("token: zwx"));

  const auto refused = [&](const std::string& value, const std::string& code, int exitCode) {
    expectError(cli(training(photos(), at("none"), 4, {"--also", value})), code, exitCode);
  };
  refused(cat, "bad_usage", 2);
  refused("zwx:cat", "bad_usage", 2);
  refused(cat + ":sks:cat", "bad_combination", 2);
  refused(cat + ":zwx:", "missing_value", 2);
  refused(at("nowhere").string() + ":zwx:cat", "file_not_found", 3);
  fs::create_directories(at("empty"));
  refused(at("empty").string() + ":zwx:cat", "no_photos", 3);
  EXPECT_FALSE(fs::exists(at("none") / "run.yaml"));
}

}  // namespace
}  // namespace likeness::integration
