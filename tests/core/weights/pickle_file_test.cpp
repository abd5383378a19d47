// What the machine reads, and one by one what it refuses. In this process: the confined one is
// tested in pickle_copy_test.cpp.
#include "core/weights/pickle_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "tests/support/pickles.h"
#include "tests/support/temp_folder.h"

namespace likeness::weights {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;
namespace p = support::pickles;
using testing::HasSubstr;

const fs::path goldens = LIKENESS_GOLDEN_DIR "/pickles";

/// Bytes as an opened file.
class Memory {
 public:
  explicit Memory(const std::string& bytes) : m_descriptor(::memfd_create("pickle", MFD_CLOEXEC)) {
    EXPECT_EQ(::write(m_descriptor, bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::close(m_descriptor); }
  int descriptor() const { return m_descriptor; }

 private:
  int m_descriptor;
};

/// Tensors as their bytes, or what stands in the way.
struct Content {
  std::map<std::string, std::string> tensors;
  std::map<std::string, PickledTensor> infos;
  std::map<std::string, std::string> metadata;
  std::string code, reason, function;
};

Content read(const std::string& bytes) {
  const Memory memory(bytes);
  Content content;
  const auto keep = [&](const api::Error& error) {
    content.code = api::name(error.code);
    content.reason = error.value("reason");
    content.function = error.value("function");
    return content;
  };
  const auto file = PickleFile::open(memory.descriptor());
  if (!file) return keep(file.error());
  content.infos = file->tensors();
  content.metadata = file->metadata();
  for (const auto& [name, tensor] : file->tensors()) {
    std::string& out = content.tensors[name];
    const auto done = file->read(tensor, [&out](std::span<const std::byte> piece) {
      out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      return api::Result<void>();
    });
    if (!done) return keep(done.error());
  }
  return content;
}

std::string floats(const std::vector<float>& values) {
  std::string bytes(4 * values.size(), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// A file whose tensor "w" is this view of four floats.
std::string viewed(p::View view) {
  return p::file(p::program(p::dict({{"w", p::tensor(view)}})), {{"0", floats({0, 1, 2, 3})}});
}
/// A file whose tensor "w" is fine and which does `value` beside it.
std::string beside(const std::string& value) {
  return p::file(p::program(p::dict(
                     {{"w", p::tensor({.count = 2, .shape = {2}, .strides = {1}})}, {"x", value}})),
                 {{"0", floats({1, 2})}});
}
std::string refusal(const std::string& bytes) {
  const Content content = read(bytes);
  return content.code == "unsafe_file" ? "unsafe " + content.function : content.reason;
}

class GoldenPickle : public testing::TestWithParam<const char*> {};

TEST_P(GoldenPickle, HoldsWhatPyTorchPutThere) {
  const std::string name = GetParam();
  const bool sameAsZip = name.starts_with("zip");
  const Content content = read(support::content(goldens / (name + ".pt")));
  ASSERT_EQ(content.code, "") << content.reason << content.function;
  const auto expected =
      SafetensorsFile::open(goldens / ((sameAsZip ? "zip" : name) + ".safetensors"));
  ASSERT_TRUE(expected);
  EXPECT_EQ(content.tensors.size(), expected->tensors().size());
  for (const auto& [key, info] : expected->tensors()) {
    SCOPED_TRACE(key);
    ASSERT_TRUE(content.tensors.contains(key));
    EXPECT_EQ(content.infos.at(key).dtype, info.dtype);
    EXPECT_EQ(content.infos.at(key).shape, info.shape);
    std::string bytes(info.end - info.begin, '\0');
    ASSERT_TRUE(expected->read(info, std::as_writable_bytes(std::span(bytes))));
    EXPECT_EQ(content.tensors.at(key), bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(All,
                         GoldenPickle,
                         testing::Values("zip",
                                         "zip_protocol3",
                                         "zip_protocol4",
                                         "zip_protocol5",
                                         "zip_legacy",
                                         "state_dict",
                                         "module_prefix",
                                         "lightning",
                                         "embedding_original",
                                         "embedding_webui",
                                         "embedding_several",
                                         "embedding_diffusers"),
                         [](const auto& param) { return std::string(param.param); });

TEST(PickleFile, KeepsWhatStandsBesideTheTensors) {
  EXPECT_EQ(read(support::content(goldens / "embedding_webui.pt")).metadata,
            (std::map<std::string, std::string>{{"name", "bo"},
                                                {"step", "499"},
                                                {"sd_checkpoint", "cc6cb27103"},
                                                {"sd_checkpoint_name", "v1-5"}}));
  EXPECT_EQ(read(support::content(goldens / "lightning.pt")).metadata.at("global_step"), "840000");
}

TEST(PickleFile, ViewsOfAStorage) {
  const auto w = [](p::View view) { return read(viewed(std::move(view))).tensors["w"]; };
  EXPECT_EQ(w({.count = 4, .shape = {2, 2}, .strides = {2, 1}}), floats({0, 1, 2, 3}));
  EXPECT_EQ(w({.count = 4, .shape = {2, 2}, .strides = {1, 2}}), floats({0, 2, 1, 3}));
  EXPECT_EQ(w({.count = 4, .offset = 1, .shape = {2}, .strides = {2}}), floats({1, 3}));
  EXPECT_EQ(w({.count = 4, .offset = 3, .shape = {3}, .strides = {0}}), floats({3, 3, 3}));
  EXPECT_EQ(w({.count = 4, .offset = 2}), floats({2}));
  EXPECT_EQ(w({.count = 4, .shape = {3, 0}, .strides = {1, 1}}), "");
}

/// Matrices of more than a block and more than a window, both ways round.
TEST(PickleFile, LargeTransposedMatrices) {
  constexpr std::int64_t rows = 5000, columns = 3000;
  std::vector<float> values(rows * columns), turned(rows * columns);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < columns; ++column)
      turned[static_cast<std::size_t>(column * rows + row)] =
          values[static_cast<std::size_t>(row * columns + column)];
  const Content content = read(p::file(
      p::program(p::dict(
          {{"w",
            p::tensor(
                {.count = rows * columns, .shape = {columns, rows}, .strides = {1, columns}})}})),
      {{"0", floats(values)}}));
  EXPECT_TRUE(content.tensors.at("w") == floats(turned));
}

TEST(PickleFile, StoragesLieWhereTheyLie) {
  // Names of every length put the numbers at every offset.
  for (int length = 1; length < 9; ++length) {
    const std::string key(static_cast<std::size_t>(length), 'k');
    const std::string data = floats({1.5F, -2.5F});
    const Content content = read(p::file(
        p::program(
            p::dict({{"w", p::tensor({.key = key, .count = 2, .shape = {2}, .strides = {1}})}})),
        {{key, data}}));
    EXPECT_EQ(content.tensors.at("w"), data);
  }
}

TEST(PickleFile, NothingIsEverRunAndForeignFunctionsEndTheReading) {
  for (const auto& [module, name] : {std::pair("os", "system"),
                                     {"posix", "system"},
                                     {"nt", "system"},
                                     {"subprocess", "Popen"},
                                     {"builtins", "eval"},
                                     {"builtins", "exec"},
                                     {"builtins", "getattr"},
                                     {"__builtin__", "eval"},
                                     {"builtins", "__import__"},
                                     {"runpy", "run_path"},
                                     {"webbrowser", "open"},
                                     {"socket", "socket"},
                                     {"importlib", "import_module"},
                                     {"pickle", "loads"},
                                     {"shutil", "rmtree"},
                                     {"operator", "attrgetter"},
                                     {"functools", "partial"},
                                     {"ctypes", "CDLL"},
                                     {"os.path", "join"},
                                     {"marshal", "loads"}}) {
    const std::string global = std::string(module) + "." + name;
    SCOPED_TRACE(global);
    EXPECT_EQ(refusal(beside(p::call(p::global(module, name), {p::text("x")}))),
              "unsafe " + global);
    // Named and not called; by STACK_GLOBAL; and where the tensors are not looked for.
    EXPECT_EQ(refusal(beside(p::global(module, name))), "unsafe " + global);
    EXPECT_EQ(refusal(beside(p::text(module) + p::text(name) + "\x93")), "unsafe " + global);
    EXPECT_EQ(refusal(p::file(p::program(p::global(module, name) + "0" + p::dict({})), {})),
              "unsafe " + global);
  }
  for (const char* name : {"refused_system.pt", "refused_system_legacy.pt"})
    EXPECT_EQ(refusal(support::content(goldens / name)), "unsafe posix.system");
  EXPECT_FALSE(fs::exists("likeness-was-here"));
}

TEST(PickleFile, ObjectsOfTrainingLibrariesAreLeftOut) {
  for (const std::string& value :
       {p::call(p::global("torch.optim.adamw", "AdamW"), {p::number(1)}),
        p::call(p::global("torch.hub", "load"), {p::text("x")}),  // only a name here
        p::global("numpy", "dtype"),
        p::global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint") + ")\x81" +
            p::dict({{"a", p::number(1)}}) + "b",
        p::global("omegaconf.dictconfig", "DictConfig") + ")}\x92"}) {
    const Content content = read(beside(value));
    EXPECT_EQ(content.code, "") << content.reason << content.function;
    EXPECT_EQ(content.tensors.size(), 1u);
  }
}

TEST(PickleFile, DamagedPrograms) {
  const std::pair<std::string, const char*> cases[] = {
      {"0", "more from its stack"},
      {"t", "more from its stack"},
      {"}(K\x01u", "a key without a value"},
      {"K\x01K\x02K\x03s", "what is no dictionary"},
      {"K\x01K\x02\x61", "what is no list"},
      {"h\x05", "has not made"},
      {"j\xff\xff\xff\xff", "has not made"},
      {"K\x01)R", "what is no function"},
      {"(K\x01o", "what is no function"},
      {p::text("x") + "Q", "something else than a storage"},
      {p::tuple({p::text("module"), p::text("x")}) + "Q", "something else than a storage"},
      {"K\x01K\x02\x93", "makes no sense"},
      {"\x82\x01", "an extension of Python"},
      {"\x84\x01\x01\x01\x01", "an extension of Python"},
      {"ios\nsystem\n", "not a pickle of protocol 2 to 5"},
      {"P0\n", "not a pickle of protocol 2 to 5"},
      {"\x80\x06", "protocol 6"},
      {"c" + std::string(300, 'a') + "\nb\n", "too long"},
      {"X\xff\xff\xff\x7f", "ends early"},
      {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "ends early"},
      {"B\xff\xff\xff\x7f", "ends early"},
      {"\x8b\xff\xff\xff\x7f", "ends early"},
      {"", "more from its stack"}};
  for (const auto& [code, words] : cases) {
    EXPECT_THAT(refusal(p::file(p::program(code), {})), HasSubstr(words))
        << testing::PrintToString(code);
  }
  EXPECT_THAT(refusal(p::file("\x80\x02}", {})), HasSubstr("ends early"));
}

TEST(PickleFile, TensorsThatMakeNoSense) {
  const auto why = [](p::View view) { return refusal(viewed(std::move(view))); };
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  EXPECT_THAT(why({.count = 4, .shape = {5}, .strides = {1}}), HasSubstr("beyond its numbers"));
  EXPECT_THAT(why({.count = 4, .offset = 4, .shape = {1}, .strides = {1}}), HasSubstr("beyond"));
  EXPECT_THAT(why({.count = 4, .shape = {2, 2}, .strides = {3, 1}}), HasSubstr("beyond"));
  EXPECT_THAT(why({.count = 4, .shape = {huge, 4}, .strides = {0, 0}}), HasSubstr("too large"));
  EXPECT_THAT(why({.count = 4, .shape = {3}, .strides = {huge}}), HasSubstr("too large"));
  EXPECT_THAT(why({.count = 4, .offset = huge, .shape = {1}, .strides = {1}}), HasSubstr("large"));
  EXPECT_THAT(why({.count = 4, .shape = {huge, huge, 0}, .strides = {1, 1, 1}}),
              HasSubstr("large"));
  EXPECT_THAT(why({.count = 4, .shape = {2}, .strides = {-1}}), HasSubstr("makes no sense"));
  EXPECT_THAT(why({.count = 4, .shape = {-2}, .strides = {1}}), HasSubstr("makes no sense"));
  EXPECT_THAT(why({.count = 4, .offset = -1, .shape = {1}, .strides = {1}}), HasSubstr("no sense"));
  EXPECT_THAT(why({.count = -1, .shape = {1}, .strides = {1}}), HasSubstr("storage of numbers"));
  EXPECT_THAT(why({.count = 4, .shape = {1}, .strides = {}}), HasSubstr("makes no sense"));
  EXPECT_THAT(why({.count = 4,
                   .shape = std::vector<std::int64_t>(33, 1),
                   .strides = std::vector<std::int64_t>(33, 1)}),
              HasSubstr("makes no sense"));
  EXPECT_THAT(why({.key = "1", .count = 4, .shape = {1}, .strides = {1}}), HasSubstr("no numbers"));
  EXPECT_THAT(why({.storage = "QInt8Storage", .count = 4, .shape = {1}, .strides = {1}}),
              HasSubstr("storage of numbers"));
  EXPECT_THAT(why({.storage = "UntypedStorage", .count = 4, .shape = {1}, .strides = {1}}),
              HasSubstr("type of numbers"));
  // Each is small enough alone: four bytes that are written 32 million times.
  EXPECT_THAT(why({.count = 4, .shape = {1 << 25}, .strides = {0}}), HasSubstr("far larger"));
}

TEST(PickleFile, FilesWithoutTensorsByName) {
  EXPECT_THAT(refusal(support::content(goldens / "refused_network.pt")),
              HasSubstr("an object of torch.nn.modules.container.Sequential instead"));
  EXPECT_THAT(refusal(support::content(goldens / "refused_list.pt")), HasSubstr("by name"));
  EXPECT_THAT(refusal(p::file(p::program(p::dict({{"a", p::number(1)}})), {})),
              HasSubstr("holds no tensors"));
  const std::string w = p::tensor({.count = 1, .shape = {1}, .strides = {1}});
  const auto named = [&](const std::string& name) {
    return refusal(p::file(p::program(p::dict({{name, w}})), {{"0", floats({1})}}));
  };
  EXPECT_EQ(named("fine"), "");
  for (const std::string& name : {"\xff\xfe"s, "__metadata__"s, std::string(5000, 'n')})
    EXPECT_THAT(named(name), HasSubstr("cannot be kept"));
}

TEST(PickleFile, DictionariesThatHoldThemselves) {
  const std::string w = p::tensor({.count = 1, .shape = {1}, .strides = {1}});
  const Content content =
      read(p::file(p::program("}q\x01(" + p::text("w") + w + p::text("again") + "h\x01u"),
                   {{"0", floats({7})}}));
  EXPECT_EQ(content.tensors.size(), 1u) << content.reason;
}

TEST(PickleFile, ZipFilesThatPyTorchDoesNotWrite) {
  const std::string pickle =
      p::program(p::dict({{"w", p::tensor({.count = 1, .shape = {1}, .strides = {1}})}}));
  const p::ZipEntry program{"a/data.pkl", pickle}, data{"a/data/0", floats({1})};
  const auto why = [](const std::vector<p::ZipEntry>& entries) { return refusal(p::zip(entries)); };
  EXPECT_EQ(why({program, data}), "");
  p::ZipEntry changed = data;
  changed.method = 8;
  EXPECT_THAT(why({program, changed}), HasSubstr("compressed or encrypted"));
  changed = data;
  changed.flags = 1;
  EXPECT_THAT(why({program, changed}), HasSubstr("encrypted"));
  changed = data;
  changed.size = 4'000'000'000U;
  EXPECT_THAT(why({program, changed}), HasSubstr("ends beyond the file"));
  changed.size = 60;
  EXPECT_THAT(why({changed, program}), HasSubstr("overlap"));
  // One entry's bytes under many names.
  changed = data;
  changed.name = "a/data/1";
  changed.offset = static_cast<std::uint32_t>(30 + program.name.size() + program.bytes.size());
  EXPECT_NE(why({program, data, changed}), "");
  EXPECT_THAT(why({program, data, data}), HasSubstr("twice"));
  EXPECT_THAT(why({data}), HasSubstr("PyTorch did not write"));
  EXPECT_THAT(why({program, data, {"b/data.pkl", pickle}}), HasSubstr("PyTorch did not write"));
  EXPECT_THAT(why({program, data, {"a/constants.pkl", pickle}}), HasSubstr("TorchScript"));
  EXPECT_THAT(why({program, data, {"a/byteorder", "big"}}), HasSubstr("big-endian"));
  EXPECT_THAT(why({program}), HasSubstr("no numbers in the file"));
  EXPECT_THAT(refusal("PK\x03\x04 and no more"), HasSubstr("may be incomplete"));
}

TEST(PickleFile, TheOlderForm) {
  const std::string w = p::dict({{"w", p::tensor({.count = 2, .shape = {2}, .strides = {1}})}});
  const std::string whole = p::legacyFile(w, {{"0", floats({1, 2})}});
  EXPECT_EQ(read(whole).tensors.at("w"), floats({1, 2}));
  EXPECT_THAT(refusal(p::legacyFile(w, {})), HasSubstr("no numbers"));
  EXPECT_THAT(refusal(p::legacyFile(w, {{"1", floats({1})}})), HasSubstr("list of storages"));
  EXPECT_THAT(refusal(p::legacyFile(w, {{"0", floats({1, 2})}, {"0", floats({1, 2})}})),
              HasSubstr("list of storages"));
  EXPECT_THAT(refusal(p::legacyFile(w, {{"0", floats({1})}})), HasSubstr("beyond its numbers"));
  std::string changed = whole;
  changed.replace(whole.find("\x8a\x08\xe9\x03") + 2, 1, "\x01");
  EXPECT_THAT(refusal(changed), HasSubstr("unknown version"));
  changed = whole;
  changed.replace(whole.find("little_endian\x88") + 13, 1, "\x89");
  EXPECT_THAT(refusal(changed), HasSubstr("big-endian"));
}

TEST(PickleFile, FilesCutShortAnywhere) {
  for (const char* name : {"zip.pt", "zip_legacy.pt", "zip_protocol5.pt", "embedding_webui.pt"}) {
    const std::string whole = support::content(goldens / name);
    const auto tensors = read(whole).tensors;
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
      const Content content = read(whole.substr(0, bytes));
      // The last bytes of a zip file are there twice.
      if (content.code.empty() && bytes + 64 > whole.size() && content.tensors == tensors) continue;
      ASSERT_TRUE(content.code == "bad_model_file" || content.code == "unsafe_file")
          << name << " cut to " << bytes << ": " << content.code;
    }
  }
}

TEST(PickleFile, OneThatGrowsWithoutEndIsRefused) {
  const auto grown = [](const std::string& piece, std::size_t bytes = 8u << 20) {
    std::string code = "]q\x01";
    while (code.size() < bytes) code += piece;
    return refusal(p::file(p::program(code), {}));
  };
  const char* words = "what it describes beside its tensors is too large";
  EXPECT_EQ(grown("2"), words) << "the stack";
  EXPECT_EQ(grown("("), words) << "marks";
  EXPECT_EQ(grown("\x94"), words) << "the memo";
  EXPECT_EQ(grown("]0"), words) << "lists";
  EXPECT_EQ(grown(p::text(std::string(1000, 'x')) + "0", 60u << 20), words) << "texts";
  EXPECT_EQ(grown(")\x85"), words) << "tuples in tuples";
  // A text of 60 MiB, and a list that is put into itself again and again.
  EXPECT_EQ(refusal(p::file(p::program(p::text(std::string(60u << 20, 'x'))), {})), words);
  EXPECT_EQ(grown("(h\x01h\x01h\x01h\x01"
                  "e"),
            words);
}

}  // namespace
}  // namespace likeness::weights
