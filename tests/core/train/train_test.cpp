// The whole job on a tiny model: files, exact resume, stops, refusals.
#include "core/workspace/resolve_model.h"
#include "tests/core/train/job_fixture.h"
#include "tests/support/faulty_files.h"

namespace likeness::train::test {
namespace {

using testing::Contains;
using testing::Key;

TEST_F(TrainTest, LeavesACompleteRunBehind) {
  const auto result = run(request("run"));
  ASSERT_TRUE(result) << api::message(result.error()) << result.error().detail;
  EXPECT_FALSE(result->cancelled);
  std::map<std::string, api::FieldValue> figures(result->figures.begin(), result->figures.end());
  for (const char* name : {"steps",
                           "step_s_median",
                           "total_s",
                           "first_step_s",
                           "class_images_s",
                           "peak_rss_mib",
                           "loss_subject",
                           "loss_class",
                           "probe_subject",
                           "probe_class"})
    EXPECT_THAT(figures, Contains(Key(name)));
  EXPECT_EQ(std::get<std::int64_t>(figures.at("steps")), kJobSteps);
  EXPECT_THAT(reporter.stages,
              testing::ElementsAre(api::Stage::LoadModel,
                                   api::Stage::PreparePhotos,
                                   api::Stage::ClassImages,
                                   api::Stage::CacheLatents,
                                   api::Stage::Train));
  // Baseline, middle, end.
  const auto samples = reporter.of(api::PictureKind::Sample);
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[0].step, 0);
  EXPECT_EQ(samples[0].prompt, "sks toy on the beach");
  EXPECT_TRUE(fs::exists(folder / "run/samples/000012-00.png"));
  // Header, the untrained probe, one row a step.
  const auto rows = metricRows(folder / "run");
  ASSERT_EQ(rows.size(), 2U + kJobSteps);
  EXPECT_THAT(std::vector(rows[1].begin(), rows[1].begin() + 3), testing::ElementsAre("0", "", ""));
  EXPECT_EQ(rows.back().front(), "12");
  const auto kept = workspace::listCheckpoints(folder / "run");
  ASSERT_GE(kept.size(), 2U);
  EXPECT_EQ(kept.back().step, kJobSteps);
  EXPECT_TRUE(workspace::readManifest(kept.back().folder)->finished);
  EXPECT_TRUE(fs::exists(folder / "run/run.yaml"));
  EXPECT_TRUE(fs::exists(folder / "run/inputs.json"));
  EXPECT_TRUE(reporter.warnings.empty());
}

struct ResumeCase {
  Method method;
  std::int64_t stopAt, threads;
  Tiny model = Tiny::Noise;
  std::string name = "";
  void (*change)(api::TrainRequest&) = nullptr;
};
class ResumeTest : public TrainTest, public testing::WithParamInterface<ResumeCase> {};

TEST_P(ResumeTest, EqualsAnUninterruptedRunBitForBit) {
  const auto& [method, stopAt, threads, model, name, change] = GetParam();
  auto whole = request("whole", method, model), parts = request("parts", method, model);
  whole.compute.threads = parts.compute.threads = threads;
  if (change)
    for (auto* r : {&whole, &parts}) change(*r);
  ASSERT_TRUE(run(whole));
  runUntil(parts, stopAt);
  EXPECT_EQ(workspace::listCheckpoints(folder / "parts").back().step, stopAt);
  parts.resume = true;
  ASSERT_TRUE(run(parts));
  expectEqualTensors(tensorsOf(folder / "whole", kJobSteps),
                     tensorsOf(folder / "parts", kJobSteps));
  EXPECT_EQ(metricRows(folder / "whole"), metricRows(folder / "parts"));
}

void stop(api::TrainRequest& r) { r.training.textEncoderStop = 0.5; }
void stopAveraged(api::TrainRequest& r) { r.optimizer.ema = 0.9, stop(r); }
void stopFree(api::TrainRequest& r) {
  r.optimizer.kind = api::OptimizerKind::ScheduleFree, stop(r);
}
void dora(api::TrainRequest& r) {
  r.lora.kind = api::LoraKind::Dora, r.lora.convRank = 1, r.lora.textEncoder = true, stop(r);
}
void lokr(api::TrainRequest& r) {
  r.lora.kind = api::LoraKind::Lokr, r.lora.lokrFactor = 2, r.lora.textEncoder = true;
}
void word(api::TrainRequest& r) { r.embedding.vectors = 2; }

INSTANTIATE_TEST_SUITE_P(
    All,
    ResumeTest,
    testing::Values(ResumeCase{Method::Full, 1, 1},
                    ResumeCase{Method::Full, 5, 2},
                    ResumeCase{Method::Full, 11, 1},
                    ResumeCase{Method::Lora, 1, 1},
                    ResumeCase{Method::Lora, 6, 1},
                    ResumeCase{Method::Full, 7, 1, Tiny::Xl},
                    ResumeCase{Method::Lora, 8, 1, Tiny::Xl},
                    ResumeCase{Method::Full, 4, 1, Tiny::Velocity2},
                    ResumeCase{Method::Full, 3, 1, Tiny::Noise, "Stop", stop},
                    ResumeCase{Method::Full, 6, 1, Tiny::Noise, "Stop", stop},
                    ResumeCase{Method::Full, 8, 1, Tiny::Noise, "Stop", stop},
                    ResumeCase{Method::Full, 6, 1, Tiny::Noise, "StopAveraged", stopAveraged},
                    ResumeCase{Method::Full, 7, 1, Tiny::Noise, "StopFree", stopFree},
                    ResumeCase{Method::Lora, 6, 1, Tiny::Xl, "Dora", dora},
                    ResumeCase{Method::Lora, 5, 1, Tiny::Noise, "Lokr", lokr},
                    ResumeCase{Method::Lora, 2, 1, Tiny::Noise, "Word", word},
                    ResumeCase{Method::Lora, 9, 1, Tiny::Xl, "Word", word},
                    ResumeCase{Method::TextualInversion, 5, 1, Tiny::Xl}),
    [](const auto& test) {
      std::string method(api::enumName(test.param.method));
      std::erase(method, '-');
      return method + test.param.name + "At" + std::to_string(test.param.stopAt) +
             (test.param.model == Tiny::Xl          ? "Xl"
              : test.param.model == Tiny::Velocity2 ? "Velocity2"
                                                    : "");
    });

TEST_F(TrainTest, ARunOfSdxlHoldsBothTextEncodersAndIsAModel) {
  ASSERT_TRUE(run(request("run", Method::Full, Tiny::Xl)));
  const auto resolved = workspace::resolveModel({(folder / "run").string(), "latest", {}}, {});
  ASSERT_TRUE(resolved) << api::message(resolved.error());
  const auto model = nn::loadStableDiffusion(resolved->files, {});
  ASSERT_TRUE(model) << api::message(model.error());
  const auto base = loadTiny(tinyModel(Tiny::Xl));
  const auto checkpoint = tensorsOf(folder / "run", kJobSteps);
  for (const auto& [file, own, other] :
       {std::tuple("unet", model->unet.store, base.unet.store),
        std::tuple("text_encoder", model->textEncoder.store, base.textEncoder.store),
        std::tuple("text_encoder_2", model->textEncoder2.store, base.textEncoder2.store)})
    for (const auto& [key, tensor] : own->parameters()) {
      EXPECT_TRUE(tensor.equal(checkpoint.at(std::string(file) + ".safetensors/" + key))) << key;
      // The first encoder's last layer and final norm are never read.
      const bool read =
          file != std::string("text_encoder") || base.textEncoder.model->isReadByXl(key);
      EXPECT_EQ(tensor.equal(other->parameters().at(key)), !read) << file << " " << key;
    }
}

TEST_F(TrainTest, FewerStepsRaisedLaterEqualOneRun) {
  auto whole = request("whole"), parts = request("parts");
  whole.watch.probeEvery = parts.watch.probeEvery = -1;
  ASSERT_TRUE(run(whole));
  parts.training.steps = 5;
  ASSERT_TRUE(run(parts));
  parts.training.steps = kJobSteps;
  parts.resume = true;
  ASSERT_TRUE(run(parts));
  expectEqualTensors(tensorsOf(folder / "whole", kJobSteps),
                     tensorsOf(folder / "parts", kJobSteps));
  EXPECT_EQ(metricRows(folder / "whole"), metricRows(folder / "parts"));
}

TEST_F(TrainTest, EachStepRecordsItsLossByNoiseLevelAndItsMemory) {
  const auto r = request("run");
  ASSERT_TRUE(run(r));
  std::map<std::int64_t, std::map<api::Series, double>> steps;
  for (const auto& sample : workspace::readMetrics(folder / "run/metrics.csv"))
    steps[sample.step][sample.series] = sample.value;
  const data::DataPlan plan{static_cast<std::uint64_t>(r.training.seed),
                            std::vector<data::PlanPicture>(3),
                            std::vector<data::PlanPicture>(2)};
  for (std::int64_t step = 1; step <= kJobSteps; ++step) {
    const auto& row = steps.at(step);
    EXPECT_GT(row.at(api::Series::MemoryMiB), 1);
    // One subject row a step: its quarter has its loss, the others have none.
    const auto band = plan.draw(step - 1, 0, data::Half::Subject).timestep / 250;
    for (int i = 0; i < 4; ++i) {
      const auto found =
          row.find(static_cast<api::Series>(static_cast<int>(api::Series::LossBand1) + i));
      ASSERT_EQ(found != row.end(), i == band) << step << " " << i;
      if (i == band) {
        EXPECT_FLOAT_EQ(static_cast<float>(found->second),
                        static_cast<float>(row.at(api::Series::SubjectLoss)));
      }
    }
  }
}

TEST_F(TrainTest, LostWorkAfterACheckpointIsDoneAgainExactly) {
  ASSERT_TRUE(run(request("whole")));
  auto parts = request("parts");
  parts.checkpoints.every = 4;
  runUntil(parts, 7);
  // As if it had been killed after step 7, with the checkpoint of step 4 the last.
  fs::remove_all(workspace::checkpointFolder(folder / "parts", 7));
  std::ofstream(folder / "parts/metrics.csv", std::ios::app) << "8,0.1,0.";
  parts.resume = true;
  ASSERT_TRUE(run(parts));
  expectEqualTensors(tensorsOf(folder / "whole", kJobSteps),
                     tensorsOf(folder / "parts", kJobSteps));
  EXPECT_EQ(metricRows(folder / "whole"), metricRows(folder / "parts"));
}

TEST_F(TrainTest, ResumeOfNothingBegins) {
  auto r = request("run");
  r.resume = true;
  const auto result = run(r);
  ASSERT_TRUE(result);
  EXPECT_EQ(workspace::listCheckpoints(folder / "run").back().step, kJobSteps);
  // And of a finished one ends at once.
  const auto again = run(r);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->cancelled);
}

