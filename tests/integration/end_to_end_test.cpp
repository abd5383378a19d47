// The product's story through the real command line: train, stop, continue, generate, export,
// inspect.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

#include "core/image/photo.h"
#include "tests/integration/scene.h"

namespace likeness::integration {
namespace {

using testing::HasSubstr;

class EndToEnd : public Scene {
 protected:
  Finished succeed(const std::vector<std::string>& arguments, const RunOptions& options = {}) {
    Finished finished = cli(arguments, options);
    EXPECT_EQ(finished.exitCode, 0) << finished.err << finished.out;
    return finished;
  }
  /// Trains until `steps` are due and interrupts it once the first step was reported.
  Finished interrupted(const fs::path& run, int signal) {
    RunOptions options;
    bool sent = false;
    options.onError = [&](const std::string& err, int pid) {
      if (sent || err.find("/500") == std::string::npos) return;
      sent = true;
      kill(pid, signal);
    };
    return cli(training(photos(), run, 500), options);
  }
};

TEST_F(EndToEnd, FullTrainingGeneratesExportsAndIsRecognised) {
  const auto trained =
      succeed(training(photos(), at("run"), 4, {"--checkpoint-every", "2"})).json();
  EXPECT_EQ(trained["outcome"], "completed");
  EXPECT_EQ(trained["steps"], 4);
  for (const char* figure :
       {"step_s_median", "total_s", "first_step_s", "loss_subject", "loss_class"}) {
    ASSERT_TRUE(trained.contains(figure)) << figure;
    EXPECT_GT(trained[figure].get<double>(), 0) << figure;
  }
  EXPECT_GT(trained["peak_rss_mib"].get<int>(), 50);
  EXPECT_EQ(trained["run"], at("run").string());

  const auto pictures = succeed({"generate",
                                 "--model",
                                 at("run").string(),
                                 "--prompt",
                                 "a photo of {subject} on grass",
                                 "--steps",
                                 "3",
                                 "--count",
                                 "2",
                                 "--seed",
                                 "5",
                                 "--size",
                                 "64x64",
                                 "--grid",
                                 "--out",
                                 at("pictures").string(),
                                 "--json"})
                            .json();
  for (const char* figure : {"load_s", "generate_s", "per_image_s", "peak_rss_mib", "files"})
    EXPECT_TRUE(pictures.contains(figure)) << figure;
  ASSERT_GE(pictures["files"].size(), 2u);
  const std::string first = pictures["files"][0];
  EXPECT_TRUE(fs::exists(first));

  const auto picture = succeed({"inspect", first, "--json"}).json();
  EXPECT_EQ(picture["kind"], "picture");
  EXPECT_THAT(picture.dump(), HasSubstr("a photo of sks toy on grass"));

  const auto exported = succeed({"export",
                                 at("run").string(),
                                 "--format",
                                 "diffusers",
                                 "--dtype",
                                 "fp32",
                                 "--out",
                                 at("model").string(),
                                 "--json"})
                            .json();
  EXPECT_LE(exported["max_difference"].get<int>(), 1);
  EXPECT_TRUE(fs::exists(at("model") / "model_index.json"));
  EXPECT_EQ(succeed({"inspect", at("model").string(), "--json"}).json()["problems"].size(), 0u);
  expectError(cli({"export", at("run").string(), "--out", at("model").string(), "--json"}),
              "file_unwritable",
              4);
  expectError(cli({"export",
                   at("run").string(),
                   "--format",
                   "kohya-lora",
                   "--out",
                   at("x.safetensors").string(),
                   "--json"}),
              "bad_combination",
              2);
  // What the refusal names: a LoRA of what the run learned.
  const std::string lora = at("x.safetensors").string();
  const auto extracted =
      succeed({"extract", starter().string(), at("run").string(), "--out", lora, "--json"}).json();
  EXPECT_GT(extracted["modules"].get<int>(), 100);
  EXPECT_GT(extracted["kept"].get<double>(), 0.5);
  EXPECT_LT(extracted["difference"].get<double>(), 0.01);
  EXPECT_THAT(succeed({"inspect", lora}).out, HasSubstr("LoRA (kohya)"));
  // All of what was learned, on the model that it was learned from, is the run.
  EXPECT_THAT(succeed({"merge",
                       starter().string(),
                       at("run").string(),
                       starter().string(),
                       "--method",
                       "add-difference",
                       "--ratio",
                       "1",
                       "--form",
                       "diffusers",
                       "--out",
                       at("merged").string()})
                  .out,
              HasSubstr("Merged into"));
  EXPECT_EQ(succeed({"inspect", at("merged").string(), "--json"}).json()["problems"].size(), 0u);
  expectError(cli({"merge",
                   starter().string(),
                   at("run").string(),
                   "--ratio",
                   "2",
                   "--out",
                   lora,
                   "--json"}),
              "out_of_range",
              2);

  const auto run = succeed({"inspect", at("run").string(), "--json"}).json();
  EXPECT_THAT(run["kind"].get<std::string>(), HasSubstr("run"));
  EXPECT_TRUE(succeed({"generate",
                       "--model",
                       at("run").string(),
                       "--checkpoint",
                       "2",
                       "--prompt",
                       "sks toy",
                       "--steps",
                       "2",
                       "--size",
                       "64",
                       "--out",
                       at("pictures2").string(),
                       "--json"})
                  .json()
                  .contains("files"));
  expectError(cli(training(photos(), at("run"), 4)), "run_exists", 2);
}

TEST_F(EndToEnd, ALoraRunMergesExportsAndConvertsAndLoadsAsAdapter) {
  succeed(training(
      photos(), at("run"), 3, {"--method", "lora", "--rank", "4", "--learning-rate", "1e-3"}));
  const auto merged = succeed({"export",
                               at("run").string(),
                               "--format",
                               "diffusers",
                               "--dtype",
                               "fp32",
                               "--out",
                               at("model").string(),
                               "--json"})
                          .json();
  EXPECT_LE(merged["max_difference"].get<int>(), 2);
  const auto kohya = succeed({"export",
                              at("run").string(),
                              "--format",
                              "kohya-lora",
                              "--dtype",
                              "fp32",
                              "--out",
                              at("toy.safetensors").string(),
                              "--json"})
                         .json();
  EXPECT_LE(kohya["max_difference"].get<int>(), 1);
  EXPECT_THAT(succeed({"inspect", at("toy.safetensors").string()}).out, HasSubstr("LoRA"));

  const auto generate =
      [&](const std::string& model, const std::string& out, std::vector<std::string> more) {
        std::vector<std::string> arguments = {"generate",
                                              "--model",
                                              model,
                                              "--prompt",
                                              "a photo of sks toy",
                                              "--steps",
                                              "3",
                                              "--size",
                                              "64",
                                              "--dtype",
                                              "fp32",
                                              "--out",
                                              at(out).string(),
                                              "--json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return std::string(succeed(arguments).json()["files"][0]);
      };
  const auto pixels = [](const std::string& file) { return image::readPhoto(file).value().image; };
  const auto base = pixels(generate(starter().string(), "base", {}));
  const std::string adapter = at("toy.safetensors").string();
  const auto adapted = pixels(generate(starter().string(), "adapted", {"--adapter", adapter}));
  const auto off = pixels(generate(starter().string(), "off", {"--adapter", adapter + ":0"}));
  const auto run = pixels(generate(at("run").string(), "from-run", {}));
  EXPECT_EQ(off, base);
  EXPECT_FALSE(adapted == base);
  EXPECT_EQ(adapted, run);

  const std::string peft = at("peft.safetensors").string(), back = at("back.safetensors").string();
  const auto exported = succeed({"export",
                                 at("run").string(),
                                 "--format",
                                 "peft-lora",
                                 "--dtype",
                                 "fp32",
                                 "--out",
                                 peft,
                                 "--json"})
                            .json();
  EXPECT_LE(exported["max_difference"].get<int>(), 1);
  EXPECT_THAT(succeed({"inspect", peft}).out, HasSubstr("LoRA (PEFT)"));
  const auto converted =
      succeed({"convert", peft, "--form", "kohya-lora", "--out", back, "--json"}).json();
  EXPECT_GT(converted["modules"].get<int>(), 0);
  EXPECT_LT(converted["difference"].get<double>(), 1e-6);
  // Two at once, live: the halves make the whole.
  const auto halves = pixels(generate(
      starter().string(), "halves", {"--adapter", peft + ":0.5", "--adapter", back + ":0.5"}));
  EXPECT_EQ(halves.width, adapted.width);
  int largest = 0;
  for (std::size_t i = 0; i < halves.bytes->size(); ++i)
    largest = std::max(largest, std::abs(int{(*halves.bytes)[i]} - int{(*adapted.bytes)[i]}));
  EXPECT_LE(largest, 2);
}

TEST_F(EndToEnd, InterruptKeepsACheckpointAndResumeContinuesFromTheRunAlone) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const fs::path run = at("run" + std::to_string(signal));
    const Finished stopped = interrupted(run, signal);
    EXPECT_EQ(stopped.exitCode, 130) << stopped.err;
    const auto json = stopped.json();
    EXPECT_EQ(json["outcome"], "stopped");
    const int steps = json["steps"];
    EXPECT_GE(steps, 1);
    EXPECT_LT(steps, 500);
    const auto resumed = succeed({"train",
                                  "--out",
                                  run.string(),
                                  "--resume",
                                  "--steps",
                                  std::to_string(steps + 2),
                                  "--json"})
                             .json();
    EXPECT_EQ(resumed["outcome"], "completed");
    EXPECT_EQ(resumed["steps"], steps + 2);
  }
}

TEST_F(EndToEnd, ASecondInterruptEndsAtOnce) {
  RunOptions options;
  int sent = 0;
  options.onError = [&](const std::string& err, int pid) {
    const char* awaited = sent == 0 ? "Making pictures" : "Press Ctrl-C again";
    if (sent == 2 || err.find(awaited) == std::string::npos) return;
    ++sent;
    kill(pid, SIGINT);
  };
  // A sampler step of this size takes far longer than the way of a signal.
  const Finished finished = cli({"generate",
                                 "--prompt",
                                 "a toy",
                                 "--size",
                                 "512",
                                 "--threads",
                                 "1",
                                 "--out",
                                 at("pictures").string(),
                                 "--json"},
                                options);
  EXPECT_EQ(sent, 2);
  EXPECT_EQ(finished.exitCode, 128 + SIGINT);
  EXPECT_EQ(finished.out, "") << "it was to end by the signal";
}

TEST_F(EndToEnd, StoppedWhilePhotosArePreparedNoRunHasBegun) {
  RunOptions options;
  bool sent = false;
  options.onError = [&](const std::string& err, int pid) {
    if (sent || err.find("Preparing photos") == std::string::npos) return;
    sent = true;
    kill(pid, SIGINT);
  };
  auto arguments = training(photos(40), at("run"), 1, {"--resolution", "256"});
  std::erase(arguments, "--json");  // for the sentence
  const Finished stopped = cli(arguments, options);
  EXPECT_EQ(stopped.exitCode, 130) << stopped.err;
  EXPECT_THAT(stopped.out, HasSubstr("same command again"));
  EXPECT_FALSE(fs::exists(at("run/run.yaml")));
}

TEST_F(EndToEnd, ResumeOnNothingBeginsAndOfAFinishedRunSaysSo) {
  const auto arguments = training(photos(), at("run"), 2, {"--resume"});
  EXPECT_EQ(succeed(arguments).json()["steps"], 2);
  EXPECT_THAT(succeed({"train", "--out", at("run").string(), "--resume"}).out,
              HasSubstr("Nothing was left to do"));
  const Finished other =
      cli(training(photos(), at("run"), 2, {"--resume", "--learning-rate", "0.1"}));
  expectError(other, "run_incompatible", 3);
  EXPECT_THAT(other.err, HasSubstr("--learning-rate"));
  EXPECT_THAT(other.err, HasSubstr("run.yaml"));
}

TEST_F(EndToEnd, PhotosMayBeNamedOneByOne) {
  const fs::path folder = photos(3);
  auto arguments = training(folder / "photo0.png", at("run"), 1);
  const auto place = std::ranges::find(arguments, "--photos") + 2;
  arguments.insert(place, {(folder / "photo1.png").string(), (folder / "photo2.png").string()});
  EXPECT_THAT(succeed(arguments).err, HasSubstr("3/3"));
}

TEST_F(EndToEnd, ClassPicturesAreCompletedAndReused) {
  const auto make = [&](int count) {
    return succeed({"class-images",
                    "--base",
                    starter().string(),
                    "--class",
                    "toy",
                    "--count",
                    std::to_string(count),
                    "--resolution",
                    "64",
                    "--steps",
                    "2",
                    "--seed",
                    "3",
                    "--out",
                    at("class").string(),
                    "--json"})
        .json();
  };
  const auto first = make(2);
  EXPECT_EQ(first["made"], 2);
  const auto again = make(3);
  EXPECT_EQ(again["made"], 1);
  EXPECT_EQ(again["folder"], first["folder"]);
  EXPECT_EQ(again["files"].size(), 3u);
  EXPECT_EQ(make(3)["made"], 0);
}

TEST_F(EndToEnd, FlagsWinOverTheConfigurationFile) {
  writeText(at("recipe.yaml"), "training:\n  steps: 7\n  learningRate: 0.0002\nlora:\n  rank: 3\n");
  const auto printed = succeed({"train",
                                "--class",
                                "toy",
                                "--config",
                                at("recipe.yaml").string(),
                                "--steps",
                                "9",
                                "--print-config"});
  EXPECT_THAT(printed.out, HasSubstr("steps: 9"));
  EXPECT_THAT(printed.out, HasSubstr("rank: 3"));
  writeText(at("printed.yaml"), printed.out);
  EXPECT_EQ(succeed({"train", "--config", at("printed.yaml").string(), "--print-config"}).out,
            printed.out);
}

TEST_F(EndToEnd, OnePhotoIsEnough) {
  photos(1, "album");
  const Finished finished = cli(training(at("album"), at("run"), 1));
  EXPECT_EQ(finished.exitCode, 0) << finished.err;
}

TEST_F(EndToEnd, APhotoThatVanishesDuringTheRunDoesNotEndIt) {
  const fs::path folder = photos();
  RunOptions options;
  options.onError = [&](const std::string& err, int) {
    if (err.find("/12") != std::string::npos) fs::remove(folder / "photo1.png");
  };
  const Finished finished = succeed(training(folder, at("run"), 12), options);
  EXPECT_THAT(finished.err, HasSubstr("photo1.png"));
  EXPECT_EQ(finished.json()["steps"], 12);
}

TEST_F(EndToEnd, WordsThatTheModelTakesOtherwiseAreNoted) {
  std::string tooLong = "a photo of {subject}";
  for (int i = 0; i < 90; ++i) tooLong += " toy";
  const Finished trained = succeed(
      training(photos(), at("run"), 1, {"--token", "qwzxjkv", "--subject-prompt", tooLong}));
  EXPECT_THAT(trained.err, HasSubstr("qwzxjkv"));
  EXPECT_THAT(trained.err, HasSubstr("75"));
  const Finished generated = succeed({"generate",
                                      "--model",
                                      starter().string(),
                                      "--prompt",
                                      tooLong,
                                      "--prompt-syntax",
                                      "plain",
                                      "--steps",
                                      "1",
                                      "--size",
                                      "64",
                                      "--out",
                                      at("pictures").string()});
  EXPECT_THAT(generated.err, HasSubstr("75"));
}

TEST_F(EndToEnd, AFileOfPromptsMakesEachItsPictures) {
  const fs::path file = at("prompts.txt");
  writeText(file, "# scenes\r\na {red|blue} toy\r\n\r\na (toy:1.2) BREAK in the sea\r\n");
  const auto make = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"generate",
                                       "--prompts",
                                       file.string(),
                                       "--count",
                                       "2",
                                       "--seed",
                                       "7",
                                       "--steps",
                                       "1",
                                       "--size",
                                       "64",
                                       "--out",
                                       at("pictures").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return succeed(arguments);
  };
  const auto pictures = make({"--json"}).json();
  ASSERT_EQ(pictures["files"].size(), 4u);
  EXPECT_EQ(pictures["prompt_limit"], 150);
  const auto carried = [&](int i) {
    return succeed({"inspect", pictures["files"][i].get<std::string>(), "--json"}).json();
  };
  EXPECT_EQ(carried(1)["request"]["promptTemplate"], "a {red|blue} toy");
  EXPECT_THAT(carried(1)["request"]["prompt"].get<std::string>(),
              testing::AnyOf("a red toy", "a blue toy"));
  EXPECT_EQ(carried(2)["request"]["prompt"], "a (toy:1.2) BREAK in the sea");
  EXPECT_EQ(carried(2)["request"]["seed"], 9);
  EXPECT_THAT(make({}).out, HasSubstr("longest prompt 78/150 tokens"));

