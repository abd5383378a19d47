// What a run writes of itself while it trains: events, metrics of older versions, report, advice;
// and when it saves or ends.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "core/config/config.h"
#include "core/image/photo.h"
#include "core/train/checkpoint.h"
#include "core/workspace/event_file.h"
#include "core/workspace/fork_run.h"
#include "core/workspace/report.h"
#include "core/workspace/resolve_model.h"
#include "core/workspace/run_folder.h"
#include "tests/core/train/job_fixture.h"
#include "tests/support/event_reader.h"
#include "tests/support/faulty_files.h"

namespace likeness::train::test {
namespace {

using api::Series;
using testing::HasSubstr;

class WatchTest : public TrainTest {
 protected:
  api::TrainRequest request(const std::string& name) const {
    auto r = TrainTest::request(name);
    r.watch.samplePrompts.emplace_back("a photo of {class}");
    return r;
  }
  void runAgain(api::TrainRequest r) {
    r.resume = true;
    const auto result = run(r);
    ASSERT_TRUE(result) << api::message(result.error());
  }
  std::vector<std::int64_t> checkpoints(const std::string& name) const {
    std::vector<std::int64_t> steps;
    for (const auto& found : workspace::listCheckpoints(folder / name)) steps.push_back(found.step);
    return steps;
  }

