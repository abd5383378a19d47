// Every bad input that a person may give, each with its sentence, its code and its exit code.
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "core/base/file_system.h"
#include "core/workspace/workspace.h"
#include "tests/integration/scene.h"

namespace likeness::integration {
namespace {

using testing::HasSubstr;

/// The bytes of a safetensors file with this header.
std::string safetensors(const std::string& header, const std::string& data = "") {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i)
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(header.size() >> (8 * i));
  return bytes + header + data;
}

/// CRC-32 as in PNG's specification, bit by bit.
std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

std::string bigEndian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string chunk(const std::string& type, const std::string& data) {
  return bigEndian(static_cast<std::uint32_t>(data.size())) + type + data +
         bigEndian(crc32(type + data));
}

/// A PNG whose header claims this size.
std::string pngOfSize(std::uint32_t width, std::uint32_t height) {
  const std::string size = bigEndian(width) + bigEndian(height);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", size + std::string("\x08\x02\0\0\0", 5)) +
         chunk("IDAT", "no pixels") + chunk("IEND", "");
}

class BadPhoto : public Scene {
 protected:
  /// Trains on two good photos and this one.
  Finished trainWith(const std::string& name, const std::string& bytes) {
    const fs::path folder = photos(2);
    writeText(folder / name, bytes);
    Finished finished = cli(training(folder, at("run"), 2));
    EXPECT_FALSE(fs::exists(at("run/class-images"))) << "minutes of work for nothing";
    EXPECT_FALSE(fs::exists(at("run/run.yaml"))) << "the same command shall do without that photo";
    return finished;
  }
};

TEST_F(BadPhoto, NotAnImage) {
  const Finished finished = trainWith("letter.jpg", "Dear Bo, this is a letter and not a picture.");
  expectError(finished, "not_an_image", 3);
  EXPECT_THAT(finished.err, HasSubstr("letter.jpg"));
}
TEST_F(BadPhoto, ZeroBytes) {
  const Finished finished = trainWith("empty.png", "");
  expectError(finished, "not_an_image", 3);
  EXPECT_THAT(finished.err, HasSubstr("empty.png"));
}
TEST_F(BadPhoto, TruncatedJpeg) {
  writeJpeg(at("whole.jpg"), 1, 200);
  const std::string whole = readText(at("whole.jpg"));
  const Finished finished = trainWith("half.jpg", whole.substr(0, whole.size() / 2));
  expectError(finished, "damaged_image", 3);
  EXPECT_THAT(finished.err, HasSubstr("half.jpg"));
  fs::remove(at("photos/half.jpg"));
  EXPECT_EQ(cli(training(at("photos"), at("run"), 2)).exitCode, 0);
}
TEST_F(BadPhoto, ThirtyThousandPixelsWide) {
  const Finished finished = trainWith("huge.png", pngOfSize(30000, 30000));
  expectError(finished, "image_too_large", 3);
  EXPECT_THAT(finished.err, HasSubstr("30000"));
}

class BadInput : public Scene {};

TEST_F(BadInput, NoPhotos) {
  fs::create_directories(at("empty"));
  expectError(cli(training(at("empty"), at("run"), 2)), "no_photos", 3);
  expectError(cli(training(at("nowhere"), at("run"), 2)), "file_not_found", 3);
}

TEST_F(BadInput, MissingClassWord) {
  const Finished finished =
      cli({"train", "--photos", photos().string(), "--out", at("run").string(), "--json"});
  expectError(finished, "missing_value", 2);
  EXPECT_THAT(finished.err, HasSubstr("--class"));
  EXPECT_EQ(finished.json()["error"]["context"]["key"], "subject.class");
}

TEST_F(BadInput, WhatTrainingNeedsAndARunThatIsNone) {
  const Finished nothing = cli({"train", "--class", "toy", "--json"});
  expectError(nothing, "bad_usage", 2);
  EXPECT_THAT(nothing.err, HasSubstr("--photos"));
  const Finished noRun = cli({"train", "--out", at("none").string(), "--resume", "--json"});
  expectError(noRun, "bad_usage", 2);
  EXPECT_THAT(noRun.err, HasSubstr("holds no run"));
}

TEST_F(BadInput, ConfigurationFiles) {
  struct Case {
    const char* yaml;
    const char* code;
    int exitCode;
    const char* names;
  };
  for (const Case& c : {Case{"training:\n  learningrate: 0.1\n", "unknown_key", 2, "learningRate"},
                        Case{"training:\n  steps: many\n", "wrong_type", 2, "steps"},
                        Case{"training:\n  batchSize: 0\n", "out_of_range", 2, "batchSize"},
                        Case{"training: [steps\n", "file_unreadable", 3, "recipe.yaml"},
                        Case{"schemaVersion: 99\n", "newer_schema", 3, "recipe.yaml"}}) {
    SCOPED_TRACE(c.yaml);
    writeText(at("recipe.yaml"), c.yaml);
    const Finished finished =
        cli(training(photos(), at("run"), 2, {"--config", at("recipe.yaml").string()}));
    expectError(finished, c.code, c.exitCode);
    EXPECT_THAT(finished.err, HasSubstr(c.names));
    EXPECT_EQ(finished.err.find("text editor") != std::string::npos,
              std::string(c.code) == "file_unreadable");
  }
  expectError(cli(training(photos(), at("run"), 2, {"--config", at("none.yaml").string()})),
              "file_not_found",
              3);
}

TEST_F(BadInput, Flags) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"train", "--stepz", "3"},
           {"train", "--steps", "many"},
           {"train", "--method", "magic"},
           {"generate", "--prompt", "x", "--out", "o", "--size", "large"},
           {"export", "run", "--format", "zip", "--out", "o"},
           {"paint"},
           {},
       }) {
    auto withJson = arguments;
    withJson.push_back("--json");
    expectError(cli(withJson), "bad_usage", 2);
  }
  struct Typo {
    std::vector<std::string> arguments;
    const char* advice;
  };
  for (const Typo& typo : {Typo{{"train", "--stepz=3"}, "--steps is meant"},
                           Typo{{"generate", "--promt", "x"}, "--prompt is meant"},
                           Typo{{"genrate"}, "generate is meant"},
                           Typo{{}, "class-images"},
                           Typo{{"inspect", "a", "b"}, "b is one argument too many"}})
    EXPECT_THAT(cli(typo.arguments).err, HasSubstr(typo.advice));
  const Finished range = cli(training(photos(), at("run"), 2, {"--learning-rate", "-1"}));
  expectError(range, "out_of_range", 2);
  EXPECT_THAT(range.err, HasSubstr("(--learning-rate)"));
  expectError(cli(training(photos(), at("run"), 2, {"--resolution", "100"})), "out_of_range", 2);
  expectError(cli({"generate", "--out", at("o").string(), "--json"}), "bad_usage", 2);
  expectError(cli({"generate", "--prompt", "x", "--karras", "--out", at("o").string(), "--json"}),
              "bad_combination",
              2);
}