TEST_F(TrainTest, DamagedNewestCheckpointFallsBackToTheOneBefore) {
  auto r = request("run");
  ASSERT_TRUE(run(r));
  fs::resize_file(workspace::checkpointFolder(folder / "run", kJobSteps) / "unet.safetensors", 99);
  const auto before = tensorsOf(folder / "run", 9);
  r.resume = true;
  ASSERT_TRUE(run(r));
  EXPECT_THAT(reporter.warnings,
              Contains(testing::Field(&api::Error::code, ErrorCode::DamagedCheckpoint)));
  EXPECT_TRUE(
      workspace::readManifest(workspace::checkpointFolder(folder / "run", kJobSteps), true));
}

TEST_F(TrainTest, RunsAreNotOverwritten) {
  runUntil(request("run"), 2);
  expectError(request("run"), ErrorCode::RunExists);
}

TEST_F(TrainTest, ResumeNamesTheOptionThatDiffers) {
  runUntil(request("run"), 2);
  const auto resumed = [&] {
    auto r = request("run");
    r.resume = true;
    return r;
  };
  auto r = resumed();
  r.training.learningRate = 2e-3;
  expectError(r, ErrorCode::RunIncompatible, "training.learningRate");
  r = resumed();
  r.training.batchSize = 2;
  expectError(r, ErrorCode::RunIncompatible, "training.batchSize");
  r = resumed();
  r.subject.classWord = "dog";
  expectError(r, ErrorCode::RunIncompatible, "subject.class");
  r = resumed();
  r.prior.classImages = 1;
  expectError(r, ErrorCode::RunIncompatible, "prior.classImages");
  r = resumed();
  r.training.method = Method::Lora;
  expectError(r, ErrorCode::RunIncompatible);
  r = resumed();
  r.base.path = tinyModel(Tiny::Velocity).string();
  expectError(r, ErrorCode::RunIncompatible, "base");
  r = resumed();
  r.photos.pop_back();
  expectError(r, ErrorCode::RunIncompatible, "photos");
  // What only watches may differ.
  r = resumed();
  r.watch.sampleEvery = -1;
  r.checkpoints.every = 5;
  r.subject.name = "Bo";
  EXPECT_TRUE(run(r));
}

