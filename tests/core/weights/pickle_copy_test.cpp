// The confined process and the cache: what comes back, what is kept, and what ends it.
#include "core/weights/pickle_copy.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <thread>

#include "core/weights/stored_model.h"
#include "tests/support/checkpoints.h"
#include "tests/support/faulty_files.h"
#include "tests/support/pickles.h"
#include "tests/support/temp_folder.h"

namespace likeness::weights {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;
namespace p = support::pickles;
using testing::HasSubstr;

const fs::path goldens = LIKENESS_GOLDEN_DIR "/pickles";

/// Everything of a file under its name.
std::map<std::string, std::string> bytesOf(const SafetensorsFile& file) {
  std::map<std::string, std::string> all;
  for (const auto& [name, info] : file.tensors()) {
    std::string bytes(info.end - info.begin, '\0');
    EXPECT_TRUE(file.read(info, std::as_writable_bytes(std::span(bytes))));
    all[name + " " + std::string(weights::name(info.dtype))] = bytes;
  }
  return all;
}

/// With a cache of its own.
class PickleCopy : public testing::Test {
 protected:
  PickleCopy() {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) m_before = before;
    setenv("XDG_CACHE_HOME", (m_folder / "cache").c_str(), 1);
  }
  ~PickleCopy() override {
    m_before.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", m_before.c_str(), 1);
  }
  fs::path put(const std::string& name, const std::string& bytes) const {
    return support::put(m_folder / name, bytes);
  }
  fs::path golden(const std::string& name) const {
    fs::copy_file(goldens / name, m_folder / name);
    return m_folder / name;
  }
  std::vector<std::string> cached() const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(m_folder / "cache/likeness/weights", none))
      if (entry.path().filename() != "lock") names.push_back(entry.path().extension());
    std::ranges::sort(names);
    return names;
  }
  /// Nothing unfinished or wrong stays behind a refusal.
  std::string refusal(const fs::path& file, const PickleLimits& limits = {}) const {
    const auto before = cached();
    const auto copy = safeCopyOf(file, limits);
    EXPECT_FALSE(copy);
    EXPECT_EQ(cached(), before);
    return copy ? "" : api::message(copy.error());
  }
  /// A file of the older form, which ends with its storages: a hole stands for the one of `view`.
  fs::path withHole(const p::View& view) const {
    const auto count = static_cast<std::uint64_t>(view.count);
    std::string bytes = p::legacyFile(p::dict({{"w", p::tensor(view)}}), {{"0", ""}});
    bytes.replace(bytes.size() - 8, 8, reinterpret_cast<const char*>(&count), 8);
    const fs::path file = put("hole.pt", bytes);
    fs::resize_file(file, bytes.size() + 4 * count);
    return file;
  }
  /// A narrow Stable Diffusion 1 as .safetensors.
  fs::path checkpoint(const std::string& name = "model.safetensors") const {
    support::writeSingleFile(m_folder / name, support::checkpoint(Family::StableDiffusion1, 10));
    return m_folder / name;
  }

  support::TempFolder m_folder;

 private:
  std::string m_before;
};

const std::vector<std::string> oneCopy{".safetensors", ".source"};

TEST_F(PickleCopy, HoldsTheTensorsBitByBit) {
  for (const std::string name : {"zip", "zip_legacy", "lightning", "embedding_webui"}) {
    const auto opened = openWeights(golden(name + ".pt"));
    ASSERT_TRUE(opened) << api::message(opened.error());
    const auto expected = SafetensorsFile::open(
        goldens / ((name.starts_with("zip") ? "zip" : name) + ".safetensors"));
    EXPECT_EQ(bytesOf(*opened), bytesOf(*expected));
    EXPECT_EQ(opened->path(), m_folder / (name + ".pt")) << "what people know it as";
  }
  EXPECT_EQ(openWeights(m_folder / "embedding_webui.pt")->metadata().at("name"), "bo");
}

