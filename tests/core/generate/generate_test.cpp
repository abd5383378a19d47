// The job from request to files: metadata, names, figures, warnings, stop, bad input.
#include "core/generate/generate.h"

#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <limits>
#include <set>

#include "core/config/config.h"
#include "core/generate/picture_file.h"
#include "core/image/photo.h"
#include "core/tensor/random_tensor.h"
#include "core/tensor/state_dict.h"
#include "starter.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"

namespace likeness::generate {
namespace {

using support::RecordingReporter;

class GenerateTest : public testing::Test {
 protected:
  GenerateTest() {
    request.prompt = "a photo of a dog";
    request.sampling.steps = 2;
    request.seed = 7;
    request.width = request.height = 64;
    request.compute.dtype = api::DType::Fp32;
    request.compute.threads = 1;
    request.outFolder = folder / "out";
  }
  api::Result<base::JobResult> run() { return generate(request, base::findResources(), reporter); }
  std::filesystem::path latentsFile(const char* name, const at::Tensor& tensor) {
    const auto file = folder / "noise.safetensors";
    EXPECT_TRUE(tensor::saveSafetensors(file, {{name, tensor}}, {}));
    return file;
  }
  std::string sentence(const api::Result<base::JobResult>& result) {
    return result ? "" : api::message(result.error());
  }