TEST_F(TrainTest, StopBeforeTheFirstStepIsNoError) {
  for (const api::Stage stage : {api::Stage::PreparePhotos, api::Stage::CacheLatents}) {
    auto r = request("run" + std::to_string(static_cast<int>(stage)));
    reporter.onProgress = [&](const api::Progress& p) {
      if (p.stage == stage) reporter.stopSource.request_stop();
    };
    const auto result = run(r);
    reporter.onProgress = nullptr;
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->cancelled);
    r.resume = true;
    EXPECT_TRUE(run(r)) << "a stopped preparation can be continued";
  }
}

TEST_F(TrainTest, ExplodingTrainingStopsAndNamesTheLastGoodState) {
  auto r = request("run");
  r.training.learningRate = 1e38;
  r.training.maxGradNorm = 0;
  r.checkpoints.every = 1;
  const auto result = run(r);
  ASSERT_FALSE(result);
  ASSERT_EQ(result.error().code, ErrorCode::NonFinite);
  const auto step = std::stoll(std::string(result.error().value("step")));
  EXPECT_GE(step, 2);
  const fs::path folderNamed(std::string(result.error().value("folder")));
  EXPECT_EQ(folderNamed, workspace::checkpointFolder(r.runFolder, step - 1));
  EXPECT_TRUE(workspace::readManifest(folderNamed, true));
}

