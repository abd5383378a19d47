// The format's rules, one by one: what a hostile header claims, what a truncated file holds, what
// the writer writes.
#include "core/weights/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "core/base/file_system.h"
#include "core/base/hash.h"

namespace likeness::weights {
namespace {

std::string reason(std::string_view json, std::uint64_t dataBytes) {
  const auto header = parseHeader(json, dataBytes);
  return header ? "" : header.error();
}

std::string lengthPrefix(std::uint64_t length) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes;
}

class SafetensorsFileTest : public testing::Test {
 protected:
  void SetUp() override {
    m_folder = std::filesystem::path(testing::TempDir()) /
               testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(m_folder);
    std::filesystem::create_directories(m_folder);
  }
  void TearDown() override { std::filesystem::remove_all(m_folder); }
  std::filesystem::path write(std::string_view content) {
    const auto file = m_folder / "file.safetensors";
    EXPECT_TRUE(base::writeFile(file, content));
    return file;
  }
  static std::string open(const std::filesystem::path& file) {
    const auto opened = SafetensorsFile::open(file);
    return opened ? "" : std::string(api::name(opened.error().code));
  }
  static TensorSource bytes(std::string name,
                            ScalarType dtype,
                            std::vector<std::int64_t> shape,
                            std::string data) {
    return {std::move(name), dtype, std::move(shape), [data](const auto& sink) {
              return sink(std::as_bytes(std::span(data)));
            }};
  }
  std::filesystem::path m_folder;
};

TEST(SafetensorsHeader, AcceptsWhatTheFormatAllows) {
  EXPECT_EQ(reason("{}", 0), "");
  EXPECT_EQ(reason(" \t\r\n{} \t\r\n", 0), "");
  EXPECT_EQ(reason(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4), "");
  EXPECT_EQ(reason(R"({"a":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]}})", 0), "");
  EXPECT_EQ(reason(R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", 2), "");
  const auto header = parseHeader(
      R"({"__metadata__":{"format":"pt"},"b":{"data_offsets":[2,6],"shape":[2],"dtype":"BF16"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
      6);
  ASSERT_TRUE(header) << header.error();
  EXPECT_EQ(header->metadata.at("format"), "pt");
  EXPECT_EQ(header->tensors.at("b").dtype, ScalarType::BF16);
  EXPECT_EQ(header->tensors.at("b").begin, 2U);
}

struct Hostile {
  const char* json;
  std::uint64_t dataBytes;
  const char* says;
};

TEST(SafetensorsHeader, RefusesEveryBrokenRule) {
  const Hostile cases[] = {
      {"", 0, "not valid JSON"},
      {"[]", 0, "list stands where none"},
      {"null", 0, "null stands"},
      {"{", 0, "not valid JSON"},
      {"{}x", 0, "not valid JSON"},
      {"\xEF\xBB\xBF{}", 0, "byte order mark"},
      {"{\"\xFF\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "not valid JSON"},
      {R"({"a":1})", 0, "number stands where none"},
      {R"({"a":[]})", 0, "list stands where none"},
      {R"({"a":{}})", 0, "lacks a field"},
      {R"({"a":{"dtype":"U8","shape":[1]}})", 1, "lacks a field"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1, "unknown field"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "twice"},
      {R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,1]}})", 1, "unknown dtype"},
      {R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,1]}})", 1, "number stands"},
      {R"({"a":{"dtype":"U8","shape":"1","data_offsets":[0,1]}})", 1, "text stands"},
      {R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "list stands"},
      {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "negative"},
      {R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1, "not whole"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})",
       1,
       "not whole"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}})",
       1,
       "too large"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
       0,
       "too large"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})",
       0,
       "too large"},
      {R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", 1, "too large"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "not two numbers"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "not two numbers"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})", 1, "another size"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "overlaps, leaves a gap"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "overlaps, leaves a gap"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3,
       "gap"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3,
       "overlaps"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2, "belong to no tensor"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1, "ends before"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1,
       "twice"},
      {R"({"__metadata__":{"a":1}})", 0, "number stands"},
      {R"({"__metadata__":{"a":{"b":"c"}}})", 0, "object stands"},
      {R"({"__metadata__":{"a":"b","a":"c"}})", 0, "twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
  };
  for (const Hostile& c : cases) {
    const std::string said = reason(c.json, c.dataBytes);
    EXPECT_NE(said.find(c.says), std::string::npos) << c.json << "\n  said: " << said;
  }
}