  /// Everything that equal runs have in common: (step, tag, value or "picture").
  using Curves = std::vector<std::tuple<std::int64_t, std::string, std::string>>;
  Curves events(const std::string& name) const {
    const auto read = support::readEvents(support::content(folder / name / workspace::kEventsFile));
    EXPECT_TRUE(read) << "damaged";
    Curves curves;
    for (const auto& event : read.value_or(std::vector<support::TensorBoardEvent>())) {
      for (const auto& [tag, value] : event.scalars)
        if (tag != "step_seconds" && tag != "memory_mib")
          curves.emplace_back(event.step, tag, std::to_string(value));
      for (const auto& [tag, png] : event.pictures) {
        EXPECT_THAT(png, testing::StartsWith("\x89PNG"));
        curves.emplace_back(event.step, tag, "picture");
      }
      for (const auto& [tag, text] : event.texts) curves.emplace_back(event.step, tag, "text");
    }
    return curves;
  }
};

TEST_F(WatchTest, EventsHoldCurvesPicturesAndTexts) {
  ASSERT_TRUE(run(request("run")));
  std::map<std::string, std::vector<std::int64_t>> steps;
  for (const auto& [step, tag, value] : events("run")) steps[tag].push_back(step);
  for (const char* tag : {"loss/subject", "loss/class", "learning_rate", "grad_norm"})
    EXPECT_EQ(steps[tag].size(), kJobSteps) << tag;
  EXPECT_THAT(steps["probe/subject"], testing::ElementsAre(0, 4, 8, 12));
  EXPECT_THAT(steps["probe/class"], testing::ElementsAre(0, 4, 8, 12));
  EXPECT_THAT(steps["samples/1 sks toy on the beach"], testing::ElementsAre(0, 6, 12));
  EXPECT_THAT(steps["class_drift"], testing::ElementsAre(0, 6, 12));
  for (const char* tag : {"configuration", "sample_prompts", "version"})
    EXPECT_THAT(steps[tag], testing::ElementsAre(0)) << tag;
  // The values are those of metrics.csv.
  std::map<std::pair<std::int64_t, std::string>, std::string> values;
  for (const auto& [step, tag, value] : events("run")) values[{step, tag}] = value;
  for (const auto& sample : workspace::readMetrics(folder / "run/metrics.csv")) {
    if (sample.series == Series::StepSeconds || sample.series == Series::MemoryMiB) continue;
    const std::string tag(workspace::tagOf(sample.series));
    EXPECT_EQ((values[{sample.step, tag}]), std::to_string(static_cast<float>(sample.value)));
  }
  // Of the class's picture alone, and from nothing.
  double first = -1, last = -1;
  for (const auto& sample : reporter.metrics)
    if (sample.series == Series::ClassDrift) (sample.step == 0 ? first : last) = sample.value;
  EXPECT_NEAR(first, 0, 1e-9);
  EXPECT_GT(last, 0);
}

TEST_F(WatchTest, SamplesAreMadeAsTheirOptionsSay) {
  auto r = request("run");
  r.training.steps = 2;
  r.watch.samplePrompts = {"{subject} in the snow"};
  r.watch.sampleEvery = 1;
  r.watch.sampleSeed = 7;
  r.watch.sampling = {api::SamplerKind::Ddim, 3, 2.5, false, 0.5};
  r.watch.sampling.guidanceRescale = 0.25;
  r.watch.sampling.clipSkip = 2;
  r.watch.sampling.spacing = api::TimestepSpacing::Trailing;
  ASSERT_TRUE(run(r));
  for (const std::int64_t step : {0, 1, 2}) {
    const fs::path file = r.runFolder / workspace::sampleFile(step, 0);
    const auto text = image::readPngText(file).value();
    const auto entry = std::ranges::find(text, "likeness", [](const auto& e) { return e.first; });
    ASSERT_NE(entry, text.end()) << step;
    const auto made = config::generateRequestFromJson(entry->second, file.string()).value();
    EXPECT_EQ(made.sampling, r.watch.sampling);
    EXPECT_EQ(made.seed, 7);
    EXPECT_EQ(made.prompt, "sks toy in the snow");
  }
  EXPECT_FALSE(fs::exists(r.runFolder / workspace::sampleFile(0, 1)));
  // And the options reach the pixels: another picture of the same weights for each.
  const auto untrained = [&](const char* name, const auto& change) {
    auto other = r;
    other.runFolder = folder / name;
    other.training.steps = 1;
    change(other.watch);
    EXPECT_TRUE(run(other));
    return image::readPhoto(other.runFolder / workspace::sampleFile(0, 0)).value().image;
  };
  const api::Image plain = untrained("plain", [](api::WatchOptions&) {});
  EXPECT_EQ(plain, image::readPhoto(r.runFolder / workspace::sampleFile(0, 0)).value().image);
  EXPECT_FALSE(plain == untrained("seed", [](api::WatchOptions& w) { w.sampleSeed = 8; }));
  EXPECT_FALSE(plain == untrained("steps", [](api::WatchOptions& w) { w.sampling.steps = 4; }));
}

TEST_F(WatchTest, WithoutTensorBoardThereAreNoEvents) {
  auto r = request("run");
  r.watch.tensorboard = false;
  ASSERT_TRUE(run(r));
  EXPECT_FALSE(fs::exists(folder / "run" / workspace::kEventsFile));
}

TEST_F(WatchTest, CurvesOfAnInterruptedRunEqualThoseOfAnUndisturbedOne) {
  ASSERT_TRUE(run(request("whole")));
  const auto parts = request("parts");
  runUntil(parts, 2);
  {
    auto more = parts;
    more.resume = true;
    runUntil(more, 8);
  }
  // As if it had been killed while it wrote, with the checkpoint of step 6 the last.
  fs::remove_all(workspace::checkpointFolder(folder / "parts", 8));
  const fs::path file = folder / "parts" / workspace::kEventsFile;
  support::put(file, support::content(file) + workspace::eventFileStart(1).substr(0, 20));
  runAgain(parts);
  EXPECT_EQ(events("whole"), events("parts"));
}

TEST_F(WatchTest, ARunOfAnEarlierVersionIsContinuedInTodaysColumns) {
  ASSERT_TRUE(run(request("whole")));
  const auto parts = request("parts");
  runUntil(parts, 5);
  // Its metrics had seven columns, its folder no events.
  std::string old =
      "step,subject_loss,class_loss,probe_subject,probe_class,learning_rate,grad_norm,step_"
      "seconds\n";
  const auto all = workspace::readMetrics(folder / "parts/metrics.csv");
  std::istringstream rows(workspace::metricsText(all));
  std::string row;
  for (std::getline(rows, row); std::getline(rows, row);) {
    std::size_t end = 0;
    for (int cells = 0; cells < 8; ++cells) end = row.find(',', end + 1);
    old += row.substr(0, end) + "\n";
  }
  support::put(folder / "parts/metrics.csv", old + "6,0.1,");
  fs::remove(folder / "parts" / workspace::kEventsFile);
  runAgain(parts);
  const auto comparable = [&](const char* name) {
    std::vector<std::tuple<std::int64_t, Series, double>> values;
    for (const auto& s : workspace::readMetrics(folder / name / "metrics.csv"))
      if (s.series < Series::StepSeconds) values.emplace_back(s.step, s.series, s.value);
    return values;
  };
  EXPECT_EQ(comparable("whole"), comparable("parts"));
  EXPECT_THAT(support::content(folder / "parts/metrics.csv"),
              testing::StartsWith(workspace::metricsHeader()));
  EXPECT_EQ(std::get<0>(events("parts").back()), kJobSteps);
}

TEST_F(WatchTest, TheReportIsThereWithItsWarnings) {
  auto r = request("run");
  r.subject.token = "extraordinary";
  runUntil(r, 4);
  const fs::path file = folder / "run" / workspace::kReportFile;
  EXPECT_THAT(support::content(file), HasSubstr("As of step 4 of 12"));
  runAgain(r);
  const std::string html = support::content(file);
  EXPECT_THAT(html, HasSubstr("Finished at step 12"));
  EXPECT_THAT(html, HasSubstr("<ul class=\"warnings\"><li>"));
  EXPECT_EQ(workspace::readWarnings(folder / "run").size(), 1U) << "once, not once a session";
}

TEST_F(WatchTest, CheckpointsAlsoComeByTheClock) {
  auto r = request("run");
  r.checkpoints.every = 1000;
  r.checkpoints.keep = 100;
  ASSERT_TRUE(run(r));
  EXPECT_THAT(checkpoints("run"), testing::ElementsAre(kJobSteps));
  r.runFolder = folder / "clock";
  r.checkpoints.minutes = 1e-9;
  ASSERT_TRUE(run(r));
  EXPECT_EQ(checkpoints("clock").size(), kJobSteps);
}

TEST_F(WatchTest, StopsWhenTheClassDriftsForNothing) {
  auto r = request("run");
  r.training.learningRate = 1;  // ruins the model at once
  r.watch.probeEvery = 1;
  ASSERT_TRUE(run(r));
  EXPECT_EQ(reporter.advices.back().state, api::AdviceState::Drifting);
  EXPECT_EQ(reporter.advices.back().step, kJobSteps) << "told, but not asked to stop";
  reporter.advices.clear();
  r.runFolder = folder / "early";
  r.watch.stopEarly = true;
  const auto result = run(r);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->cancelled);
  const auto& last = reporter.advices.back();
  EXPECT_EQ(last.state, api::AdviceState::Drifting);
  EXPECT_LT(last.step, kJobSteps);
  const auto kept = workspace::listCheckpoints(r.runFolder);
  EXPECT_EQ(kept.back().step, last.step);
  EXPECT_TRUE(workspace::readManifest(kept.back().folder)->finished);
}

TEST_F(WatchTest, AdviceKnowsTheWholeRunAfterAResume) {
  auto r = request("whole");
  r.watch.probeEvery = 2;
  ASSERT_TRUE(run(r));
  ASSERT_FALSE(reporter.advices.empty());
  const auto expected = reporter.advices;
  reporter.advices.clear();
  r.runFolder = folder / "parts";
  runUntil(r, 9);
  runAgain(r);
  EXPECT_EQ(reporter.advices, expected);
}

TEST_F(WatchTest, LatentsThatAreNoNumbersNameTheirPicture) {
  auto r = request("run");
  runUntil(r, 1);
  const fs::path cached = fs::directory_iterator(r.cacheFolder)->path();
  auto tensors = tensor::loadSafetensors(cached).value();
  tensors.at("std").fill_(std::numeric_limits<double>::quiet_NaN());
  ASSERT_TRUE(tensor::saveSafetensors(cached, tensors, {{"format", "pt"}}));
  r.resume = true;
  const auto result = run(r);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::NonFinite);
  EXPECT_THAT(api::message(result.error()), HasSubstr(".png stopped being a number."));
  EXPECT_THAT(api::hint(result.error()), HasSubstr("another autoencoder"));
}