TEST_F(TrainTest, FullDiskWhileSavingKeepsTheOldCheckpoint) {
  auto r = request("run");
  std::optional<support::FaultyFiles> faulty;
  reporter.onProgress = [&](const api::Progress& p) {
    if (p.stage == api::Stage::Train && p.done == 6) faulty.emplace(30, ENOSPC, /*sticky=*/true);
  };
  const auto result = run(r);
  faulty.reset();
  reporter.onProgress = nullptr;
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::DiskFull);
  EXPECT_EQ(workspace::listCheckpoints(r.runFolder).back().step, 3);
  r.resume = true;
  ASSERT_TRUE(run(r));
  ASSERT_TRUE(run(request("whole")));
  expectEqualTensors(tensorsOf(folder / "whole", kJobSteps), tensorsOf(folder / "run", kJobSteps));
}

TEST_F(TrainTest, TooLittleMemoryIsRefusedWithAdvice) {
  auto r = request("run");
  r.compute.memoryLimit = 1;
  const auto result = run(r);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::NotEnoughMemory);
  EXPECT_NE(result.error().value("fits"), "");
  EXPECT_FALSE(fs::exists(r.runFolder));
}

TEST_F(TrainTest, TwoProgramsOnOneRunAreOneTooMany) {
  fs::create_directories(folder / "run");
  const auto lock = base::FileLock::acquire(folder / "run/run.lock");
  ASSERT_TRUE(lock);
  expectError(request("run"), ErrorCode::ProjectInUse);
}

TEST_F(TrainTest, TokenOfSeveralPiecesAndLongCaptionsAreWarnings) {
  auto r = request("run");
  r.subject.token = "extraordinary";
  for (int i = 0; i < 40; ++i) r.photos[0].caption += "a red toy ";
  ASSERT_TRUE(run(r));
  std::vector<ErrorCode> codes;
  for (const auto& warning : reporter.warnings) codes.push_back(warning.code);
  EXPECT_THAT(codes,
              testing::UnorderedElementsAre(ErrorCode::PromptTooLong, ErrorCode::TokenNotSingle));
}

TEST_F(TrainTest, ATrainedRunIsABaseAndAnAdapterRunIsNot) {
  auto first = request("first");
  first.training.steps = 3;
  ASSERT_TRUE(run(first));
  auto second = request("second");
  second.base.path = (folder / "first").string();
  EXPECT_TRUE(run(second));
  auto lora = request("lora", Method::Lora);
  lora.training.steps = 3;
  ASSERT_TRUE(run(lora));
  auto third = request("third");
  third.base.path = (folder / "lora").string();
  expectError(third, ErrorCode::UnsupportedModel);
}

}  // namespace
}  // namespace likeness::train::test