  for (const std::vector<std::string>& both :
       std::vector<std::vector<std::string>>{{}, {"--prompt", "x", "--prompts", file.string()}}) {
    std::vector<std::string> arguments{"generate", "--out", at("o").string(), "--json"};
    arguments.insert(arguments.end(), both.begin(), both.end());
    expectError(cli(arguments), "bad_usage", 2);
  }
  writeText(file, "# nothing\n");
  expectError(cli({"generate", "--prompts", file.string(), "--out", at("o").string(), "--json"}),
              "file_unreadable",
              3);
}

TEST_F(EndToEnd, ThingsToReadWithoutTheEngine) {
  RunOptions noEngine;
  noEngine.environment = {"LIKENESS_ENGINE=/nowhere/engine.so"};
  EXPECT_THAT(succeed({"--help"}, noEngine).out, HasSubstr("Exit codes"));
  EXPECT_THAT(succeed({"train", "--help"}, noEngine).out, HasSubstr("--passes-per-photo"));
  EXPECT_THAT(succeed({"--version"}, noEngine).out, HasSubstr("likeness-cli "));
  EXPECT_THAT(succeed({"inspect", starter().string()}, noEngine).out,
              HasSubstr("Stable Diffusion"));
  expectError(cli({"devices", "--json"}, noEngine), "engine_missing", 4);
  const auto devices = succeed({"devices", "--json"}).json();
  EXPECT_EQ(devices["devices"][0]["id"], "cpu");
}

}  // namespace
}  // namespace likeness::integration