TEST_F(WatchTest, AForkGoesOnFromTheCheckpointUnderOtherOptions) {
  auto r = request("run");
  runUntil(r, 8);
  const auto stored = workspace::readRunRequest(r.runFolder).value();
  auto fork = stored;
  fork.runFolder = folder / "same";
  EXPECT_EQ(workspace::forkRun(r.runFolder, fork).value(), 8);
  // Under the same options it is the same run.
  fork.resume = true;
  ASSERT_TRUE(run(fork));
  ASSERT_TRUE(run(request("whole")));
  EXPECT_EQ(events("whole"), events("same"));
  // Under others it is another one, and the first is as it was.
  fork.runFolder = folder / "slow";
  fork.training.learningRate = 1e-4;
  ASSERT_TRUE(workspace::forkRun(r.runFolder, fork));
  ASSERT_TRUE(run(fork)) << "options that a resume would refuse";
  const auto slow = events("slow"), whole = events("whole");
  EXPECT_NE(whole, slow);
  EXPECT_EQ(slow.size(), whole.size());
  EXPECT_EQ(checkpoints("run").back(), 8);
  // What the saved tensors do not fit is refused by its name, and nothing is overwritten.
  EXPECT_EQ(workspace::forkRun(r.runFolder, fork).error().code, ErrorCode::RunExists);
  fork.runFolder = folder / "other";
  fork.training.trainTextEncoder = !fork.training.trainTextEncoder;
  EXPECT_EQ(workspace::forkRun(r.runFolder, fork).error().value("key"),
            "training.trainTextEncoder");
  EXPECT_FALSE(fs::exists(fork.runFolder));
}

