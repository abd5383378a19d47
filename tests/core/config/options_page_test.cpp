// The guide's page of options is what the field tables say.
#include <gmock/gmock.h>

#include "core/config/config.h"
#include "tests/support/temp_folder.h"

namespace likeness::config {
namespace {

TEST(OptionsPage, OfTheGuideIsThatOfTheTables) {
  EXPECT_TRUE(support::content("resources/guide/options.md") == optionsPage())
      << "renew it: build/dev/bin/likeness-cli options > resources/guide/options.md";
}

TEST(OptionsPage, NamesEachOptionWithDefaultAndLimits) {
  EXPECT_THAT(optionsPage(),
              testing::HasSubstr(
                  "**Warm-up** `--lr-warmup` (`training.lrWarmup`): default `0` of the steps, "
                  "between 0 and 1, *expert*.  \nPart of the steps"));
  EXPECT_THAT(
      optionsPage(),
      testing::HasSubstr("**Begins as** `--initial-word` (`embedding.initialWord`): default none"));
}

/// One sentence says what an option does, another when to change it.
TEST(OptionsPage, EveryHelpHasTwoSentences) {
  const api::TrainRequest request;
  api::forEachSection(request, [](const char* section, const auto& options) {
    using S = std::remove_cvref_t<decltype(options)>;
    for (const auto& row : api::fields<S>()) {
      const bool two = row.help.find(". ") != std::string_view::npos ||
                       row.help.find("; ") != std::string_view::npos;
      EXPECT_TRUE(two && row.help.ends_with('.')) << section << "." << row.key << ": " << row.help;
    }
  });
}

}  // namespace
}  // namespace likeness::config
