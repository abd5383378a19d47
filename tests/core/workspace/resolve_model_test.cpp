// Which files a reference means, and what is said when it means none.
#include "core/workspace/resolve_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/workspace/run_fixture.h"

namespace likeness::workspace {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using support::TempFolder;

const fs::path kResources = "resources";

ErrorCode codeOf(const api::ModelRef& ref) {
  const auto model = resolveModel(ref, kResources);
  EXPECT_FALSE(model);
  return model ? ErrorCode::Internal : model.error().code;
}

TEST(ResolveModel, StarterAndFolders) {
  const auto starter = resolveModel({}, kResources);
  ASSERT_TRUE(starter);
  EXPECT_EQ(starter->files.path, kResources / "starter");
  EXPECT_TRUE(starter->files.unet.empty());
  EXPECT_FALSE(starter->step);
  EXPECT_EQ(resolveModel({(kResources / "starter").string(), "latest", ""}, kResources)->files.path,
            kResources / "starter");
}

TEST(ResolveModel, NamesWhatIsNoModel) {
  const TempFolder folder;
  EXPECT_EQ(codeOf({(folder / "none").string(), "latest", ""}), ErrorCode::FileNotFound);
  EXPECT_EQ(codeOf({folder.path().string(), "latest", ""}), ErrorCode::BadModelFolder);
  support::put(folder / "p/project.yaml", "");
  EXPECT_EQ(codeOf({(folder / "p").string(), "latest", ""}), ErrorCode::BadModelFolder);
  const auto file = support::put(folder / "model.safetensors", "");
  EXPECT_EQ(resolveModel({file.string(), "latest"}, kResources)->files.path, file);
}

TEST(ResolveModel, ARunMeansItsLatestCheckpointUnlessAsked) {
  const TempFolder folder;
  const auto run = recipe(folder / "run");
  makeRun(run, {});
  EXPECT_EQ(codeOf({run.runFolder.string(), "latest", ""}), ErrorCode::NoCheckpoint);
  writeCheckpoint(run.runFolder, 160, {kUnetFile, kTextEncoderFile}, 0.25);
  writeCheckpoint(run.runFolder, 240, {kUnetFile, kTextEncoderFile}, 0.5);
  writeCheckpoint(run.runFolder, 320, {kUnetFile}, std::nullopt, true);
  fs::create_directories(run.runFolder / "checkpoints/.000400.likeness-tmp-1");
  fs::create_directories(run.runFolder / "checkpoints/000400");

  const auto latest = resolveModel({run.runFolder.string(), "latest", ""}, kResources);
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->step, 320);
  EXPECT_EQ(latest->files.path, kResources / "starter");
  EXPECT_EQ(latest->files.unet, checkpointFolder(run.runFolder, 320) / kUnetFile);
  EXPECT_TRUE(latest->files.textEncoder.empty());
  EXPECT_TRUE(latest->adapterFile.empty());
  EXPECT_EQ(latest->run->subject.classWord, "toy");
  EXPECT_EQ(latest->run->runFolder, run.runFolder);

  EXPECT_EQ(resolveModel({run.runFolder.string(), "best", ""}, kResources)->step, 160);
  EXPECT_EQ(resolveModel({run.runFolder.string(), "240", ""}, kResources)->step, 240);
  EXPECT_EQ(codeOf({run.runFolder.string(), "200", ""}), ErrorCode::NoCheckpoint);
  EXPECT_EQ(codeOf({run.runFolder.string(), "400", ""}), ErrorCode::NoCheckpoint);
  EXPECT_EQ(codeOf({run.runFolder.string(), "x", ""}), ErrorCode::NoCheckpoint);
  fs::remove(checkpointFolder(run.runFolder, 240) / kUnetFile);
  EXPECT_EQ(codeOf({run.runFolder.string(), "240", ""}), ErrorCode::DamagedCheckpoint);
  std::vector<std::int64_t> valid;
  for (const auto& checkpoint : listCheckpoints(run.runFolder)) valid.push_back(checkpoint.step);
  EXPECT_THAT(valid, testing::ElementsAre(160, 320));
}

TEST(ResolveModel, WhenAllAreDamagedItSaysHow) {
  const TempFolder folder;
  const auto run = recipe(folder / "run");
  makeRun(run, {160});
  fs::remove(checkpointFolder(run.runFolder, 160) / kTextEncoderFile);
  EXPECT_EQ(codeOf({run.runFolder.string(), "latest", ""}), ErrorCode::DamagedCheckpoint);
  EXPECT_EQ(codeOf({run.runFolder.string(), "best", ""}), ErrorCode::DamagedCheckpoint);
}