TEST_F(BadInput, ModelFolders) {
  const auto train = [&](const fs::path& model) {
    return cli(training(photos(), at("run"), 2, {"--base", model.string()}));
  };
  expectError(train(at("nowhere")), "file_not_found", 3);
  fs::create_directories(at("empty"));
  expectError(train(at("empty")), "bad_model_folder", 3);
  const fs::path noUnet = modelCopy("no-unet");
  fs::remove(noUnet / "unet/diffusion_pytorch_model.safetensors");
  EXPECT_EQ(train(noUnet).exitCode, 3);
}

TEST_F(BadInput, AMissingAndAMisshapedTensorAreNamed) {
  const fs::path model = modelCopy();
  const fs::path file = model / "vae/diffusion_pytorch_model.safetensors";
  std::string bytes = readText(file);
  // The same length keeps every offset: one tensor gets another name, one another shape.
  const auto name = bytes.find("decoder.conv_out.bias");
  ASSERT_NE(name, std::string::npos);
  bytes.replace(name, 21, "decoder.conv_oot.bias");
  writeText(file, bytes);
  const Finished missing = cli({"generate",
                                "--model",
                                model.string(),
                                "--prompt",
                                "x",
                                "--out",
                                at("o").string(),
                                "--json"});
  expectError(missing, "model_mismatch", 3);
  EXPECT_THAT(missing.err, HasSubstr("decoder.conv_out.bias"));

  const fs::path other = modelCopy("other");
  std::string text = readText(other / "unet/diffusion_pytorch_model.safetensors");
  const auto key = text.find("\"conv_in.weight\"");
  const auto shape = text.find("\"shape\":[", key) + 9;
  const auto comma = text.find(',', shape);
  const auto next = text.find(',', comma + 1);
  const std::string first = text.substr(shape, comma - shape),
                    second = text.substr(comma + 1, next - comma - 1);
  text.replace(shape, next - shape, second + "," + first);
  writeText(other / "unet/diffusion_pytorch_model.safetensors", text);
  const Finished misshaped = cli({"generate",
                                  "--model",
                                  other.string(),
                                  "--prompt",
                                  "x",
                                  "--out",
                                  at("o").string(),
                                  "--json"});
  expectError(misshaped, "model_mismatch", 3);
  EXPECT_THAT(misshaped.err, HasSubstr("conv_in.weight"));
}

