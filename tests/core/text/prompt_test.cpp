// A1111's syntax and chunks: the examples of its own documentation, and chunks counted by hand.
#include "core/text/prompt.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "core/base/file_system.h"
#include "tests/support/temp_folder.h"

namespace likeness::text {
namespace {

using api::PromptSyntax;
using testing::ElementsAre;
using Ids = std::vector<std::int64_t>;
using Pieces = std::vector<PromptPiece>;

const std::filesystem::path kResources = std::filesystem::path(LIKENESS_SOURCE_DIR) / "resources";

const ClipTokenizer& clip() {
  static const ClipTokenizer tokenizer = ClipTokenizer::load(kResources / "clip").value();
  return tokenizer;
}

PromptTokens tokens(std::string_view prompt, std::span<const LearnedWord> learned = {}) {
  return tokenizePrompt(clip(), prompt, PromptSyntax::A1111, 77, learned);
}

/// "word, word" ... with `count` words, each one token.
std::string words(int count, const std::string& word = "dog") {
  std::string out;
  for (int i = 0; i < count; ++i) out += (i ? " " : "") + word;
  return out;
}

std::int64_t idOf(std::string_view word) {
  const Ids ids = clip().encode(word);
  EXPECT_EQ(ids.size(), 1U) << word;
  return ids.front();
}

/// How many tokens of the prompt a chunk holds.
std::ptrdiff_t filled(const PromptChunk& chunk) {
  return std::find(chunk.ids.begin() + 1, chunk.ids.end(), clip().endId()) - chunk.ids.begin() - 1;
}

TEST(ParseAttention, GivesTheExamplesOfTheWebUi) {
  EXPECT_EQ(parseAttention("normal text"), (Pieces{{"normal text"}}));
  EXPECT_EQ(parseAttention("an (important) word"),
            (Pieces{{"an "}, {"important", 1.1}, {" word"}}));
  EXPECT_EQ(parseAttention("(unbalanced"), (Pieces{{"unbalanced", 1.1}}));
  EXPECT_EQ(parseAttention("\\(literal\\]"), (Pieces{{"(literal]"}}));
  EXPECT_EQ(parseAttention("(unnecessary)(parens)"), (Pieces{{"unnecessaryparens", 1.1}}));
  EXPECT_EQ(parseAttention("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky)))."),
            (Pieces{{"a "},
                    {"house", 1.5730000000000004},
                    {" ", 1.1},
                    {"on", 1.0},
                    {" a ", 1.1},
                    {"hill", 0.55},
                    {", sun, ", 1.1},
                    {"sky", 1.4641000000000006},
                    {".", 1.1}}));
}

TEST(ParseAttention, ReadsEveryFormOfWeight) {
  const struct {
    const char* prompt;
    Pieces pieces;
  } cases[] = {
      {"", {{""}}},
      {"((a))", {{"a", 1.1 * 1.1}}},
      {"[a]", {{"a", 1 / 1.1}}},
      {"[[a", {{"a", 1 / 1.1 / 1.1}}},
      {"[(a)]", {{"a", 1.1 * (1 / 1.1)}}},
      {"(a: 1.5 )", {{"a", 1.5}}},
      {"(a:+.5)", {{"a", 0.5}}},
      {"(a:-2.)", {{"a", -2}}},
      {"(a:0)b", {{"a", 0}, {"b"}}},
      {"(a:b:1.2)", {{"a:b", 1.2}}},
      // No weight: the number is none, or there is no bracket for it.
      {"(a:1.2.3)", {{"a:1.2.3", 1.1}}},
      {"(a:1e5)", {{"a:1e5", 1.1}}},
      {"(a:inf)", {{"a:inf", 1.1}}},
      {"(a:+-1)", {{"a:+-1", 1.1}}},
      {"(a:)", {{"a:", 1.1}}},
      {"(a:+", {{"a:+", 1.1}}},
      {"a:1.2)", {{"a:1.2)"}}},
      {"[a:1.2)", {{"a:1.2)", 1 / 1.1}}},
      {"a) b] c", {{"a) b] c"}}},
      {"(a]b)", {{"a]b", 1.1}}},
      {"(a[b)c]", {{"a", 1.1}, {"b", 1.1 * (1 / 1.1)}, {"c", 1 / 1.1}}},
      {"\\\\(a) \\[b\\) c\\d\\", {{"\\"}, {"a", 1.1}, {" [b) cd"}}},
  };
  for (const auto& c : cases) {
    const Pieces pieces = parseAttention(c.prompt);
    ASSERT_EQ(pieces.size(), c.pieces.size()) << c.prompt;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      EXPECT_EQ(pieces[i].text, c.pieces[i].text) << c.prompt;
      EXPECT_DOUBLE_EQ(pieces[i].weight, c.pieces[i].weight) << c.prompt;
    }
  }
}

TEST(ParseAttention, BreakIsAWordOfItsOwn) {
  EXPECT_EQ(parseAttention("a BREAK b"), (Pieces{{"a "}, {" b", 1, true}}));
  EXPECT_EQ(parseAttention("a,BREAK(b) BREAK"),
            (Pieces{{"a,"}, {"", 1, true}, {"b", 1.1}, {" "}, {"", 1, true}}));
  EXPECT_EQ(parseAttention("(a BREAK b:2)"), (Pieces{{"a ", 2}, {" b", 2, true}}));
  for (const char* word : {"BREAKFAST", "A_BREAK", "break", "éBREAK", "BREAK1"})
    EXPECT_EQ(parseAttention(word), (Pieces{{word}}));
}

TEST(PromptTokens, WithoutSyntaxAreTheIdsOfBefore) {
  for (const char* folder : {"clip", "starter/tokenizer"}) {
    const auto tokenizer = ClipTokenizer::load(kResources / folder).value();
    for (const std::string& prompt :
         {std::string(),
          std::string("a photo of sks dog"),
          std::string("don't stop, it's 2024!! <|endoftext|> x: {a} 日本の猫"),
          words(75)}) {
      const auto syntax = tokenizePrompt(tokenizer, prompt, PromptSyntax::A1111);
      const auto plain = tokenizePrompt(tokenizer, prompt, PromptSyntax::Plain);
      ASSERT_EQ(syntax.chunks.size(), 1U) << prompt;
      EXPECT_EQ(syntax.chunks[0].ids, tokenizer.encodePadded(prompt)) << prompt;
      EXPECT_EQ(plain.chunks[0].ids, syntax.chunks[0].ids) << prompt;
      EXPECT_EQ(syntax.used, plain.used);
      EXPECT_EQ(syntax.limit, 75);
      EXPECT_FALSE(syntax.chunks[0].isWeighted());
    }
  }
}

TEST(PromptTokens, PlainTakesBracketsAsTheyAreAndCuts) {
  const auto brackets = tokenizePrompt(clip(), "(a:1.2) BREAK b", PromptSyntax::Plain);
  EXPECT_EQ(brackets.chunks[0].ids, clip().encodePadded("(a:1.2) BREAK b"));
  const auto cut = tokenizePrompt(clip(), words(80), PromptSyntax::Plain);
  ASSERT_EQ(cut.chunks.size(), 1U);
  EXPECT_EQ(cut.used, 80);
  EXPECT_EQ(cut.limit, 75);
}

TEST(PromptTokens, WeightsStandAtTheirTokens) {
  const auto result = tokens("a (red:1.5) [car]");
  ASSERT_EQ(result.chunks.size(), 1U);
  const PromptChunk& chunk = result.chunks[0];
  ASSERT_EQ(chunk.ids.size(), 77U);
  ASSERT_EQ(chunk.weights.size(), 77U);
  EXPECT_EQ(Ids(chunk.ids.begin(), chunk.ids.begin() + 5),
            (Ids{clip().startId(), idOf("a"), idOf("red"), idOf("car"), clip().endId()}));
  EXPECT_EQ(chunk.weights[2], 1.5F);
  EXPECT_EQ(chunk.weights[3], static_cast<float>(1 / 1.1));
  for (std::size_t i = 0; i < 77; ++i) {
    if (i != 2 && i != 3) {
      EXPECT_EQ(chunk.weights[i], 1) << i;
    }
  }
  EXPECT_TRUE(chunk.isWeighted());
  EXPECT_EQ(result.used, 3);
  EXPECT_FALSE(tokens("(a:1) b").chunks[0].isWeighted());
}

TEST(PromptTokens, LongPromptsFillOneChunkAfterTheOther) {
  const auto full = tokens(words(75)), more = tokens(words(76)), many = tokens(words(151));
  EXPECT_EQ(full.chunks.size(), 1U);
  ASSERT_EQ(more.chunks.size(), 2U);
  EXPECT_EQ(filled(more.chunks[0]), 75);
  EXPECT_EQ(filled(more.chunks[1]), 1);
  EXPECT_EQ(more.used, 76);
  EXPECT_EQ(more.limit, 150);
  EXPECT_EQ(many.chunks.size(), 3U);
  for (const PromptChunk& chunk : many.chunks) {
    EXPECT_EQ(chunk.ids.size(), 77U);
    EXPECT_EQ(chunk.ids.front(), clip().startId());
    EXPECT_EQ(chunk.ids.back(), clip().endId());
  }
}

TEST(PromptTokens, AFullChunkIsCutBehindItsLastCommaWhenThatIsNear) {
  // Comma at place 55 (from 0) of 75: 20 tokens from the full length, so what follows moves.
  const auto near = tokens(words(55) + ", " + words(19, "cat") + " red");
  ASSERT_EQ(near.chunks.size(), 2U);
  EXPECT_EQ(filled(near.chunks[0]), 56);
  EXPECT_EQ(near.chunks[0].ids[56], idOf(","));
  EXPECT_EQ(filled(near.chunks[1]), 20);
  EXPECT_EQ(near.chunks[1].ids[1], idOf("cat"));
  EXPECT_EQ(near.used, 75 + 20) << "a chunk that a comma ended counts full";
  // One token farther: the chunk stays full.
  const auto far = tokens(words(54) + ", " + words(20, "cat") + " red");
  ASSERT_EQ(far.chunks.size(), 2U);
  EXPECT_EQ(filled(far.chunks[0]), 75);
  EXPECT_EQ(filled(far.chunks[1]), 1);
  // A comma that itself does not fit begins the next chunk; exactly full, nothing moves.
  const auto comma = tokens(words(60) + "," + words(14) + ", cat");
  ASSERT_EQ(comma.chunks.size(), 2U);
  EXPECT_EQ(filled(comma.chunks[0]), 75);
  EXPECT_EQ(comma.chunks[1].ids[1], idOf(","));
  EXPECT_EQ(tokens(words(60) + "," + words(14)).chunks.size(), 1U);
  // Weights move with their tokens.
  const auto weighted = tokens(words(70) + ", (red:2) " + words(10, "cat"));
  EXPECT_EQ(weighted.chunks[1].ids[1], idOf("red"));
  EXPECT_EQ(weighted.chunks[1].weights[1], 2);
  EXPECT_FALSE(weighted.chunks[0].isWeighted());
}

TEST(PromptTokens, BreakBeginsAChunk) {
  const auto two = tokens("red BREAK blue car");
  ASSERT_EQ(two.chunks.size(), 2U);
  EXPECT_EQ(two.chunks[0].ids, clip().encodePadded("red"));
  EXPECT_EQ(two.chunks[1].ids, clip().encodePadded("blue car"));
  EXPECT_EQ(two.used, 75 + 2);
  EXPECT_EQ(two.limit, 150);
  EXPECT_EQ(tokens("red BREAK").chunks.size(), 1U);
  EXPECT_EQ(tokens("BREAK red").chunks[0].ids, clip().encodePadded(""));
  EXPECT_EQ(tokens("a BREAK BREAK b").chunks.size(), 3U);
  EXPECT_EQ(tokens("(a BREAK b)").chunks[1].weights[1], 1.1F);
}

TEST(PromptTokens, ModelsThatPadOtherwiseDoSoInEveryChunk) {
  const support::TempFolder folder;
  for (const char* name : {"vocab.json", "merges.txt"})
    std::filesystem::copy_file(kResources / "clip" / name, folder / name);
  support::put(
      folder / "special_tokens_map.json",
      R"({"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "!"})");
  const auto tokenizer = ClipTokenizer::load(folder.path()).value();
  const auto result = tokenizePrompt(tokenizer, "red BREAK blue", PromptSyntax::A1111);
  ASSERT_EQ(result.chunks.size(), 2U);
  EXPECT_EQ(result.chunks[0].ids, tokenizer.encodePadded("red"));
  EXPECT_EQ(result.chunks[0].ids.back(), 0);
  EXPECT_EQ(result.chunks[1].ids, tokenizer.encodePadded("blue"));
}