TEST(ResolveModel, AdapterRunsBringTheirAdapter) {
  const TempFolder folder;
  const auto run = recipe(folder / "lora", api::Method::Lora);
  makeRun(run);
  const auto model = resolveModel({run.runFolder.string(), "latest", ""}, kResources);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->adapterFile, checkpointFolder(run.runFolder, 320) / kAdapterFile);
  EXPECT_TRUE(model->files.unet.empty());
  // Nothing can be trained on top of it before it is merged.
  auto onTop = recipe(folder / "top");
  onTop.base.path = run.runFolder.string();
  makeRun(onTop);
  EXPECT_EQ(codeOf({onTop.runFolder.string(), "latest", ""}), ErrorCode::UnsupportedModel);
}

TEST(ResolveModel, ARunOfARunKeepsWhatItDidNotTrain) {
  const TempFolder folder;
  const auto first = recipe(folder / "first");
  makeRun(first);
  auto second = recipe(folder / "second", api::Method::Lora);
  second.base = {first.runFolder.string(), "160", ""};
  makeRun(second);
  const auto model = resolveModel({second.runFolder.string(), "latest", ""}, kResources);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->files.unet, checkpointFolder(first.runFolder, 160) / kUnetFile);
  EXPECT_EQ(model->adapterFile, checkpointFolder(second.runFolder, 320) / kAdapterFile);
  EXPECT_EQ(model->run->runFolder, second.runFolder);
}

TEST(ResolveModel, WhatWasChosenHoldsForARunToo) {
  const TempFolder folder;
  auto run = recipe(folder / "run");
  run.base.prediction = api::PredictionChoice::VPrediction;
  run.base.vae = folder / "trained.safetensors";
  makeRun(run);
  api::ModelRef ref{run.runFolder.string()};
  EXPECT_EQ(resolveModel(ref, kResources)->files.prediction, weights::PredictionType::VPrediction);
  EXPECT_EQ(resolveModel(ref, kResources)->files.vae, run.base.vae);
  ref.prediction = api::PredictionChoice::Epsilon;
  ref.vae = folder / "other.safetensors";
  EXPECT_EQ(resolveModel(ref, kResources)->files.prediction, weights::PredictionType::Epsilon);
  EXPECT_EQ(resolveModel(ref, kResources)->files.vae, ref.vae);
}

TEST(ResolveModel, CirclesEnd) {
  const TempFolder folder;
  auto run = recipe(folder / "run");
  run.base.path = run.runFolder.string();
  makeRun(run);
  EXPECT_EQ(codeOf({run.runFolder.string(), "latest", ""}), ErrorCode::BadModelFolder);
}

TEST(RunRequest, SurvivesACopyOfItsProject) {
  const TempFolder folder;
  const fs::path project = folder / "a.likeness";
  support::put(project / "project.yaml", "");
  api::TrainRequest request = recipe(project / "runs/0001");
  request.photos = {{project / "photos/1.jpg", {}, {}, false},
                    {folder / "outside.jpg", {}, {}, false}};
  request.classImageFolder = project / "class-images";
  request.cacheFolder = project / "cache/";
  request.base.path = (folder / "model").string();
  makeRun(request, {});
  request.cacheFolder = project / "cache";
  EXPECT_EQ(readRunRequest(request.runFolder).value(), request);

  const fs::path copy = folder / "elsewhere/b.likeness";
  fs::create_directories(copy.parent_path());
  fs::copy(project, copy, fs::copy_options::recursive);
  const auto moved = readRunRequest(copy / "runs/0001");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->photos[0].file, copy / "photos/1.jpg");
  EXPECT_EQ(moved->photos[1].file, folder / "outside.jpg");
  EXPECT_EQ(moved->classImageFolder, copy / "class-images");
  EXPECT_EQ(moved->base.path, (folder / "model").string());
}

TEST(RunRequest, RelativePathsOfACommandLineAreKeptApartFromThePlaceOfTheRun) {
  const TempFolder folder;
  api::TrainRequest request = recipe(folder / "run");
  request.photos = {{"resources/x.jpg", {}, {}, false}};  // relative to the working folder
  makeRun(request, {});
  EXPECT_EQ(readRunRequest(request.runFolder)->photos[0].file,
            fs::current_path() / "resources/x.jpg");
}

}  // namespace
}  // namespace likeness::workspace