  support::TempFolder folder;
  api::GenerateRequest request;
  RecordingReporter reporter;
};

std::vector<std::string> names(const std::vector<std::filesystem::path>& files) {
  std::vector<std::string> out;
  for (const auto& file : files) out.push_back(file.filename().string());
  return out;
}

TEST_F(GenerateTest, WritesPicturesThatCarryTheirRequest) {
  request.count = 2;
  request.prompt = "a photo of {subject}";
  request.subject.classWord = "dog";
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  EXPECT_FALSE(result->cancelled);
  EXPECT_THAT(names(result->artifacts), testing::ElementsAre("7.png", "8.png"));

  const auto text = image::readPngText(result->artifacts[1]).value();
  ASSERT_EQ(text.size(), 2U);
  EXPECT_EQ(text[0].first, "likeness");
  const auto own = config::generateRequestFromJson(text[0].second, "8.png").value();
  EXPECT_EQ(own.seed, 8);
  EXPECT_EQ(own.count, 1);
  EXPECT_EQ(own.prompt, "a photo of sks dog");
  EXPECT_TRUE(own.outFolder.empty());
  EXPECT_EQ(text[1].first, "parameters");
  EXPECT_THAT(text[1].second, testing::HasSubstr("Seed: 8"));

  // The request inside makes the same picture again.
  const auto written = image::readPhoto(result->artifacts[1]).value().image;
  request = own;
  RecordingReporter again;
  ASSERT_TRUE(generate(request, base::findResources(), again));
  EXPECT_LE(maxDifference(again.of(api::PictureKind::Result).at(0).image, written), 1);
}

TEST_F(GenerateTest, NeverOverwritesAPicture) {
  ASSERT_TRUE(run());
  const std::string before = support::content(request.outFolder / "7.png");
  request.prompt = "something else";
  EXPECT_THAT(names(run()->artifacts), testing::ElementsAre("7-2.png"));
  EXPECT_THAT(names(run()->artifacts), testing::ElementsAre("7-3.png"));
  EXPECT_EQ(support::content(request.outFolder / "7.png"), before);
}

TEST_F(GenerateTest, ReportsStagesProgressPicturesAndFigures) {
  request.count = 3;
  request.grid = true;
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  EXPECT_THAT(reporter.stages, testing::ElementsAre(api::Stage::LoadModel, api::Stage::Generate));
  EXPECT_EQ(reporter.progresses.back().done, reporter.progresses.back().total);
  const auto pictures = reporter.of(api::PictureKind::Result);
  ASSERT_EQ(pictures.size(), 3U);
  EXPECT_EQ(pictures[2].seed, 9);
  EXPECT_EQ(pictures[2].index, 2);
  EXPECT_EQ(pictures[2].total, 3);
  const auto sheets = reporter.of(api::PictureKind::Sheet);
  ASSERT_EQ(sheets.size(), 1U);
  EXPECT_EQ(sheets[0].image.width, 2 * 64 + 4);
  EXPECT_EQ(sheets[0].file.filename(), "7-sheet.png");

  std::vector<std::string> figures;
  for (const auto& [name, value] : result->figures) figures.push_back(name);
  EXPECT_THAT(figures,
              testing::ElementsAre("load_s",
                                   "generate_s",
                                   "per_image_s",
                                   "peak_rss_mib",
                                   "prompt_tokens",
                                   "prompt_limit",
                                   "files"));
  EXPECT_EQ(std::get<std::vector<std::string>>(result->figures[6].second).size(), 4U);
  EXPECT_GT(std::get<std::int64_t>(result->figures[3].second), 0);
  EXPECT_EQ(std::get<std::int64_t>(result->figures[4].second), 5);
  EXPECT_EQ(std::get<std::int64_t>(result->figures[5].second), 75);
}

TEST_F(GenerateTest, WithoutAFolderPicturesAreEventsOnly) {
  request.outFolder.clear();
  request.grid = true;
  request.count = 2;
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  EXPECT_TRUE(result->artifacts.empty());
  EXPECT_EQ(reporter.of(api::PictureKind::Result).size(), 2U);
  EXPECT_EQ(reporter.of(api::PictureKind::Sheet).size(), 1U);
}

TEST_F(GenerateTest, PreviewsAreSmallPictures) {
  request.width = 512;
  request.height = 256;
  request.sampling.guidance = 1;
  request.previewEvery = 1;
  ASSERT_TRUE(run());
  const auto previews = reporter.of(api::PictureKind::Preview);
  ASSERT_FALSE(previews.empty());
  EXPECT_EQ(previews[0].step, 1);
  EXPECT_EQ(previews[0].image.width, 256);
  EXPECT_EQ(previews[0].image.height, 128);
  EXPECT_TRUE(previews[0].file.empty());
}

/// A small decoder beside the model makes larger ones; one that cannot be used is a warning.
TEST_F(GenerateTest, PreviewsByADecoderBesideTheModel) {
  std::filesystem::create_directory_symlink(base::findResources() / "starter", folder / "model");
  request.model.path = (folder / "model").string();
  request.width = 512;
  request.height = 256;
  request.sampling.guidance = 1;
  request.previewEvery = 1;
  const auto golden =
      tensor::loadSafetensors("tests/golden/networks/tiny_decoder.safetensors").value();
  tensor::StateDict tensors;
  for (const auto& [key, value] : golden)
    if (key.starts_with("weights/")) tensors.emplace(key.substr(8), value);
  const auto file = folder / "taesd_decoder.safetensors";
  ASSERT_TRUE(tensor::saveSafetensors(file, tensors, {}));
  ASSERT_TRUE(run());
  ASSERT_FALSE(reporter.of(api::PictureKind::Preview).empty());
  EXPECT_EQ(reporter.of(api::PictureKind::Preview)[0].image.width, 512);
  EXPECT_EQ(reporter.of(api::PictureKind::Preview)[0].image.height, 256);
  EXPECT_TRUE(reporter.warnings.empty());

  reporter.pictures.clear();
  tensors.erase(tensors.begin());
  ASSERT_TRUE(tensor::saveSafetensors(file, tensors, {}));
  ASSERT_TRUE(run());
  EXPECT_EQ(reporter.of(api::PictureKind::Preview)[0].image.width, 256);
  ASSERT_EQ(reporter.warnings.size(), 1u);
  EXPECT_THAT(api::message(reporter.warnings[0]), testing::HasSubstr("missing"));
}

TEST_F(GenerateTest, StopKeepsTheFinishedBatches) {
  request.count = 9;  // batches of 8 and 1
  reporter.onPicture = [&](const api::PictureReady&) { reporter.stopSource.request_stop(); };
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  EXPECT_TRUE(result->cancelled);
  EXPECT_EQ(result->artifacts.size(), 8U);
}

TEST_F(GenerateTest, StopWhileLoadingLeavesNothing) {
  reporter.stopSource.request_stop();
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  EXPECT_TRUE(result->cancelled);
  EXPECT_TRUE(result->artifacts.empty());
}

TEST_F(GenerateTest, EachPictureTakesItsAlternativesAndKeepsTheTemplate) {
  request.count = 6;
  request.prompt = "a {red|blue} {subject}";
  request.negativePrompt = "{dark|blurry}";
  request.subject.classWord = "dog";
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  std::set<std::string> seen;
  for (const auto& picture : reporter.of(api::PictureKind::Result)) {
    const auto own =
        config::generateRequestFromJson(image::readPngText(picture.file).value()[0].second, "x")
            .value();
    seen.insert(own.prompt);
    EXPECT_THAT(own.prompt, testing::AnyOf("a red sks dog", "a blue sks dog"));
    EXPECT_THAT(own.negativePrompt, testing::AnyOf("dark", "blurry"));
    EXPECT_EQ(own.promptTemplate, request.prompt);
    EXPECT_EQ(own.negativeTemplate, request.negativePrompt);
    EXPECT_EQ(picture.prompt, own.prompt);
    EXPECT_THAT(image::readPngText(picture.file).value()[1].second,
                testing::HasSubstr("Template: a {red|blue} {subject}"));
  }
  EXPECT_EQ(seen.size(), 2U);

  // The request inside makes the same picture again, and keeps what it was made of.
  const auto file = result->artifacts[3];
  const auto written = image::readPhoto(file).value().image;
  request =
      config::generateRequestFromJson(image::readPngText(file).value()[0].second, "x").value();
  RecordingReporter again;
  ASSERT_TRUE(generate(request, base::findResources(), again));
  EXPECT_LE(maxDifference(again.of(api::PictureKind::Result).at(0).image, written), 1);
  EXPECT_EQ(pictureRequest(request, 0), request);
}

TEST_F(GenerateTest, ListsOfPromptsMakeEachItsPictures) {
  request.prompt.clear();
  request.prompts = {"a red dog", "a (blue:1.3) hill BREAK the sea", "a cat"};
  request.count = 2;
  request.grid = true;
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  EXPECT_THAT(
      names(result->artifacts),
      testing::ElementsAre("7.png", "8.png", "9.png", "10.png", "11.png", "12.png", "7-sheet.png"));
  const auto pictures = reporter.of(api::PictureKind::Result);
  ASSERT_EQ(pictures.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(pictures[i].prompt, request.prompts[i / 2]);
    EXPECT_EQ(pictures[i].total, 6);
    const auto own =
        config::generateRequestFromJson(image::readPngText(pictures[i].file).value()[0].second, "x")
            .value();
    EXPECT_EQ(own.prompt, request.prompts[i / 2]);
    EXPECT_TRUE(own.prompts.empty());
    EXPECT_TRUE(own.promptTemplate.empty());
    EXPECT_EQ(own.seed, 7 + static_cast<std::int64_t>(i));
  }
  // A row for each prompt.
  const auto sheet = reporter.of(api::PictureKind::Sheet).at(0);
  EXPECT_EQ(sheet.image.width, 2 * 64 + 4);
  EXPECT_EQ(sheet.image.height, 3 * 64 + 2 * 4);
  EXPECT_EQ(config::generateRequestFromJson(image::readPngText(sheet.file).value()[0].second, "x")
                .value()
                .prompts,
            request.prompts);
  EXPECT_EQ(std::get<std::int64_t>(result->figures[5].second), 150);
}

TEST_F(GenerateTest, LongPromptsAreReadWhole) {
  for (int i = 0; i < 80; ++i) request.prompt += " dog";
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  EXPECT_TRUE(reporter.warnings.empty());
  EXPECT_EQ(std::get<std::int64_t>(result->figures[4].second), 85);
  EXPECT_EQ(std::get<std::int64_t>(result->figures[5].second), 150);
}

TEST_F(GenerateTest, LongPlainPromptWarnsAndGoesOn) {
  request.promptSyntax = api::PromptSyntax::Plain;
  for (int i = 0; i < 80; ++i) request.prompt += " dog";
  const auto result = run();
  ASSERT_TRUE(result) << sentence(result);
  ASSERT_EQ(reporter.warnings.size(), 1U);
  EXPECT_EQ(reporter.warnings[0].code, api::ErrorCode::PromptTooLong);
  EXPECT_EQ(reporter.warnings[0].value("limit"), "75");
  EXPECT_GT(std::stoi(std::string(reporter.warnings[0].value("tokens"))), 75);
}

TEST_F(GenerateTest, InitialLatentsReplaceTheSeedsNoise) {
  const auto noise = tensor::normal({1, 4, 8, 8}, base::Random(99, base::Purpose::Test));
  request.initialLatents = latentsFile("latents", noise);
  const auto first = run();
  ASSERT_TRUE(first) << sentence(first);
  request.seed = 1234;
  ASSERT_TRUE(run());
  const auto pictures = reporter.of(api::PictureKind::Result);
  EXPECT_EQ(pictures[0].image, pictures[1].image);
  request.initialLatents.clear();
  ASSERT_TRUE(run());
  EXPECT_NE(reporter.of(api::PictureKind::Result)[2].image, pictures[0].image);
}

TEST_F(GenerateTest, BadInitialLatentsAreASentence) {
  const auto noise = tensor::normal({1, 4, 8, 8}, base::Random(1, base::Purpose::Test));
  request.initialLatents = folder / "missing.safetensors";
  EXPECT_EQ(run().error().code, api::ErrorCode::FileNotFound);

  request.initialLatents = latentsFile("noise", noise);
  EXPECT_THAT(sentence(run()), testing::HasSubstr("it holds no tensor called \"latents\""));

  request.initialLatents = latentsFile("latents", noise);
  request.count = 2;
  EXPECT_THAT(
      sentence(run()),
      testing::AllOf(testing::HasSubstr("[1, 4, 8, 8]"), testing::HasSubstr("[2, 4, 8, 8]")));

  request.count = 1;
  request.initialLatents =
      latentsFile("latents", at::full({1, 4, 8, 8}, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_THAT(sentence(run()), testing::HasSubstr("NaN"));

  request.initialLatents = latentsFile("latents", noise.to(at::kLong));
  EXPECT_THAT(sentence(run()), testing::HasSubstr("floating-point"));

  request.initialLatents = support::put(folder / "noise.safetensors", "not a model at all");
  EXPECT_EQ(run().error().code, api::ErrorCode::BadModelFile);
}

TEST_F(GenerateTest, MissingModelAndOtherWeightsAreRefused) {
  request.model.path = folder / "nothing";
  EXPECT_EQ(run().error().code, api::ErrorCode::FileNotFound);
  request.model = {"starter", "latest", std::string(64, '0')};
  EXPECT_EQ(run().error().code, api::ErrorCode::ModelMismatch);
}

/// A disk on which nothing can be written, only removed.
class FullDisk : public base::FileOperations {
 public:
  FullDisk() { base::setFileOperations(this); }
  ~FullDisk() override { base::setFileOperations(nullptr); }
  int write(int, std::span<const std::byte>) override { return ++writes, ENOSPC; }
  int writes = 0;
};

TEST_F(GenerateTest, AFullDiskEndsTheJobWithItsSentence) {
  request.count = 9;  // the batch after the failed one is not begun
  FullDisk disk;
  const auto result = run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, api::ErrorCode::DiskFull);
  EXPECT_EQ(disk.writes, 1);
  EXPECT_EQ(reporter.progresses.back().done, request.sampling.steps);
  EXPECT_TRUE(std::filesystem::is_empty(request.outFolder));
}

TEST_F(GenerateTest, TooLittleMemoryIsRefusedBeforeTheFirstStep) {
  request.width = request.height = 1024;
  request.compute.memoryLimit = 20;
  const auto result = run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, api::ErrorCode::NotEnoughMemory);
  EXPECT_TRUE(reporter.progresses.empty());
}

}  // namespace
}  // namespace likeness::generate