TEST_F(PickleCopy, AFileIsWhatItBeginsLike) {
  golden("zip.pt");
  fs::rename(m_folder / "zip.pt", m_folder / "wrongly.safetensors");
  EXPECT_TRUE(openWeights(m_folder / "wrongly.safetensors"));
  fs::copy_file(goldens / "zip.safetensors", m_folder / "wrongly.ckpt");
  EXPECT_FALSE(isPickle(m_folder / "wrongly.ckpt"));
  EXPECT_TRUE(openWeights(m_folder / "wrongly.ckpt"));
  EXPECT_THAT(refusal(put("text.ckpt", "no weights here")), HasSubstr("PyTorch wrote"));
  EXPECT_THAT(refusal(put("empty.BIN", "")), HasSubstr("PyTorch wrote"));
  EXPECT_EQ(openWeights(put("text.dat", "no weights here")).error().code,
            api::ErrorCode::BadModelFile);
  EXPECT_EQ(openWeights(m_folder / "none.ckpt").error().code, api::ErrorCode::FileNotFound);
  EXPECT_EQ(safeCopyOf(m_folder / "none.ckpt").error().code, api::ErrorCode::FileNotFound);
  EXPECT_EQ(safeCopyOf(m_folder.path()).error().code, api::ErrorCode::FileUnreadable);
}

TEST_F(PickleCopy, IsMadeOnceAndAgainWhenTheFileChanges) {
  const fs::path file = golden("zip.pt");
  const fs::path first = safeCopyOf(file).value();
  const auto time = fs::last_write_time(first);
  EXPECT_EQ(safeCopyOf(file).value(), first);
  EXPECT_EQ(safeCopyOf(m_folder / "." / "zip.pt").value(), first);
  EXPECT_EQ(fs::last_write_time(first), time);
  EXPECT_EQ(cached(), oneCopy);
  support::put(file, support::content(goldens / "lightning.pt"));
  const fs::path second = safeCopyOf(file).value();
  EXPECT_NE(second, first);
  EXPECT_EQ(SafetensorsFile::open(second)->tensors().size(), 2u);
  EXPECT_EQ(cached(), oneCopy) << "the old one is of no use";
}

TEST_F(PickleCopy, CopiesOfFilesThatAreGoneAreRemoved) {
  ASSERT_TRUE(safeCopyOf(golden("zip.pt")));
  ASSERT_TRUE(safeCopyOf(golden("lightning.pt")));
  EXPECT_EQ(cached().size(), 4u);
  fs::remove(m_folder / "zip.pt");
  ASSERT_TRUE(safeCopyOf(golden("state_dict.pt")));
  EXPECT_EQ(cached().size(), 4u);
  // What has no note was interrupted.
  const fs::path copy = safeCopyOf(m_folder / "lightning.pt").value();
  fs::remove(fs::path(copy).replace_extension(".source"));
  support::put(copy, "half");
  EXPECT_EQ(safeCopyOf(m_folder / "lightning.pt").value(), copy);
  EXPECT_TRUE(SafetensorsFile::open(copy));
}

TEST_F(PickleCopy, SeveralThatWantItWaitForOne) {
  const fs::path file = golden("zip.pt");
  std::vector<std::thread> threads;
  std::array<bool, 6> fine{};
  for (bool& one : fine) threads.emplace_back([&] { one = openWeights(file).has_value(); });
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(fine, testing::Each(true));
  EXPECT_EQ(cached(), oneCopy);
}

TEST_F(PickleCopy, EveryWriteMayFail) {
  const fs::path file = golden("zip.pt");
  int calls = 0;
  {
    const support::FaultyFiles counting(-1);
    ASSERT_TRUE(safeCopyOf(file));
    calls = counting.calls();
  }
  int failures = 0;
  for (int call = 0; call < calls; ++call) {
    SCOPED_TRACE(call);
    fs::remove_all(m_folder / "cache");
    {
      const support::FaultyFiles faulty(call, ENOSPC);
      const auto copy = safeCopyOf(file);
      failures += !copy;
      if (!copy) {
        EXPECT_EQ(copy.error().code, api::ErrorCode::DiskFull);
      }
    }
    EXPECT_TRUE(openWeights(file)) << "what is left does not hinder the next time";
    EXPECT_EQ(cached(), oneCopy);
  }
  EXPECT_GT(failures, 10);
}