TEST_F(BadInput, HostileSafetensorsHeaders) {
  const std::string huge("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10);
  for (
      const std::string& bytes : {
          std::string("abc"),
          huge,
          safetensors("not json"),
          safetensors(
              R"({"w":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]}})",
              "1234"),
          safetensors(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,999999]}})", "1234"),
          safetensors(R"({"w":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", "1234"),
          safetensors(
              R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
              "123456"),
      }) {
    writeText(at("bad.safetensors"), bytes);
    expectError(cli({"inspect", at("bad.safetensors").string(), "--json"}), "bad_model_file", 3);
    const fs::path model = at("model");
    if (!fs::exists(model)) modelCopy();
    writeText(model / "unet/diffusion_pytorch_model.safetensors", bytes);
    expectError(cli({"generate",
                     "--model",
                     model.string(),
                     "--prompt",
                     "x",
                     "--out",
                     at("o").string(),
                     "--json"}),
                "bad_model_file",
                3);
  }
}

TEST_F(BadInput, AdaptersAndInitialLatents) {
  const auto generate = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"generate",
                                          "--prompt",
                                          "x",
                                          "--steps",
                                          "1",
                                          "--size",
                                          "64",
                                          "--out",
                                          at("o").string(),
                                          "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli(arguments);
  };
  expectError(generate({"--adapter", at("none.safetensors").string()}), "file_not_found", 3);
  writeText(at("other.safetensors"),
            safetensors(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234"));
  expectError(generate({"--adapter", at("other.safetensors").string() + ":0.5"}), "bad_adapter", 3);
  EXPECT_EQ(generate({"--initial-latents", at("other.safetensors").string()}).exitCode, 3);
  expectError(
      generate({"--initial-latents", at("none.safetensors").string()}), "file_not_found", 3);
}

TEST_F(BadInput, RunsThatAreNone) {
  expectError(cli({"export", at("none").string(), "--out", at("o").string(), "--json"}),
              "file_not_found",
              3);
  EXPECT_EQ(cli({"export", starter().string(), "--out", at("o").string(), "--json"}).exitCode, 3);
  expectError(cli({"inspect", at("none").string(), "--json"}), "file_not_found", 3);
}

class Writing : public Scene {};

TEST_F(Writing, AWriteThatFailsWhileSavingIsASentenceAndLeavesNoHalfFile) {
  RunOptions options;
  options.fileSizeLimit =
      1 << 20;  // the weights are larger, so saving them fails as on a full disk
  const Finished finished = cli(training(photos(), at("run"), 2), options);
  expectError(finished, "file_unwritable", 4);
  for (const auto& entry : fs::recursive_directory_iterator(at("run"))) {
    EXPECT_EQ(entry.path().string().find("likeness-tmp"), std::string::npos) << entry.path();
  }
  // With room again the same command continues.
  EXPECT_EQ(cli(training(photos(), at("run"), 2, {"--resume"})).exitCode, 0);
}

TEST_F(Writing, AFolderThatCannotBeWritten) {
  // /sys takes no folders from anybody, not even from root, and /proc has no room at all.
  expectError(
      cli({"generate", "--prompt", "x", "--out", "/sys/likeness", "--json"}), "file_unwritable", 4);
  expectError(cli(training(photos(), "/proc/likeness-run", 2)), "disk_full", 4);
}

TEST_F(Writing, AFileWhereTheFolderShallBe) {
  writeText(at("taken"), "mine");
  for (const Finished& finished :
       {cli(training(photos(), at("taken"), 2)),
        cli({"generate", "--prompt", "x", "--out", at("taken/o").string(), "--json"})}) {
    expectError(finished, "file_unwritable", 4);
    EXPECT_THAT(finished.err, HasSubstr(at("taken").string() + " could not be written"));
    EXPECT_THAT(finished.err, HasSubstr("Choose another name"));
  }
  EXPECT_EQ(readText(at("taken")), "mine");
}

TEST_F(Writing, ARunThatAnotherProgramTrains) {
  fs::create_directories(at("run"));
  const auto lock = base::FileLock::acquire(at("run/run.lock"));
  ASSERT_TRUE(lock);
  const Finished finished = cli(training(photos(), at("run"), 2, {"--resume"}));
  expectError(finished, "project_in_use", 3);
  EXPECT_THAT(finished.err, HasSubstr("process " + std::to_string(getpid())));
  EXPECT_FALSE(fs::exists(at("run/class-images")));
}

class Projects : public Scene {
 protected:
  fs::path makeProject() {
    const auto workspace = workspace::makeWorkspace(starter().parent_path());
    auto project = workspace->createProject(at("toy.likeness"));
    EXPECT_TRUE(project) << api::message(project.error());
    for (const auto& photo : workspace->expandDrop({photos()}).photos)
      project->recipe.photos.push_back(
          {*workspace->importPhoto(*project, photo.file), {}, {}, false});
    project->recipe.subject.classWord = "toy";
    EXPECT_TRUE(workspace->saveProject(*project));
    return project->folder;
  }
  std::vector<std::string> train(const fs::path& project) {
    return {"train",
            project.string(),
            "--steps",
            "2",
            "--resolution",
            "64",
            "--class-images",
            "2",
            "--class-steps",
            "2",
            "--sample-every",
            "-1",
            "--probe-every",
            "-1",
            "--json"};
  }
};

TEST_F(Projects, ARunAppearsInTheProjectAndIsContinuedThere) {
  const fs::path project = makeProject();
  const Finished first = cli(train(project));
  ASSERT_EQ(first.exitCode, 0) << first.err;
  EXPECT_EQ(first.json()["run"], (project / "runs/0001").string());
  auto more = train(project);
  more[3] = "3";
  more.push_back("--resume");
  const Finished second = cli(more);
  ASSERT_EQ(second.exitCode, 0) << second.err;
  EXPECT_EQ(second.json()["run"], (project / "runs/0001").string());
  EXPECT_EQ(second.json()["steps"], 3);
  // The run knows its options, whatever the project's are now.
  const Finished alone = cli({"train", project.string(), "--resume", "--steps", "4", "--json"});
  ASSERT_EQ(alone.exitCode, 0) << alone.err;
  EXPECT_EQ(alone.json()["steps"], 4);
  EXPECT_EQ(cli({"inspect", project.string(), "--json"}).json()["runs"].size(), 1u);
}

TEST_F(Projects, TwoProgramsOnOneProject) {
  const fs::path project = makeProject();
  const auto workspace = workspace::makeWorkspace(starter().parent_path());
  const auto lock = workspace->lockProject(project);
  ASSERT_TRUE(lock);
  const Finished finished = cli(train(project));
  expectError(finished, "project_in_use", 3);
}

TEST_F(Projects, UnwritableAndDamagedProjects) {
  const fs::path project = makeProject();
  // Root may write through any permission, so the place of the runs is taken by a file.
  fs::remove_all(project / "runs");
  writeText(project / "runs", "in the way");
  const Finished unwritable = cli(train(project));
  EXPECT_EQ(unwritable.exitCode, 4) << unwritable.err;
  writeText(project / "project.yaml", "subject: [");
  EXPECT_EQ(cli(train(project)).exitCode, 3);
  expectError(cli(train(at("nowhere.likeness"))), "file_not_found", 3);
}

}  // namespace
}  // namespace likeness::integration
