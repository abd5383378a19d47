// Contact sheets through the real command line.
#include "core/image/photo.h"
#include "tests/integration/scene.h"

namespace likeness::integration {
namespace {

class Compare : public Scene {
 protected:
  Finished compare(const std::string& model,
                   const std::string& rows,
                   const std::string& columns,
                   std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"compare",
                                       model,
                                       "--rows",
                                       rows,
                                       "--columns",
                                       columns,
                                       "--steps",
                                       "2",
                                       "--size",
                                       "64",
                                       "--dtype",
                                       "fp32",
                                       "--cells",
                                       at("cells").string(),
                                       "--out",
                                       at("sheet.png").string(),
                                       "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli(arguments);
  }
  static api::Image pixels(const nlohmann::json& cell) {
    return image::readPhoto(cell["file"].get<std::string>()).value().image;
  }
};

TEST_F(Compare, CheckpointsByGuidanceHaveTheSameSeedAndTheirOwnSettings) {
  ASSERT_EQ(cli(training(photos(), at("run"), 4, {"--checkpoint-every", "2"})).exitCode, 0);
  const Finished finished =
      compare(at("run").string(), "checkpoint=2,latest", "guidance=1,4", {"--seed", "9"});
  ASSERT_EQ(finished.exitCode, 0) << finished.err;
  const auto made = finished.json();
  EXPECT_EQ(made["made"], 4);
  ASSERT_EQ(made["cells"].size(), 4U);
  EXPECT_EQ(made["cells"][3]["row"], "checkpoint 4");
  EXPECT_EQ(made["cells"][3]["column"], "guidance 4");
  const auto carried =
      cli({"inspect", made["cells"][1]["file"].get<std::string>(), "--json"}).json();
  EXPECT_EQ(carried["model"]["checkpoint"], "2");
  EXPECT_EQ(carried["sampling"]["guidance"], 4.0);
  EXPECT_EQ(carried["request"]["seed"], 9);
  EXPECT_EQ(carried["request"]["prompt"], "a photo of sks toy");
  EXPECT_FALSE(pixels(made["cells"][0]) == pixels(made["cells"][1]));
  EXPECT_FALSE(pixels(made["cells"][1]) == pixels(made["cells"][3]));
  const auto sheet = image::readPhoto(at("sheet.png"));
  ASSERT_TRUE(sheet);
  EXPECT_GT(sheet->image.width, 2 * 64);
}

TEST_F(Compare, StrengthsOfARunsAdapterGoFromTheBaseToTheRun) {
  ASSERT_EQ(cli(training(photos(),
                         at("run"),
                         3,
                         {"--method", "lora", "--rank", "4", "--learning-rate", "1e-3"}))
                .exitCode,
            0);
  const std::string run = at("run").string();
  const auto strengths = compare(run, "strength=0,1", "seed=5").json()["cells"];
  const auto own = compare(run, "checkpoint=latest", "seed=5").json()["cells"];
  const auto base =
      compare(starter().string(), "prompt=a photo of sks toy;a photo of toy", "seed=5")
          .json()["cells"];
  EXPECT_EQ(pixels(strengths[0]), pixels(base[0]));
  EXPECT_EQ(pixels(strengths[1]), pixels(own[0]));
  EXPECT_FALSE(pixels(strengths[0]) == pixels(strengths[1]));
}

TEST_F(Compare, WhatCannotBeComparedIsASentence) {
  const std::string model = starter().string();
  expectError(compare(model, "guidance=2", "guidance=4"), "bad_usage", 2);
  expectError(compare(model, "guidance=2,x", "seed=1"), "bad_usage", 2);
  expectError(compare(model, "guidance=", "seed=1"), "bad_usage", 2);
  expectError(compare(model, "colour=1", "seed=1"), "bad_usage", 2);
  expectError(compare(model, "guidance=99", "seed=1"), "out_of_range", 2);
  expectError(compare(model, "strength=1", "seed=1"), "bad_combination", 2);
  expectError(compare(at("nowhere").string(), "guidance=2", "seed=1"), "file_not_found", 3);
  EXPECT_FALSE(fs::exists(at("sheet.png")));
}

}  // namespace
}  // namespace likeness::integration
