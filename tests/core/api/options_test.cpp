// The field tables: complete, unique, and true to the structs they describe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/api/requests.h"

namespace likeness::api {
namespace {

const TrainRequest kTrain;
const GenerateRequest kGenerate;

/// A value of the row's kind that differs from `old` and stays in range.
FieldValue other(const FieldInfo& row, const FieldValue& old) {
  switch (row.kind) {
    case FieldKind::Boolean:
      return !std::get<bool>(old);
    case FieldKind::Integer: {
      const std::int64_t value = std::get<std::int64_t>(old);
      return static_cast<double>(value) + 1 <= row.max ? value + 1 : value - 1;
    }
    case FieldKind::Number: {
      const double value = std::get<double>(old);
      return (value + (value / 2 <= row.max - value ? value / 2 + row.min / 2 + 1e-9 : -value / 2));
    }
    case FieldKind::Choice: {
      const auto& value = std::get<std::string>(old);
      return std::string(row.choices[0] == value ? row.choices[1] : row.choices[0]);
    }
    case FieldKind::TextList:
      return std::vector<std::string>{"one", "two"};
    case FieldKind::Text:
    case FieldKind::Path:
      break;
  }
  return std::get<std::string>(old) + "x";
}

template <class S>
void expectTableWorks(S object) {
  for (const Field<S>& row : fields<S>()) {
    const S before = object;
    const FieldValue value = other(row, row.get(object));
    ASSERT_TRUE(row.set(object, value)) << row.key;
    EXPECT_EQ(row.get(object), value) << row.key;
    EXPECT_FALSE(object == before) << row.key;
    // Exactly this member changed.
    S restored = object;
    ASSERT_TRUE(row.set(restored, row.get(before))) << row.key;
    EXPECT_TRUE(restored == before) << row.key;
    const FieldValue wrong =
        row.kind == FieldKind::Boolean ? FieldValue(std::string("?")) : FieldValue(true);
    EXPECT_FALSE(row.set(object, wrong)) << row.key;
  }
}

TEST(FieldTables, EveryRowReadsAndWritesItsMember) {
  forEachSection(kTrain, [](const char*, const auto& options) { expectTableWorks(options); });
  forEachSection(kGenerate, [](const char*, const auto& options) { expectTableWorks(options); });
  expectTableWorks(GenerateRequest{});
}

/// Members by structured bindings: a new member without a row stops the compiler or the count.
TEST(FieldTables, EveryMemberHasARow) {
  const auto count = []<class... T>(T&...) { return sizeof...(T); };
  const auto& [a1, a2, a3, a4, a5] = SubjectOptions{};
  EXPECT_EQ(fields<SubjectOptions>().size(), count(a1, a2, a3, a4, a5));
  const auto& [b1, b2, b3, b4, b5, b6, b7, b8, b9, b10] = SamplingOptions{};
  const std::size_t sampling = count(b1, b2, b3, b4, b5, b6, b7, b8, b9, b10);
  EXPECT_EQ(fields<SamplingOptions>().size(), sampling);
  const auto& [c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18] =
      TrainingOptions{};
  EXPECT_EQ(fields<TrainingOptions>().size(),
            count(c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18));
  const auto& [d1, d2, d3, d4, d5, d6, d7, d8] = LoraOptions{};
  EXPECT_EQ(fields<LoraOptions>().size(), count(d1, d2, d3, d4, d5, d6, d7, d8));
  const auto& [e1, e2, e3, e4, e5] = PriorOptions{};
  EXPECT_EQ(fields<PriorOptions>().size(), count(e1, e2, e3, e4, e5) - 1 + sampling);
  const auto& [f1, f2, f3, f4, f5, f6] = OptimizerOptions{};
  EXPECT_EQ(fields<OptimizerOptions>().size(), count(f1, f2, f3, f4, f5, f6));
  const auto& [g1, g2, g3, g4, g5, g6, g7, g8, g9] = WatchOptions{};
  EXPECT_EQ(fields<WatchOptions>().size(),
            count(g1, g2, g3, g4, g5, g6, g7, g8, g9) - 1 + sampling);
  const auto& [h1, h2, h3] = CheckpointOptions{};
  EXPECT_EQ(fields<CheckpointOptions>().size(), count(h1, h2, h3));
  const auto& [j1, j2, j3, j4] = EmbeddingOptions{};
  EXPECT_EQ(fields<EmbeddingOptions>().size(), count(j1, j2, j3, j4));
  const auto& [k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15] = LossOptions{};
  EXPECT_EQ(fields<LossOptions>().size(),
            count(k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15));
  const auto& [l1, l2, l3, l4, l5] = DataOptions{};
  EXPECT_EQ(fields<DataOptions>().size(), count(l1, l2, l3, l4, l5));
  const auto& [m1, m2, m3, m4] = MemoryOptions{};
  EXPECT_EQ(fields<MemoryOptions>().size(), count(m1, m2, m3, m4));
  const auto& [i1, i2, i3, i4, i5] = ComputeOptions{};
  EXPECT_EQ(fields<ComputeOptions>().size(), count(i1, i2, i3, i4, i5));
}

TEST(FieldTables, FlagsOfTrainingAreUniqueAndTheGrammarsOwnAreThere) {
  std::set<std::string> flags;
  std::size_t rows = 0;
  forEachSection(kTrain, [&]<class S>(const char* section, const S&) {
    for (const auto& row : fields<S>()) {
      flags.insert(kebabCase(row.key));
      ++rows;
      EXPECT_NE(row.key, section);
    }
  });
  EXPECT_EQ(flags.size(), rows);
  EXPECT_THAT(flags,
              testing::IsSupersetOf({"token",
                                     "class",
                                     "method",
                                     "steps",
                                     "class-images",
                                     "resolution",
                                     "seed",
                                     "rank",
                                     "dtype"}));
  // Taken by the command line itself.
  for (const char* taken :
       {"base", "photos", "out", "config", "resume", "json", "help", "project", "print-config"})
    EXPECT_FALSE(flags.contains(taken)) << taken;
}

TEST(FieldTables, FlagsOfGenerationAreUnique) {
  std::set<std::string> flags;
  std::size_t rows = 0;
  const auto add = [&]<class S>(const S&) {
    for (const auto& row : fields<S>()) flags.insert(kebabCase(row.key)), ++rows;
  };
  add(GenerateRequest{});
  forEachSection(kGenerate, [&](const char*, const auto& options) { add(options); });
  EXPECT_EQ(flags.size(), rows);
  EXPECT_THAT(flags,
              testing::IsSupersetOf({"prompt",
                                     "negative",
                                     "sampler",
                                     "steps",
                                     "guidance",
                                     "seed",
                                     "count",
                                     "dtype",
                                     "initial-latents"}));
}

TEST(FieldTables, EveryRowSpeaksAndItsDefaultIsInRange) {
  const auto check = []<class S>(const S& defaults) {
    for (const Field<S>& row : fields<S>()) {
      EXPECT_FALSE(row.label.empty()) << row.key;
      EXPECT_TRUE(row.help.ends_with('.')) << row.key;
      const bool number = row.kind == FieldKind::Integer || row.kind == FieldKind::Number;
      EXPECT_EQ(number,
                row.min > std::numeric_limits<double>::lowest() &&
                    row.max < std::numeric_limits<double>::max())
          << row.key;
      EXPECT_EQ(row.kind == FieldKind::Choice, !row.choices.empty()) << row.key;
      const FieldValue value = row.get(defaults);
      const double numeric = std::holds_alternative<std::int64_t>(value)
                                 ? static_cast<double>(std::get<std::int64_t>(value))
                             : std::holds_alternative<double>(value) ? std::get<double>(value)
                                                                     : row.min;
      EXPECT_TRUE(numeric >= row.min && numeric <= row.max) << row.key;
    }
  };
  forEachSection(kTrain, [&](const char*, const auto& options) { check(options); });
  check(GenerateRequest{});
}

TEST(FieldTables, ConvertOnlyWhatFits) {
  TrainingOptions training;
  const auto row = [](std::string_view key) {
    return *std::ranges::find(fields<TrainingOptions>(), key, &Field<TrainingOptions>::key);
  };
  EXPECT_TRUE(row("learningRate").set(training, std::int64_t{1}));
  EXPECT_EQ(training.learningRate, 1.0);
  EXPECT_FALSE(row("steps").set(training, 1.5));
  EXPECT_FALSE(row("method").set(training, std::string("Lora")));
  EXPECT_EQ(training.method, Method::Full);
}

TEST(Words, OfKeysAndRanges) {
  EXPECT_EQ(kebabCase("passesPerPhoto"), "passes-per-photo");
  EXPECT_EQ(kebabCase("rank"), "rank");
  EXPECT_EQ(kebabCase("beta1"), "beta1");
  EXPECT_EQ(rangeText({.key = "k", .label = "l", .help = "h", .min = 0, .max = 1}),
            "between 0 and 1");
  EXPECT_EQ(rangeText({.key = "k", .label = "l", .help = "h", .min = 2}), "at least 2");
  EXPECT_EQ(rangeText({.key = "k", .label = "l", .help = "h", .max = 2}), "at most 2");
}

}  // namespace
}  // namespace likeness::api
