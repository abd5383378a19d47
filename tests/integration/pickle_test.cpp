// Old checkpoints through the real command line: everything that takes a model takes them, and
// nothing in them runs.
#include <gmock/gmock.h>

#include "core/image/photo.h"
#include "core/weights/safetensors.h"
#include "tests/integration/scene.h"
#include "tests/support/checkpoints.h"
#include "tests/support/pickles.h"

namespace likeness::integration {
namespace {

namespace p = support::pickles;
using testing::HasSubstr;

class OldCheckpoint : public Scene {
 protected:
  OldCheckpoint() { m_options.environment = {"XDG_CACHE_HOME=" + at("cache").string()}; }

  /// A narrow Stable Diffusion 1 with CLIP's vocabulary and small weights: as .safetensors, and the
  /// same as .ckpt.
  void writeModels() const {
    auto model = support::checkpoint(weights::Family::StableDiffusion1, 10);
    model.configs.text.vocabSize = 49408;
    std::vector<weights::TensorSource> all;
    for (const auto& [kind, map] : model.maps()) {
      std::vector<weights::TensorSource> tame;
      for (const auto& tensor : map)
        tame.push_back({tensor.key, weights::ScalarType::F16, tensor.shape, [tensor](auto& sink) {
                          auto bytes = support::madeUpBytes(tensor.key, tensor.shape);
                          // fp16 between 1/64 and 1/32, of either sign
                          for (std::size_t i = 1; i < bytes.size(); i += 2)
                            bytes[i] = (bytes[i] & std::byte{0x83}) | std::byte{0x24};
                          return sink(bytes);
                        }});
      for (auto& source : toFileLayout(map, std::move(tame))) all.push_back(std::move(source));
    }
    ASSERT_TRUE(weights::writeSafetensors(at("new.safetensors"), std::move(all), {}));
    p::writeAsPickle(at("new.safetensors"), at("old.ckpt"));
  }
  Finished run(const std::vector<std::string>& arguments) const {
    return cli(arguments, m_options);
  }
  Finished succeed(const std::vector<std::string>& arguments) const {
    Finished finished = run(arguments);
    EXPECT_EQ(finished.exitCode, 0) << finished.err << finished.out;
    return finished;
  }

  RunOptions m_options;
};

TEST_F(OldCheckpoint, IsAModelLikeAnyOther) {
  writeModels();
  const auto report = succeed({"inspect", at("old.ckpt").string(), "--json"}).json();
  EXPECT_EQ(report["kind"], "checkpoint in one file");
  EXPECT_THAT(report["family"].get<std::string>(), HasSubstr("Stable Diffusion 1"));
  EXPECT_TRUE(report["problems"].empty()) << report["problems"];

  const auto picture = [&](const char* model) {
    succeed({"generate",
             "--model",
             at(model).string(),
             "--prompt",
             "a photo of a dog",
             "--steps",
             "2",
             "--size",
             "64",
             "--seed",
             "3",
             "--out",
             at(std::string(model) + ".pictures").string(),
             "--json"});
    for (const auto& entry : fs::directory_iterator(at(std::string(model) + ".pictures")))
      if (entry.path().extension() == ".png") return image::readPhoto(entry.path())->image;
    return api::Image{};
  };
  const api::Image now = picture("new.safetensors"), before = picture("old.ckpt");
  ASSERT_GT(now.width, 0);
  EXPECT_EQ(*now.bytes, *before.bytes);

  auto arguments = training(photos(), at("run"), 2, {"--base", at("old.ckpt").string()});
  EXPECT_EQ(succeed(arguments).json()["steps"], 2);

  succeed({"convert", at("old.ckpt").string(), "--out", at("again.safetensors").string()});
  const auto converted = weights::SafetensorsFile::open(at("again.safetensors"));
  const auto original = weights::SafetensorsFile::open(at("new.safetensors"));
  ASSERT_TRUE(converted && original);
  for (const auto& [name, info] : original->tensors()) {
    const auto same = converted->tensors().find(name);
    ASSERT_NE(same, converted->tensors().end()) << name;
    std::vector<std::byte> expected(info.end - info.begin), bytes(expected.size());
    ASSERT_TRUE(original->read(info, expected));
    ASSERT_TRUE(converted->read(same->second, bytes));
    EXPECT_EQ(bytes, expected) << name;
  }
  // One copy served them all.
  std::size_t copies = 0;
  for (const auto& entry : fs::directory_iterator(at("cache/likeness/weights")))
    copies += entry.path().extension() == ".safetensors";
  EXPECT_EQ(copies, 1u);
}

TEST_F(OldCheckpoint, ThatAsksToRunAProgramIsRefusedBySentence) {
  writeText(
      at("evil.ckpt"),
      p::file(p::program(p::call(p::global("os", "system"), {p::text("touch was-here")})), {}));
  const std::vector<std::string> model{at("evil.ckpt").string(), "--json"};
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"inspect"},
        {"convert", "--out", at("o.safetensors").string()},
        {"generate", "--prompt", "x", "--out", at("o").string(), "--model"}}) {
    arguments.insert(arguments.end(), model.begin(), model.end());
    const Finished finished = run(arguments);
    expectError(finished, "unsafe_file", 3);
    EXPECT_THAT(finished.err, HasSubstr("asks to run os.system. Nothing in it was run."));
    EXPECT_EQ(finished.json()["error"]["context"]["function"], "os.system");
  }
  EXPECT_FALSE(fs::exists(at("was-here")));
  EXPECT_FALSE(fs::exists("was-here"));
}

TEST_F(OldCheckpoint, ThatIsDamagedOrHasNoRoomIsASentence) {
  writeModels();
  const std::string whole = readText(at("old.ckpt"));
  writeText(at("cut.ckpt"), whole.substr(0, whole.size() / 2));
  const Finished cut = run({"inspect", at("cut.ckpt").string(), "--json"});
  expectError(cut, "bad_model_file", 3);
  EXPECT_THAT(cut.err, HasSubstr("cut.ckpt"));
  RunOptions small = m_options;
  small.fileSizeLimit = 1 << 20;
  expectError(cli({"inspect", at("old.ckpt").string(), "--json"}, small), "file_unwritable", 4);
  // The folder of the cache is taken by a file.
  fs::remove_all(at("cache"));
  writeText(at("cache"), "in the way");
  expectError(run({"inspect", at("old.ckpt").string(), "--json"}), "file_unwritable", 4);
}

}  // namespace
}  // namespace likeness::integration