/// From the row of a step until its checkpoint is done: whatever fails, the run ends with a
/// sentence and can be continued from the checkpoint before.
TEST_F(WatchTest, EveryFailingWriteAroundACheckpointLeavesTheRunWhole) {
  auto r = request("counted");
  r.watch.sampleEvery = -1;
  r.training.steps = 6;
  std::optional<support::FaultyFiles> faulty;
  const auto failAt = [&](int call, int error) {
    reporter.onProgress = [&, call, error](const api::Progress& p) {
      if (p.stage == api::Stage::Train && p.done == 5) faulty.emplace(call, error);
    };
  };
  failAt(-1, 0);
  ASSERT_TRUE(run(r));
  const int calls = faulty->calls();
  faulty.reset();
  ASSERT_GT(calls, 30);
  // Every one of them takes minutes: LIKENESS_LONG_TESTS=1 does that, else each seventh.
  const int stride = std::getenv("LIKENESS_LONG_TESTS") ? 1 : 7;
  int tried = 0, ended = 0;
  for (int call = 0; call < calls; call += stride, ++tried) {
    const int error = std::array{ENOSPC, EIO, EACCES}[static_cast<std::size_t>(call) % 3];
    r.runFolder = folder / ("run" + std::to_string(call));
    reporter.warnings.clear();
    failAt(call, error);
    const auto result = run(r);
    const std::string name = faulty->names().at(static_cast<std::size_t>(call));
    faulty.reset();
    reporter.onProgress = nullptr;
    if (!result) {
      ++ended;
      EXPECT_EQ(result.error().code,
                error == ENOSPC ? ErrorCode::DiskFull : ErrorCode::FileUnwritable)
          << call << " " << name;
      EXPECT_NE(api::message(result.error()), "");
    }
    const auto newest = newestCheckpoint(r.runFolder, reporter);
    ASSERT_TRUE(newest) << call << " " << name;
    EXPECT_GE(newest->manifest.step, 3) << call << " " << name;
    for (const auto& warning : reporter.warnings)
      EXPECT_NE(warning.code, ErrorCode::DamagedCheckpoint) << call << " " << name;
    if (tried % 10 == 0) runAgain(r);
    fs::remove_all(r.runFolder);
  }
  EXPECT_GT(ended, tried / 4);
}

}  // namespace
}  // namespace likeness::train::test
