// What runs of every method are written as.
#include "core/engine/export_run.h"

#include <gmock/gmock.h>

#include <functional>

#include "core/train/train.h"
#include "core/weights/embedding_file.h"
#include "tests/core/train/driver/recipe.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace likeness::engine {
namespace {

namespace fs = std::filesystem;
using api::ExportFormat;
using api::Method;

class ExportRun : public testing::TestWithParam<support::TinyFamily> {
 protected:
  ExportRun() {
    support::makeTinyModel(m_folder / "model", {.family = GetParam()});
    support::makePhotos(m_folder / "photos", 2);
  }
  void train(Method method, const std::function<void(api::TrainRequest&)>& change) {
    auto request = likeness::train::test::jobRequest(
        m_folder / "model", m_folder / "photos", m_folder / std::to_string(++m_runs));
    request.training.method = method;
    request.training.steps = 4;
    request.prior.classImages = 0;
    request.watch.sampleEvery = request.watch.probeEvery = -1;
    change(request);
    const auto trained = likeness::train::train(request, {}, m_reporter);
    ASSERT_TRUE(trained) << api::message(trained.error()) << trained.error().detail;
  }
  /// exportRun shows by a picture that what it wrote does what the run does.
  api::Result<base::JobResult> write(ExportFormat format, const fs::path& out) {
    api::ExportRequest request;
    request.runFolder = m_folder / std::to_string(m_runs);
    request.format = format;
    request.dtype = api::FileDType::Fp32;
    request.out = out;
    request.compute.threads = 1;
    return exportRun(request, {}, m_reporter);
  }
  static void expectTheSame(const api::Result<base::JobResult>& written) {
    ASSERT_TRUE(written) << api::message(written.error()) << written.error().detail;
    for (const auto& [name, value] : written->figures)
      if (name == "mean_difference") {
        EXPECT_LT(std::get<double>(value), 0.1);
      }
  }

  support::TempFolder m_folder;
  support::RecordingReporter m_reporter;
  int m_runs = 0;
};

TEST_P(ExportRun, AdaptersOfEveryKindAreFilesAndMerge) {
  using Change = void (*)(api::TrainRequest&);
  const std::pair<api::LoraKind, Change> kinds[] = {
      {api::LoraKind::Lora, [](auto& r) { r.lora.convRank = 1; }},
      {api::LoraKind::Dora, [](auto& r) { r.lora.kind = api::LoraKind::Dora; }},
      {api::LoraKind::Lokr,
       [](auto& r) { r.lora.kind = api::LoraKind::Lokr, r.lora.lokrFactor = 2; }}};
  for (const auto& [kind, change] : kinds) {
    train(Method::Lora, [&change](api::TrainRequest& r) {
      r.lora.textEncoder = true;
      change(r);
    });
    const std::string name(api::enumName(kind));
    expectTheSame(write(ExportFormat::KohyaLora, m_folder / (name + "-kohya.safetensors")));
    expectTheSame(write(ExportFormat::Diffusers, m_folder / (name + "-model")));
    expectTheSame(write(ExportFormat::PeftLora, m_folder / (name + "-peft.safetensors")));
  }
}

TEST_P(ExportRun, ANewWordIsAFileNamedByIt) {
  const auto isWord = [](const fs::path& file) {
    const auto word = weights::openEmbedding(file);
    return word && word->words == std::vector<std::string>{file.stem().string()} &&
           word->count == 2;
  };
  train(Method::TextualInversion, [](api::TrainRequest& r) { r.embedding.vectors = 2; });
  expectTheSame(write(ExportFormat::PeftLora, m_folder / "sks.safetensors"));
  EXPECT_TRUE(isWord(m_folder / "sks.safetensors"));
  expectTheSame(write(ExportFormat::Diffusers, m_folder / "word-model"));
  EXPECT_TRUE(isWord(m_folder / "word-model/sks.safetensors"));

  train(Method::Lora, [](api::TrainRequest& r) { r.embedding.vectors = 2; });
  const auto refused = write(ExportFormat::KohyaLora, m_folder / "lora.safetensors");
  ASSERT_FALSE(refused) << "sks.safetensors is there";
  fs::create_directories(m_folder / "beside");
  expectTheSame(write(ExportFormat::KohyaLora, m_folder / "beside/lora.safetensors"));
  EXPECT_TRUE(isWord(m_folder / "beside/sks.safetensors"));
}

TEST_P(ExportRun, OfSeveralSubjectsNamesThemAllAndWritesAWordOfEach) {
  const auto withCat = [](std::int64_t vectors) {
    return [=](api::TrainRequest& r) {
      r.embedding.vectors = vectors;
      api::FurtherSubject& further = r.furtherSubjects.emplace_back();
      further.subject.token = "zwx";
      further.subject.classWord = "cat";
      further.photos = {r.photos.back()};
    };
  };
  train(Method::Lora, withCat(1));
  fs::create_directories(m_folder / "lora");
  expectTheSame(write(ExportFormat::KohyaLora, m_folder / "lora/both.safetensors"));
  EXPECT_TRUE(weights::openEmbedding(m_folder / "lora/sks.safetensors"));
  EXPECT_TRUE(weights::openEmbedding(m_folder / "lora/zwx.safetensors"));
  const auto file = weights::SafetensorsFile::open(m_folder / "lora/both.safetensors").value();
  EXPECT_EQ(file.metadata().at("modelspec.trigger_phrase"), "sks toy, zwx cat");
  EXPECT_EQ(file.metadata().at("ss_training_comment"), "a photo of sks toy, a photo of zwx cat");
  expectTheSame(write(ExportFormat::Diffusers, m_folder / "model-of-both"));
  EXPECT_TRUE(weights::openEmbedding(m_folder / "model-of-both/zwx.safetensors"));

  train(Method::TextualInversion, withCat(2));
  fs::create_directories(m_folder / "words");
  expectTheSame(write(ExportFormat::PeftLora, m_folder / "words/dog.safetensors"));
  EXPECT_TRUE(weights::openEmbedding(m_folder / "words/dog.safetensors")) << "the first";
  EXPECT_TRUE(weights::openEmbedding(m_folder / "words/zwx.safetensors"));
  EXPECT_FALSE(fs::exists(m_folder / "words/sks.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Families,
                         ExportRun,
                         testing::Values(support::TinyFamily::StableDiffusion1,
                                         support::TinyFamily::StableDiffusionXl),
                         [](const auto& test) { return test.index == 0 ? "One" : "Xl"; });

}  // namespace
}  // namespace likeness::engine