TEST_F(PickleCopy, WithoutAPlaceForItThereIsASentence) {
  const fs::path file = golden("zip.pt");
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "";
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  const auto copy = safeCopyOf(file);
  setenv("HOME", home.c_str(), 1);
  ASSERT_FALSE(copy);
  EXPECT_THAT(api::message(copy.error()), HasSubstr("there is no folder for it"));
}

TEST_F(PickleCopy, APickleThatAsksToRunSomethingIsNamedAndLeftAlone) {
  const fs::path file = golden("refused_system.pt");
  EXPECT_EQ(refusal(file),
            file.string() +
                " is more than weights: it asks to run posix.system. Nothing in it was "
                "run.");
  EXPECT_EQ(safeCopyOf(file).error().code, api::ErrorCode::UnsafeFile);
  EXPECT_FALSE(fs::exists("likeness-was-here"));
  EXPECT_FALSE(fs::exists(m_folder / "likeness-was-here"));
  // The name may hold what would move a terminal's cursor.
  EXPECT_THAT(
      refusal(put("escape.pt", p::file(p::program(p::global("os", "sys\x1b[2Jtem\xff")), {}))),
      HasSubstr("os.sys?[2Jtem"));
}

TEST_F(PickleCopy, FilesCutShort) {
  const std::string whole = support::content(goldens / "zip.pt");
  for (const std::size_t bytes : {1u, 20u, 1000u, 7000u})
    EXPECT_THAT(refusal(put("cut.pt", whole.substr(0, bytes))), HasSubstr("cannot be used"));
}