TEST(PromptTokens, LearnedWordsTakeTheirVectorsPlaces) {
  const LearnedWord learned[] = {{"red", 0, 2}, {"red car", 2, 3}, {"", 9, 1}};
  const auto ids = [](const PromptTokens& result) {
    const auto& all = result.chunks.back().ids;
    return Ids(all.begin() + 1, std::ranges::find(all, clip().endId()));
  };
  const auto one = tokens("a (red:1.5) dog", learned);
  EXPECT_EQ(ids(one), (Ids{idOf("a"), -1, -2, idOf("dog")}));
  EXPECT_EQ(one.chunks[0].weights[3], 1.5F);
  EXPECT_EQ(one.used, 4);
  EXPECT_EQ(ids(tokens("a red car", learned)), (Ids{idOf("a"), -3, -4, -5}));
  // Not divided: three vectors do not fit behind 73 tokens.
  const auto moved = tokens(words(73) + " red car", learned);
  ASSERT_EQ(moved.chunks.size(), 2U);
  EXPECT_EQ(filled(moved.chunks[0]), 73);
  EXPECT_EQ(ids(moved), (Ids{-3, -4, -5}));
}

std::string choose(std::string_view prompt, std::int64_t seed) {
  return promptOfPicture(prompt, PromptSyntax::A1111, seed);
}

