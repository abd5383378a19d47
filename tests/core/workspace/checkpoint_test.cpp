// Checkpoints are valid or named as damaged; metrics read back what was written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/workspace/metrics_file.h"
#include "tests/core/workspace/run_fixture.h"

namespace likeness::workspace {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using support::TempFolder;

CheckpointManifest example() {
  return {320,
          api::Method::Lora,
          16,
          true,
          0.125,
          std::nullopt,
          "2026-05-01T12:00:00Z",
          {{"adapter.safetensors", 7, "ab"}}};
}

TEST(Manifest, RoundTrips) {
  for (const CheckpointManifest& manifest : {CheckpointManifest{}, example()}) {
    const auto read = manifestFromJson(toJson(manifest), "folder");
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(*read, manifest);
  }
}

TEST(Manifest, RefusesWhatIsIncompleteOrStrange) {
  const auto complete = nlohmann::json::parse(toJson(example()));
  for (const auto& [key, value] : complete.items()) {
    auto json = complete;
    json.erase(key);
    EXPECT_EQ(manifestFromJson(json.dump(), "f").error().code, ErrorCode::DamagedCheckpoint) << key;
    json = complete;
    json[key] = {{"x", 1}};
    EXPECT_FALSE(manifestFromJson(json.dump(), "f")) << key;
  }
  for (const std::string name : {"../x", "/etc/passwd", "a/b", "", ".."}) {
    auto json = complete;
    json["files"][0]["name"] = name;
    EXPECT_EQ(manifestFromJson(json.dump(), "f").error().code, ErrorCode::DamagedCheckpoint)
        << name;
  }
  auto newer = complete;
  newer["schemaVersion"] = 2;
  EXPECT_EQ(manifestFromJson(newer.dump(), "f").error().code, ErrorCode::NewerSchema);
  for (const std::string text : {"", "{", "[]", "null"})
    EXPECT_FALSE(manifestFromJson(text, "f")) << text;
}

TEST(Manifest, ChecksItsFiles) {
  const TempFolder folder;
  const CheckpointManifest written =
      writeCheckpoint(folder.path(), 160, {kUnetFile, kOptimizerFile}, 0.5);
  const fs::path place = folder / "checkpoints/000160";
  ASSERT_TRUE(fs::exists(place / kManifestFile));
  EXPECT_EQ(readManifest(place, true).value(), written);

  const std::string original = support::content(place / kUnetFile);
  std::string flipped = original;
  flipped[3] ^= 1;
  support::put(place / kUnetFile, flipped);
  EXPECT_TRUE(readManifest(place));
  EXPECT_EQ(readManifest(place, true).error().code, ErrorCode::DamagedCheckpoint);
  support::put(place / kUnetFile, original.substr(1));
  EXPECT_EQ(readManifest(place).error().code, ErrorCode::DamagedCheckpoint);
  EXPECT_THAT(api::message(readManifest(place).error()), testing::HasSubstr("unet.safetensors"));
  fs::remove(place / kUnetFile);
  EXPECT_EQ(readManifest(place).error().code, ErrorCode::DamagedCheckpoint);
  fs::remove(place / kManifestFile);
  EXPECT_EQ(readManifest(place).error().code, ErrorCode::NoCheckpoint);
}

using api::MetricSample;
using api::Series;
bool same(const MetricSample& a, const MetricSample& b) {
  return a.step == b.step && a.series == b.series && a.value == b.value;
}

TEST(Metrics, ReadBackExactly) {
  const TempFolder folder;
  const std::vector<MetricSample> first{{1, Series::SubjectLoss, 1.0 / 3},
                                        {1, Series::LearningRate, 5e-6},
                                        {1, Series::StepSeconds, 1e-300}};
  std::vector<MetricSample> second;
  for (int s = 0; s <= static_cast<int>(Series::ClipPrompt); ++s)
    second.push_back({2, static_cast<Series>(s), s * 0.1});
  support::put(folder / "metrics.csv",
               metricsHeader() + metricsRow(1, first) + metricsRow(2, second) + "3,0.5,");
  std::vector<MetricSample> expected = first;
  expected.insert(expected.end(), second.begin(), second.end());
  const auto read = readMetrics(folder / "metrics.csv");
  ASSERT_EQ(read.size(), expected.size());
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_TRUE(same(read[i], expected[i])) << i;
}

TEST(Metrics, RowsAreLaidOutAnewAsTheyWere) {
  const TempFolder folder;
  const std::string text =
      metricsHeader() + metricsRow(0, {{0, Series::ProbeSubject, 0.1}}) +
      metricsRow(1, {{1, Series::SubjectLoss, 1.0 / 3}, {1, Series::ClassDrift, 5e-324}});
  EXPECT_EQ(metricsText(readMetrics(support::put(folder / "m.csv", text))), text);
}

TEST(Metrics, LeaveOutWhatTheyCannotRead) {
  const TempFolder folder;
  EXPECT_TRUE(readMetrics(folder / "none.csv").empty());
  support::put(folder / "m.csv", "");
  EXPECT_TRUE(readMetrics(folder / "m.csv").empty());
  support::put(folder / "m.csv",
               "step,subject_loss,of_the_future\n1,0.5,9\nx,0.5,9\n2,0.5\n3,oops,9\n4,nan,9\n");
  const auto read = readMetrics(folder / "m.csv");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_TRUE(same(read[0], {1, Series::SubjectLoss, 0.5}));
  EXPECT_EQ(read[1].step, 4);
  EXPECT_TRUE(std::isnan(read[1].value));
}

}  // namespace
}  // namespace likeness::workspace