TEST_F(PickleCopy, AFileFarLargerThanItsReaderMayBe) {
  // 200 MiB of zeros that take no disk, in a reader that may have 64.
  const p::View view{.count = 50 << 20, .shape = {50 << 20}, .strides = {1}};
  const fs::path file = withHole(view);
  const auto copy = safeCopyOf(file, {.mebibytes = 64});
  ASSERT_TRUE(copy) << api::message(copy.error());
  EXPECT_EQ(SafetensorsFile::open(*copy)->tensors().at("w").end, 200u << 20);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(PickleCopy, MoreMemoryThanAllowedIsRefused) {
  std::string code = "]";
  for (int i = 0; i < 600'000; ++i) code += "N\x94";
  const fs::path file = put("greedy.pt", p::file(p::program(code), {}));
  EXPECT_THAT(refusal(file, {.mebibytes = 40}), HasSubstr("needs too much memory"));
  EXPECT_THAT(refusal(file), HasSubstr("too large")) << "the machine's own limit";
}
#endif

TEST_F(PickleCopy, AReaderThatNeverEndsIsEnded) {
  // Twenty dimensions that jump 5 MiB each: a million elements, each read in a piece of its own.
  const p::View view{.count = 26 << 20,
                     .shape = std::vector<std::int64_t>(20, 2),
                     .strides = std::vector<std::int64_t>(20, 5 << 18)};
  EXPECT_THAT(refusal(withHole(view), {.seconds = 1}), HasSubstr("takes too long"));
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(PickleCopy, TheReaderHasNoRights) {
  // It waits with more than fits into a pipe.
  const std::string data(1 << 20, 'x');
  const fs::path file =
      put("wait.pt",
          p::file(p::program(p::dict(
                      {{"w", p::tensor({.count = 1 << 18, .shape = {1 << 18}, .strides = {1}})}})),
                  {{"0", data}}));
  const fs::path program =
      fs::read_symlink("/proc/self/exe").parent_path() / "likeness-pickle-reader";
  std::array<int, 2> out{};
  ASSERT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, file.c_str(), O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string name = "reader", seconds = "60", mebibytes = "512";
  std::array<char*, 4> arguments{name.data(), seconds.data(), mebibytes.data(), nullptr};
  pid_t reader = 0;
  ASSERT_EQ(::posix_spawn(&reader, program.c_str(), &actions, nullptr, arguments.data(), environ),
            0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  char first = 0;
  EXPECT_EQ(::read(out[0], &first, 1), 1);  // rights were given up before
  const std::string place = "/proc/" + std::to_string(reader);
  const std::string status = support::content(place + "/status");
  const std::string limits = support::content(place + "/limits");
  ::kill(reader, SIGKILL);
  ::waitpid(reader, nullptr, 0);
  ::close(out[0]);
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(limits, testing::ContainsRegex("Max file size +0 +0"));
  EXPECT_THAT(limits, testing::ContainsRegex("Max open files +8 +8"));
  EXPECT_THAT(limits, testing::ContainsRegex("Max cpu time +60 +61"));
  EXPECT_THAT(limits, testing::ContainsRegex("Max address space +536870912 +536870912"));
}
#endif

TEST_F(PickleCopy, ACheckpointIsOpenedAsAModel) {
  const fs::path safetensors = checkpoint(), pickle = m_folder / "model.ckpt";
  p::writeAsPickle(safetensors, pickle);
  const auto model = openModel({.path = pickle});
  ASSERT_TRUE(model) << api::message(model.error());
  const auto same = openModel({.path = safetensors});
  EXPECT_THAT(model->problems(), testing::IsEmpty());
  EXPECT_EQ(model->path, pickle);
  EXPECT_EQ(model->networks.at(NetworkKind::UNet).files, std::vector{pickle});
  EXPECT_EQ(model->networks.at(NetworkKind::UNet).parametersByType(),
            same->networks.at(NetworkKind::UNet).parametersByType());
  EXPECT_EQ(bytesOf(*openWeights(pickle)), bytesOf(*openWeights(safetensors)));

  // An autoencoder beside it, as it is shared: a pickle with the training's loss in it.
  const support::Checkpoint narrow = support::checkpoint(Family::StableDiffusion1, 10);
  const KeyMap bare = singleFileMap(narrow.configs.vae, "");
  ASSERT_TRUE(writeSafetensors(
      m_folder / "vae.safetensors", toFileLayout(bare, support::madeUp(bare)), {}));
  p::writeAsPickle(m_folder / "vae.safetensors", m_folder / "model.vae.pt");
  EXPECT_EQ(openModel({.path = pickle})->vaePath, m_folder / "model.vae.pt");
}

TEST_F(PickleCopy, NetworksInAFolderMayBePickles) {
  const support::Checkpoint narrow = support::checkpoint(Family::StableDiffusion1, 10);
  const auto write =
      [&](const fs::path& file, const KeyMap& map, std::size_t from, std::size_t to) {
        std::vector<TensorSource> all = support::madeUp(map), part;
        for (std::size_t i = from; i < std::min(to, all.size()); ++i) part.push_back(all[i]);
        fs::create_directories(file.parent_path());
        ASSERT_TRUE(writeSafetensors(m_folder / "x.safetensors", part, {}));
        p::writeAsPickle(m_folder / "x.safetensors", file);
      };
  const TensorShapes unet = networkTensors(narrow.configs.unet);
  const auto problems = [&](const TensorShapes& shapes, NetworkKind kind, const fs::path& folder) {
    const auto network = openNetwork(folder, kind, shapes);
    return network ? testing::PrintToString(network->problems) : api::message(network.error());
  };
  write(m_folder / "unet/diffusion_pytorch_model.bin", identityMap(unet), 0, 10'000);
  EXPECT_EQ(problems(unet, NetworkKind::UNet, m_folder / "unet"), "{}");
  const TensorShapes text = networkTensors(narrow.configs.text);
  write(m_folder / "text/pytorch_model.bin", identityMap(text), 0, 10'000);
  EXPECT_EQ(problems(text, NetworkKind::TextEncoder, m_folder / "text"), "{}");
  write(m_folder / "shards/a.bin", identityMap(text), 0, 20);
  write(m_folder / "shards/b.bin", identityMap(text), 20, 10'000);
  put("shards/pytorch_model.bin.index.json", R"({"weight_map": {"x": "a.bin", "y": "b.bin"}})");
  EXPECT_EQ(problems(text, NetworkKind::TextEncoder, m_folder / "shards"), "{}");
  // Both forms are there: nothing need be copied.
  write(m_folder / "both/pytorch_model.bin", identityMap(text), 0, 1);
  ASSERT_TRUE(writeSafetensors(
      m_folder / "both/model.safetensors", support::madeUp(identityMap(text)), {}));
  EXPECT_EQ(problems(text, NetworkKind::TextEncoder, m_folder / "both"), "{}");
}

}  // namespace
}  // namespace likeness::weights