TEST(Alternatives, EachSeedTakesOneAndEveryOneIsTaken) {
  std::map<std::string, int> taken;
  for (std::int64_t seed = 0; seed < 900; ++seed) ++taken[choose("a {red|blue|} car", seed)];
  ASSERT_EQ(taken.size(), 3U);
  for (const char* prompt : {"a red car", "a blue car", "a  car"})
    EXPECT_NEAR(taken[prompt], 300, 60) << prompt;  // four standard deviations
  EXPECT_EQ(choose("a {red|blue|} car", 5), choose("a {red|blue|} car", 5));
}

TEST(Alternatives, NestAndDrawApart) {
  std::set<std::string> seen;
  for (std::int64_t seed = 0; seed < 300; ++seed) seen.insert(choose("{a|{b|c} d|{e}}{x|y}", seed));
  EXPECT_THAT(seen, ElementsAre("ax", "ay", "b dx", "b dy", "c dx", "c dy", "{e}x", "{e}y"));
  int same = 0;
  for (std::int64_t seed = 0; seed < 200; ++seed)
    same += choose("{a|b}", seed) == negativeOfPicture("{a|b}", PromptSyntax::A1111, seed);
  EXPECT_NEAR(same, 100, 30);
}

TEST(Alternatives, WhatIsNoneStays) {
  for (const char* text :
       {"", "{subject}", "{", "}", "a|b", "{a|b", "{a\\|b}", "\\{a|b}", "{{a}}", "\\", "{a|{b"})
    EXPECT_EQ(choose(text, 3), text);
  EXPECT_EQ(promptOfPicture("{a|b}", PromptSyntax::Plain, 1), "{a|b}");
  EXPECT_THAT(choose("{a|b}}", 1), testing::AnyOf("a}", "b}"));
  EXPECT_THAT(choose("{x {a|b}", 1), testing::AnyOf("{x a", "{x b"));
  // What was chosen is chosen again: pictures keep the words they were made of.
  for (std::int64_t seed = 0; seed < 50; ++seed) {
    const std::string once = choose("{a|{b|\\{c\\|d\\}}} {{e|f} {g}}", seed);
    EXPECT_EQ(choose(once, seed + 1), once);
  }
  // Deep nesting is a loop, not a recursion.
  const std::string deep = std::string(200000, '{') + "a|b" + std::string(200000, '}');
  EXPECT_EQ(choose(deep, 1).size(), 2 * 199999 + 1U);
  std::string bars;
  for (int i = 0; i < 100000; ++i) bars += "{a|";
  EXPECT_EQ(choose(bars, 1), bars);
}

TEST(PromptFile, LinesWithoutCommentsAndBlanks) {
  const support::TempFolder folder;
  const auto read = [&](const std::string& content) {
    return readPromptFile(support::put(folder / "prompts.txt", content));
  };
  EXPECT_THAT(read("\xEF\xBB\xBF"
                   "a cat\r\n\r\n  # note\n\t a {subject}, (red)  \n日本\rlast")
                  .value(),
              ElementsAre("a cat", "a {subject}, (red)", "日本", "last"));
  EXPECT_THAT(read("one").value(), ElementsAre("one"));
  for (const char* bad : {"", "\n# only\n", "\xEF\xBB\xBF", "a\xff\xfe", "caf\xe9"})
    EXPECT_EQ(read(bad).error().code, api::ErrorCode::FileUnreadable) << bad;
  EXPECT_EQ(readPromptFile(folder / "missing.txt").error().code, api::ErrorCode::FileNotFound);
}

}  // namespace
}  // namespace likeness::text
