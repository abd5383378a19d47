// Every error says what and where, and what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "core/api/events.h"
#include "core/api/result.h"

namespace likeness::api {
namespace {

using testing::HasSubstr;

std::set<std::string> placeholders(const std::string& text) {
  std::set<std::string> names;
  const std::regex pattern(R"(\{([A-Za-z]+)(:bytes)?\})");
  for (auto match = std::sregex_iterator(text.begin(), text.end(), pattern);
       match != std::sregex_iterator();
       ++match)
    names.insert((*match)[1]);
  return names;
}

/// The comment of each code in result.h: the promise of which entries there are.
std::map<std::string, std::string> documentedContexts() {
  std::ifstream header("core/api/result.h");
  std::map<std::string, std::string> comments;
  const std::regex row(R"(^\s+(\w+),\s+///< (.*)$)");
  std::smatch match;
  for (std::string line; std::getline(header, line);)
    if (std::regex_match(line, match, row)) comments[match[1]] = match[2];
  return comments;
}

std::string snakeCase(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (std::isupper(static_cast<unsigned char>(c)) && !out.empty()) out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

TEST(ErrorTexts, EveryCodeHasOneRowInTheOrderOfTheEnum) {
  const auto comments = documentedContexts();
  ASSERT_EQ(comments.size(), allErrorCodes().size());
  std::set<std::string> names;
  for (std::size_t i = 0; i < allErrorCodes().size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(allErrorCodes()[i]), i);
    names.insert(std::string(name(allErrorCodes()[i])));
  }
  std::set<std::string> expected;
  for (const auto& [code, comment] : comments) expected.insert(snakeCase(code));
  EXPECT_EQ(names, expected);
}

TEST(ErrorTexts, SentencesUseOnlyDocumentedEntries) {
  std::map<std::string, std::string> bySnake;
  for (const auto& [code, comment] : documentedContexts()) bySnake[snakeCase(code)] = comment;
  for (const ErrorCode code : allErrorCodes()) {
    const auto [sentence, advice] = templates(code);
    const auto documented = placeholders(bySnake[std::string(name(code))]);
    for (const auto& text : {std::string(sentence), std::string(advice)})
      for (const std::string& entry : placeholders(text))
        EXPECT_TRUE(documented.contains(entry)) << name(code) << " {" << entry << "}";
  }
}

TEST(ErrorTexts, ReadAsSentencesWithAndWithoutTheirContext) {
  for (const ErrorCode code : allErrorCodes()) {
    Error full{code, {}, {}};
    const auto [sentence, advice] = templates(code);
    for (const auto& text : {std::string(sentence), std::string(advice)})
      for (const std::string& entry : placeholders(text))
        full.context.emplace_back(entry, "The value of " + entry);
    for (const Error& error : {full, Error{code, {}, {}}})
      for (const std::string& text : {message(error), hint(error)}) {
        EXPECT_GT(text.size(), 10u) << name(code);
        EXPECT_THAT(text, testing::Not(testing::ContainsRegex("[][{}|]|  |\\.\\."))) << name(code);
        EXPECT_TRUE(text.ends_with('.') || text.ends_with('?')) << text;
      }
  }
}

TEST(ErrorTexts, FillInWhatIsKnown) {
  EXPECT_EQ(message(Error{ErrorCode::DiskFull,
                          {{"file", "a.bin"}, {"needed", "3221225472"}, {"free", "1048576"}},
                          {}}),
            "The disk has no room left for a.bin: 3.0 GiB are needed and 1.0 MiB are free.");
  EXPECT_EQ(message(Error{ErrorCode::DiskFull, {{"file", "a.bin"}, {"free", "512"}}, {}}),
            "The disk has no room left for a.bin: 512 bytes are free.");
  EXPECT_EQ(message(Error{ErrorCode::DiskFull, {{"file", "a.bin"}}, {}}),
            "The disk has no room left for a.bin.");
  const Error unknown{
      ErrorCode::UnknownKey,
      {{"key", "training.step"}, {"file", "my.yaml"}, {"nearest", "training.steps"}},
      {}};
  EXPECT_EQ(message(unknown), "In my.yaml there is no option called \"training.step\".");
  EXPECT_EQ(hint(unknown), "Did you mean \"training.steps\"?");
  EXPECT_THAT(hint(Error{ErrorCode::UnknownKey, {{"key", "zzz"}}, {}}),
              HasSubstr("--print-config"));
}

TEST(ErrorTexts, ValuesAreNotTemplates) {
  EXPECT_EQ(message(Error{ErrorCode::FileNotFound, {{"file", "odd {file} [name|x].jpg"}}, {}}),
            "odd {file} [name|x].jpg does not exist.");
}

TEST(ErrorTexts, ExitCodesFollowTheKindOfFailure) {
  EXPECT_EQ(exitCode(ErrorCode::Internal), 1);
  EXPECT_EQ(exitCode(ErrorCode::UnknownKey), 2);
  EXPECT_EQ(exitCode(ErrorCode::FileNotFound), 3);
  EXPECT_EQ(exitCode(ErrorCode::DiskFull), 4);
  for (const ErrorCode code : allErrorCodes()) {
    EXPECT_GE(exitCode(code), 1);
    EXPECT_LE(exitCode(code), 4);
  }
}

TEST(Events, EveryStageHasItsWords) {
  std::set<std::string_view> labels;
  for (int stage = 0; stage <= static_cast<int>(Stage::Bench); ++stage)
    labels.insert(label(static_cast<Stage>(stage)));
  EXPECT_EQ(labels.size(), static_cast<std::size_t>(Stage::Bench) + 1);
}

}  // namespace
}  // namespace likeness::api
