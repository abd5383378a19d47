// The tokenizer against transformers' ids: 20,000 strings for two vocabularies, and files that lie.
#include "core/text/clip_tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/base/hash.h"
#include "tests/support/temp_folder.h"

namespace likeness::text {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using Ids = std::vector<std::int64_t>;

const fs::path kGolden = fs::path(LIKENESS_GOLDEN_DIR) / "tokenizer";
const fs::path kResources = fs::path(LIKENESS_SOURCE_DIR) / "resources";

nlohmann::json readJson(const fs::path& file) {
  return nlohmann::json::parse(base::readFile(file).value());
}

void compareWithGolden(const std::string& name, const fs::path& folder) {
  const ClipTokenizer tokenizer = ClipTokenizer::load(folder).value();
  const auto strings = readJson(kGolden / "strings.json");
  const auto first = readJson(kGolden / (name + "_400.json"));
  std::ifstream hashes(kGolden / (name + ".txt"));
  ASSERT_EQ(strings.size(), 20000u);
  for (std::size_t i = 0; i < strings.size(); ++i) {
    const auto text = strings[i].get<std::string>();
    const Ids ids = tokenizer.encode(text);
    if (i < first.size()) {
      EXPECT_EQ(ids, first[i].get<Ids>()) << text;
    }
    std::string joined, expected;
    for (const auto id : ids) joined += (joined.empty() ? "" : ",") + std::to_string(id);
    ASSERT_TRUE(hashes >> expected);
    EXPECT_EQ(base::sha256(joined).substr(0, 8), expected) << "string " << i << ": " << strings[i];
  }
}

TEST(ClipTokenizer, equalsTransformersOnTheStarterVocabulary) {
  compareWithGolden("starter", kResources / "starter" / "tokenizer");
}

TEST(ClipTokenizer, equalsTransformersOnClipsOwnVocabulary) {
  compareWithGolden("clip", kResources / "clip");
}

TEST(ClipTokenizer, equalsTransformersWithTheSpecialTokensOfOtherModels) {
  const auto golden = readJson(kGolden / "variants.json");
  for (const auto& variant : golden["variants"]) {
    SCOPED_TRACE(variant["name"]);
    const support::TempFolder folder;
    for (const char* name : {"vocab.json", "merges.txt"})
      fs::copy_file(kResources / "clip" / name, folder / name);
    support::put(folder / "special_tokens_map.json", variant["specialTokensMap"].dump());
    const ClipTokenizer tokenizer = ClipTokenizer::load(folder.path()).value();
    EXPECT_EQ(tokenizer.padId(), variant["pad"].get<std::int64_t>());
    for (std::size_t i = 0; i < golden["strings"].size(); ++i)
      EXPECT_EQ(tokenizer.encode(golden["strings"][i].get<std::string>()),
                variant["ids"][i].get<Ids>())
          << golden["strings"][i];
  }
}

/// The one file that transformers 5 writes, with the merges in its newer or its older form.
std::string tokenizerJson(bool pairs) {
  nlohmann::json merges = nlohmann::json::array();
  std::ifstream lines(kResources / "clip" / "merges.txt");
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const auto space = line.find(' ');
    if (pairs)
      merges.push_back({line.substr(0, space), line.substr(space + 1)});
    else
      merges.push_back(line);
  }
  return nlohmann::json{
      {"added_tokens", {{{"content", "<|startoftext|>"}, {"id", 49406}, {"normalized", true}}}},
      {"model",
       {{"end_of_word_suffix", "</w>"},
        {"vocab", readJson(kResources / "clip" / "vocab.json")},
        {"merges", merges}}}}
      .dump();
}

TEST(ClipTokenizer, readsTheOneFileOfTransformers5) {
  const ClipTokenizer two = ClipTokenizer::load(kResources / "clip").value();
  for (const bool pairs : {true, false}) {
    const support::TempFolder folder;
    support::put(folder / "tokenizer.json", tokenizerJson(pairs));
    support::put(folder / "tokenizer_config.json", R"({"pad_token": "!"})");
    const auto one = ClipTokenizer::load(folder.path());
    ASSERT_TRUE(one.has_value()) << api::message(one.error());
    EXPECT_EQ(one->padId(), 0);
    EXPECT_EQ(one->encode("a photo of sks dog, 3.5mm"), two.encode("a photo of sks dog, 3.5mm"));
    EXPECT_EQ(one->encode("<|STARTOFTEXT|>"), Ids{49406});
  }
}

TEST(ClipTokenizer, knowsThePublishedIds) {
  const ClipTokenizer tokenizer = ClipTokenizer::load(kResources / "clip").value();
  EXPECT_EQ(tokenizer.vocabularySize(), 49408);
  EXPECT_EQ(tokenizer.encode("a photo of sks dog"), (Ids{320, 1125, 539, 48136, 1929}));
  EXPECT_EQ(tokenizer.encode("3.5mm <|endoftext|> x"), (Ids{274, 269, 276, 2848, 49407, 343}));
  EXPECT_EQ(tokenizer.encode("ohwx"), (Ids{47993}));
  EXPECT_EQ(tokenizer.piece(48136), "sks ");
  EXPECT_EQ(tokenizer.piece(-1), "");
}

