// The page of a run: complete, self-contained, and safe against what a run may hold.
#include "core/workspace/report.h"

#include <gmock/gmock.h>

#include "core/image/photo.h"
#include "core/workspace/metrics_file.h"
#include "tests/core/workspace/run_fixture.h"
#include "tests/support/fake_engine.h"

namespace likeness::workspace {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Report, ShowsEverythingAndLoadsNothing) {
  const support::TempFolder folder;
  auto request = recipe(folder / "bo");
  request.subject.token = "<script>alert(1)</script>";
  request.watch.samplePrompts = {
      "\"><img src=x onerror=alert(2)>", "{subject} & co", "a \xff photo"};
  request.base.hash = "0123abcd";
  request.photos.push_back({"dog.png", "'quoted' <b>caption</b>", {}, false});
  makeRun(request, {});
  for (const auto& [step, probe] : {std::pair(160, 0.1), std::pair(320, 0.2)})
    writeCheckpoint(request.runFolder, step, {kUnetFile}, probe, step == 320);
  std::vector<api::MetricSample> samples;
  for (std::int64_t step = 0; step <= 320; ++step) {
    if (step % 40 == 0)
      samples.push_back(
          {step, api::Series::ProbeSubject, 0.2 / (1.0 + 0.01 * static_cast<double>(step))});
    samples.push_back({step, api::Series::SubjectLoss, 0.3});
    samples.push_back({step, api::Series::StepSeconds, 2});
    samples.push_back({step, api::Series::MemoryMiB, 1234});
  }
  support::put(request.runFolder / kMetricsFile, metricsText(samples));
  fs::create_directories(request.runFolder / kSamplesFolder);
  for (const std::int64_t step : {0, 160, 320})
    for (const std::int64_t prompt : {0, 1, 2, 3})  // the last one of a prompt that is gone
      ASSERT_TRUE(image::writePng(request.runFolder / sampleFile(step, prompt),
                                  support::testImage(600, 400)));
  support::put(request.runFolder / kSamplesFolder / "000480-00.png", "no picture");
  support::put(request.runFolder / kSamplesFolder / "notes.txt", "no sample");
  ASSERT_TRUE(image::writePng(request.runFolder / "class.png", support::testImage()));
  support::put(
      request.runFolder / kInputsFile,
      R"({"version": "9.9", "device": "cpu", "classPictures": [{"file": "class.png"}, {"file": 7}, 3]})");
  ASSERT_TRUE(writeWarnings(request.runFolder, {"Careful <now>", "second"}));

  ASSERT_TRUE(writeReport(request.runFolder));
  const std::string html = support::content(request.runFolder / kReportFile);
  EXPECT_EQ(count(html, "<svg"), 4U) << "probe, loss, seconds, memory";
  EXPECT_EQ(count(html, "src=\"data:image/webp;base64,"), 3U * 3 + 1);
  EXPECT_THAT(html, HasSubstr("width=\"256\" height=\"171\""));
  for (const char* part : {"Finished at step 320",
                           "320 of 320",
                           "10 min 42 s",
                           "1234 MiB",
                           "step 160</dd>",
                           "0123abcd",
                           "9.9",
                           "Careful &lt;now&gt;",
                           "Still learning",
                           "rank: 16",
                           "prefers-color-scheme",
                           "&amp; co",
                           "a \xEF\xBF\xBD photo"})
    EXPECT_THAT(html, HasSubstr(part));
  // Nothing of the run is markup, and nothing is fetched or run.
  for (const char* part :
       {"<script", "<img src=x", "<b>caption", "http:", "https:", "url(", "<link", "@import"})
    EXPECT_THAT(html, Not(HasSubstr(part)));
}

TEST(Report, IsMadeOfARunThatHasHardlyBegun) {
  const support::TempFolder folder;
  makeRun(recipe(folder / "run"), {});
  support::put(folder / "run" / kInputsFile, "[1, 2");
  ASSERT_TRUE(writeReport(folder / "run"));
  EXPECT_THAT(support::content(folder / "run" / kReportFile), HasSubstr("As of step 0 of 320"));
  EXPECT_FALSE(writeReport(folder / "none"));
}

TEST(Report, OfVeryManySamplesAnEvenChoiceIsShown) {
  const support::TempFolder folder;
  const auto request = recipe(folder / "run");
  makeRun(request, {});
  fs::create_directories(folder / "run" / kSamplesFolder);
  for (std::int64_t step = 0; step < 100; ++step)
    ASSERT_TRUE(image::writePng(folder / "run" / sampleFile(step, 0), support::testImage(8, 8)));
  ASSERT_TRUE(writeReport(folder / "run"));
  const std::string html = support::content(folder / "run" / kReportFile);
  EXPECT_EQ(count(html, "<img"), 16U);
  for (const char* row : {"<th>0</th>", "<th>99</th>"}) EXPECT_THAT(html, HasSubstr(row));
}

TEST(Report, StructureIsComparedNotPixels) {
  const auto picture = [](int shade, int width) { return support::testImage(width, width, shade); };
  EXPECT_NEAR(image::structureDistance(picture(0, 64), picture(0, 64)), 0, 1e-12);
  EXPECT_LT(image::structureDistance(picture(0, 64), picture(0, 96)), 0.05);
  auto upsideDown = std::make_shared<std::vector<std::uint8_t>>(*picture(0, 64).bytes);
  for (auto& byte : *upsideDown) byte = static_cast<std::uint8_t>(255 - byte);
  EXPECT_NEAR(
      image::structureDistance(picture(0, 64), {64, 64, api::PixelFormat::Rgb8, upsideDown}),
      2,
      1e-9);
  const auto flat = [](std::uint8_t value) {
    return api::Image{
        4, 4, api::PixelFormat::Rgb8, std::make_shared<std::vector<std::uint8_t>>(48, value)};
  };
  EXPECT_EQ(image::structureDistance(flat(9), flat(200)), 0);
  EXPECT_EQ(image::structureDistance(flat(9), picture(0, 64)), 1);
}

TEST(Report, TellsOfEverySubject) {
  const support::TempFolder folder;
  auto request = recipe(folder / "both");
  request.photos.resize(2);
  request.watch.samplePrompts = {"{subject} at sea", "a house"};
  api::FurtherSubject& cat = request.furtherSubjects.emplace_back();
  cat.subject.token = "zwx";
  cat.subject.classWord = "cat";
  cat.photos.resize(3);
  makeRun(request, {});
  fs::create_directories(request.runFolder / kSamplesFolder);
  for (const std::int64_t sample : {0, 1, 2, 3})
    ASSERT_TRUE(image::writePng(request.runFolder / sampleFile(0, sample), support::testImage()));
  ASSERT_TRUE(image::writePng(request.runFolder / "class.png", support::testImage()));
  support::put(request.runFolder / kInputsFile,
               R"({"classPictures": [{"file": "class.png", "subject": 0},
                   {"file": "class.png", "subject": 1}, {"file": "class.png", "subject": 1}]})");
  ASSERT_TRUE(writeReport(request.runFolder));
  const std::string html = support::content(request.runFolder / kReportFile);
  for (const char* part : {"<h1>sks toy, zwx cat, run both</h1>",
                           "<dt>Photos</dt><dd>5</dd>",
                           "<th>sks toy at sea</th><th>zwx cat at sea</th><th>a house</th>",
                           "The first of 1: a photo of toy",
                           "The first of 2: a photo of cat"})
    EXPECT_THAT(html, HasSubstr(part));
  EXPECT_EQ(count(html, "src=\"data:image/webp;base64,"), 3U + 3);
}

}  // namespace
}  // namespace likeness::workspace