TEST(SafetensorsHeader, LimitsWhatItKeeps) {
  std::string aliases = "{";
  for (int i = 0; i <= 100'001; ++i)
    aliases += "\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  aliases.back() = '}';
  EXPECT_NE(reason(aliases, 0).find("more than 100000"), std::string::npos);
  std::string dimensions = R"({"a":{"dtype":"U8","shape":[1)";
  for (int i = 0; i < 40; ++i) dimensions += ",1";
  EXPECT_NE(reason(dimensions + R"(],"data_offsets":[0,1]}})", 1).find("32 dimensions"),
            std::string::npos);
  EXPECT_NE(reason("{\"" + std::string(5000, 'x') + "\":1}", 0).find("4096"), std::string::npos);
  EXPECT_NE(reason(std::string(1'000'000, '['), 0), "") << "nesting is refused at its first level";
}

TEST_F(SafetensorsFileTest, RefusesBadFiles) {
  const std::string good = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  EXPECT_EQ(open(m_folder / "none"), "file_not_found");
  EXPECT_EQ(open(m_folder), "file_unreadable");
  EXPECT_EQ(open(write("")), "bad_model_file");
  EXPECT_EQ(open(write("1234567")), "bad_model_file");
  EXPECT_EQ(open(write(lengthPrefix(UINT64_MAX) + "{}")), "bad_model_file");
  EXPECT_EQ(open(write(lengthPrefix(100'000'001) + "{}")), "bad_model_file");
  EXPECT_EQ(open(write(lengthPrefix(3) + "{}")), "bad_model_file");
  EXPECT_EQ(open(write(lengthPrefix(good.size()) + good)), "bad_model_file");
  EXPECT_EQ(open(write(lengthPrefix(good.size()) + good + "12")), "bad_model_file");
  EXPECT_EQ(open(write(lengthPrefix(good.size()) + good + "1")), "");
  const auto pipe = m_folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(open(pipe), "file_unreadable") << "and does not wait for a writer";
}

TEST_F(SafetensorsFileTest, EveryTruncationIsRefused) {
  const auto file = m_folder / "whole.safetensors";
  ASSERT_TRUE(writeSafetensors(file,
                               {bytes("a", ScalarType::U8, {3}, "abc"),
                                bytes("b", ScalarType::F32, {2}, std::string(8, 'x'))},
                               {{"format", "pt"}}));
  const std::string content = base::readFile(file).value();
  ASSERT_EQ(open(file), "");
  for (std::size_t size = 0; size < content.size(); ++size)
    EXPECT_EQ(open(write(std::string_view(content).substr(0, size))), "bad_model_file") << size;
}

TEST_F(SafetensorsFileTest, AFileThatShrinksIsAnError) {
  const auto file = m_folder / "whole.safetensors";
  ASSERT_TRUE(writeSafetensors(file, {bytes("a", ScalarType::U8, {3}, "abc")}, {}));
  const auto opened = SafetensorsFile::open(file);
  ASSERT_TRUE(opened);
  std::string data(3, '\0');
  const auto out = std::as_writable_bytes(std::span(data));
  ASSERT_TRUE(opened->read(opened->tensors().at("a"), out));
  EXPECT_EQ(data, "abc");
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  const auto again = opened->read(opened->tensors().at("a"), out);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, api::ErrorCode::FileUnreadable);
}