TEST(ClipTokenizer, padsAndCuts) {
  const ClipTokenizer tokenizer = ClipTokenizer::load(kResources / "clip").value();
  const Ids empty = tokenizer.encodePadded("");
  ASSERT_EQ(empty.size(), 77u);
  EXPECT_EQ(empty[0], 49406);
  EXPECT_EQ(empty[1], 49407);
  EXPECT_EQ(empty[76], tokenizer.padId());
  std::string words;
  for (int i = 0; i < 200; ++i) words += "dog ";
  const Ids cut = tokenizer.encodePadded(words);
  ASSERT_EQ(cut.size(), 77u);
  EXPECT_EQ(cut[75], 1929);
  EXPECT_EQ(cut[76], 49407);
}

TEST(ClipTokenizer, takesAnyBytes) {
  const ClipTokenizer tokenizer = ClipTokenizer::load(kResources / "clip").value();
  EXPECT_EQ(tokenizer.encode("\xFF"), tokenizer.encode("\uFFFD"));
  EXPECT_EQ(tokenizer.encode("a\xC3"), tokenizer.encode("a\uFFFD"));
  EXPECT_FALSE(tokenizer.encode(std::string("\0\x80\xFE", 3)).empty());
}

/// A copy of the starter's tokenizer in which one file is replaced.
class DamagedTokenizer : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"vocab.json", "merges.txt", "special_tokens_map.json"})
      fs::copy_file(kResources / "starter" / "tokenizer" / name, m_folder.path() / name);
  }
  void expectBad(const std::string& name, const std::string& content) {
    ASSERT_TRUE(base::writeFile(m_folder.path() / name, content));
    const auto loaded = ClipTokenizer::load(m_folder.path());
    ASSERT_FALSE(loaded.has_value()) << content;
    EXPECT_EQ(loaded.error().code, ErrorCode::BadTokenizer);
    EXPECT_NE(loaded.error().value("file").find(name), std::string::npos);
    EXPECT_FALSE(loaded.error().value("reason").empty());
  }
  support::TempFolder m_folder;
};

TEST_F(DamagedTokenizer, vocabularyThatIsNoObject) { expectBad("vocab.json", "[1, 2]"); }
TEST_F(DamagedTokenizer, vocabularyThatIsNoJson) { expectBad("vocab.json", "{\"a\": "); }
TEST_F(DamagedTokenizer, numberOutOfRange) { expectBad("vocab.json", "{\"a\": 7}"); }
TEST_F(DamagedTokenizer, negativeNumber) { expectBad("vocab.json", "{\"a\": -1}"); }
TEST_F(DamagedTokenizer, numberTwice) { expectBad("vocab.json", "{\"a\": 0, \"b\": 0}"); }
TEST_F(DamagedTokenizer, mergeWithoutASpace) { expectBad("merges.txt", "#version: 0.2\nofthe\n"); }
TEST_F(DamagedTokenizer, mergeOfUnknownPieces) { expectBad("merges.txt", "qqq zzz\n"); }
TEST_F(DamagedTokenizer, specialTokensThatAreNoObject) {
  expectBad("special_tokens_map.json", "3");
}

TEST_F(DamagedTokenizer, vocabularyWithoutABytePiece) {
  ASSERT_TRUE(base::writeFile(m_folder.path() / "merges.txt", "#version: 0.2\n"));
  expectBad("vocab.json", "{\"a\": 0}");
}

TEST_F(DamagedTokenizer, specialTokenThatIsEmptyOrUnknown) {
  ASSERT_TRUE(base::writeFile(m_folder.path() / "special_tokens_map.json", R"({"pad_token": ""})"));
  EXPECT_EQ(ClipTokenizer::load(m_folder.path()).error().code, ErrorCode::BadTokenizer);
  ASSERT_TRUE(
      base::writeFile(m_folder.path() / "special_tokens_map.json", R"({"pad_token": "[PAD]"})"));
  EXPECT_EQ(ClipTokenizer::load(m_folder.path()).error().code, ErrorCode::BadTokenizer);
}

TEST_F(DamagedTokenizer, oneFileThatLies) {
  fs::remove(m_folder.path() / "vocab.json");
  const std::string model = R"({"model": {"end_of_word_suffix": "</w>", )";
  for (const std::string& content : {std::string("[]"),
                                     std::string("{}"),
                                     std::string(R"({"model": 3})"),
                                     std::string(R"({"model": {"vocab": {"a": 0}, "merges": []}})"),
                                     model + R"("vocab": [], "merges": []}})",
                                     model + R"("vocab": {"a": 1}, "merges": []}})",
                                     model + R"("vocab": {"a": 0}, "merges": {}}})",
                                     model + R"("vocab": {"a": 0}, "merges": [["a"]]}})",
                                     model + R"("vocab": {"a": 0}, "merges": ["a a"]}})",
                                     model + R"("vocab": {"a": 0}, "merges": []}})"})
    expectBad("tokenizer.json", content);
}

TEST_F(DamagedTokenizer, missingFileIsNamed) {
  fs::remove(m_folder.path() / "merges.txt");
  const auto loaded = ClipTokenizer::load(m_folder.path());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::FileNotFound);
}

TEST_F(DamagedTokenizer, padTokenMayBeAnObject) {
  ASSERT_TRUE(base::writeFile(m_folder.path() / "special_tokens_map.json",
                              R"({"pad_token": {"content": "!"}})"));
  const auto loaded = ClipTokenizer::load(m_folder.path());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->piece(loaded->padId()), "!");
}

}  // namespace
}  // namespace likeness::text