TEST_F(SafetensorsFileTest, WritesWhatTheReferenceWrites) {
  const auto file = m_folder / "out.safetensors";
  const auto written = writeSafetensors(file,
                                        {bytes("b", ScalarType::F16, {1, 1}, "HH"),
                                         bytes("z", ScalarType::F32, {}, "FFFF"),
                                         bytes("a\"\n\xC3\xA9", ScalarType::F16, {0}, "")},
                                        {{"format", "pt"}});
  ASSERT_TRUE(written);
  // Made with safetensors.torch.save of Python for the same tensors.
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"z":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      "\"a\\\"\\n\xC3\xA9\":{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[4,4]},"
      R"("b":{"dtype":"F16","shape":[1,1],"data_offsets":[4,6]}})";
  const std::string padded = json + std::string((8 - json.size() % 8) % 8, ' ');
  const std::string content = base::readFile(file).value();
  EXPECT_EQ(content, lengthPrefix(padded.size()) + padded + "FFFFHH");
  EXPECT_EQ(written->bytes, content.size());
  EXPECT_EQ(written->sha256, base::sha256(content));
}

TEST_F(SafetensorsFileTest, AFailedSourceLeavesNoFile) {
  TensorSource source = bytes("a", ScalarType::U8, {1}, "x");
  source.produce = [](const auto&) -> api::Result<void> {
    return api::fail(api::ErrorCode::DiskFull);
  };
  EXPECT_FALSE(writeSafetensors(m_folder / "out.safetensors", {source}, {}));
  EXPECT_TRUE(std::filesystem::is_empty(m_folder));
}

/// Cut at every length, continued: the file is the one that was never cut, and no tensor that was
/// there is made again.
TEST_F(SafetensorsFileTest, AnInterruptedFileIsContinued) {
  const auto file = m_folder / "out.safetensors";
  std::vector<std::string> made;
  const auto source = [&](const std::string& name, ScalarType dtype, const std::string& data) {
    TensorSource tensor = bytes(name, dtype, {2}, data);
    return TensorSource{
        name, dtype, {2}, [&made, name, produce = tensor.produce](const auto& sink) {
          made.push_back(name);
          return produce(sink);
        }};
  };
  const std::vector<TensorSource> tensors = {source("a", ScalarType::F32, "AAAABBBB"),
                                             source("b", ScalarType::F16, "CCDD"),
                                             source("c", ScalarType::U8, "EF")};
  const auto go = [&](std::size_t most) {
    std::size_t asked = 0;
    return continueSafetensors(file,
                               tensors,
                               {{"format", "pt"}},
                               [&](auto done, auto total) {
                                 EXPECT_LT(done, total);
                                 return asked++ < most;
                               })
        .value();
  };
  ASSERT_TRUE(go(3));
  const std::string whole = base::readFile(file).value();
  const auto opened = SafetensorsFile::open(file);
  ASSERT_TRUE(opened);
  for (std::size_t length = 0; length <= whole.size();
       length += length + 20 < whole.size() ? 29 : 1) {
    ASSERT_TRUE(base::writeFile(file, whole.substr(0, length)));
    made.clear();
    ASSERT_TRUE(go(3)) << length;
    EXPECT_EQ(base::readFile(file).value(), whole) << length;
    const std::size_t left = whole.size() - length;
    EXPECT_EQ(made.size(), left == 0 ? 0U : left <= 2 ? 1U : left <= 6 ? 2U : 3U) << length;
  }
  std::filesystem::remove(file);
  EXPECT_FALSE(go(1));
  made.clear();
  EXPECT_TRUE(go(3));
  EXPECT_EQ(made, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(base::readFile(file).value(), whole);
  ASSERT_TRUE(base::writeFile(file, std::string(whole.size(), 'x')));
  EXPECT_TRUE(go(3));
  EXPECT_EQ(base::readFile(file).value(), whole);
}

TEST(SafetensorsTypes, NamesAndSizes) {
  for (int i = 0; i <= static_cast<int>(ScalarType::U64); ++i) {
    const auto type = static_cast<ScalarType>(i);
    EXPECT_EQ(scalarType(name(type)), type);
    EXPECT_GT(bits(type), 0U);
  }
  EXPECT_FALSE(scalarType("f32"));
}

}  // namespace
}  // namespace likeness::weights
