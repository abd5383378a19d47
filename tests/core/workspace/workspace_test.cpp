// Photos, tokens, recipes and model inspection.
#include "core/workspace/workspace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "core/config/config.h"
#include "core/image/photo.h"
#include "core/weights/safetensors.h"
#include "tests/core/workspace/run_fixture.h"
#include "tests/support/checkpoints.h"
#include "tests/support/pickles.h"

namespace likeness::workspace {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using api::FindingKind;
using api::ModelRef;
using api::ModelType;
using api::PredictionChoice;
using support::put;
using support::TempFolder;
using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

/// A picture with structure, different for every seed.
api::Image picture(int width, int height, unsigned seed) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (unsigned c = 0; c < 3; ++c) {
        const unsigned cell = static_cast<unsigned>(x / 37) * 2654435761u +
                              static_cast<unsigned>(y / 29) * 40503u * seed + c * 977u +
                              seed * 7919u;
        bytes->push_back(static_cast<std::uint8_t>((cell ^ (cell >> 13)) * 2246822519u >> 24));
      }
  return {width, height, api::PixelFormat::Rgb8, std::move(bytes)};
}

class WorkspaceTest : public testing::Test {
 protected:
  TempFolder m_folder;
  std::unique_ptr<api::Workspace> m_workspace = makeWorkspace("resources");

  fs::path save(const std::string& name,
                const api::Image& image,
                const std::vector<std::pair<std::string, std::string>>& text = {}) {
    EXPECT_TRUE(image::writePng(m_folder / name, image, text));
    return m_folder / name;
  }
  std::vector<api::PhotoReport> check(const std::vector<fs::path>& files) {
    std::mutex mutex;
    std::condition_variable done;
    std::vector<api::PhotoReport> reports;
    const auto subscription = m_workspace->checkPhotos(files, [&](api::PhotoReport report) {
      const std::lock_guard lock(mutex);
      reports.push_back(std::move(report));
      done.notify_one();
    });
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return reports.size() == files.size(); });
    return reports;
  }
};

bool has(const api::PhotoReport& report, FindingKind kind) {
  return std::ranges::count(report.findings, kind, &api::PhotoFinding::kind) > 0;
}

TEST_F(WorkspaceTest, PhotosAreReportedInOrderWithWhatIsWrong) {
  const auto first = save("1.png", picture(640, 560, 1));
  const auto other = save("2.png", picture(600, 600, 2));
  const auto near =
      save("3.png", image::cropAndResize(picture(640, 560, 1), std::nullopt, 576, 504));
  fs::copy_file(first, m_folder / "4.png");
  put(m_folder / "5.jpg", "no picture");
  put(m_folder / "6.png", support::content(first).substr(0, 2000));
  const auto reports = check({first,
                              other,
                              near,
                              m_folder / "4.png",
                              m_folder / "5.jpg",
                              m_folder / "6.png",
                              m_folder / "7.jpg"});
  EXPECT_EQ(reports[0].width, 640);
  EXPECT_EQ(reports[0].height, 560);
  EXPECT_EQ(std::max(reports[0].thumbnail.width, reports[0].thumbnail.height), 256);
  EXPECT_FALSE(has(reports[0], FindingKind::Duplicate));
  EXPECT_FALSE(has(reports[1], FindingKind::Duplicate));
  EXPECT_TRUE(has(reports[2], FindingKind::Duplicate));
  EXPECT_TRUE(has(reports[3], FindingKind::Duplicate));
  EXPECT_EQ(reports[3].contentHash, reports[0].contentHash);
  EXPECT_NE(reports[1].contentHash, reports[0].contentHash);
  for (const auto& finding : reports[3].findings)
    if (finding.kind == FindingKind::Duplicate) {
      EXPECT_EQ(finding.related, first);
      EXPECT_EQ(finding.text, "The same picture as 1.png");
    }
  EXPECT_EQ(reports[4].error->code, ErrorCode::NotAnImage);
  EXPECT_TRUE(reports[5].error);
  EXPECT_EQ(reports[6].error->code, ErrorCode::FileNotFound);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_FALSE(reports[i].error) << i;
}

TEST_F(WorkspaceTest, CheckingEndsWithItsSubscription) {
  const auto file = save("1.png", picture(64, 64, 1));
  std::mutex mutex;
  std::condition_variable begun;
  int reports = 0;
  auto subscription =
      m_workspace->checkPhotos(std::vector<fs::path>(100000, file), [&](const api::PhotoReport&) {
        const std::lock_guard lock(mutex);
        ++reports;
        begun.notify_one();
      });
  {
    std::unique_lock lock(mutex);
    begun.wait(lock, [&] { return reports > 0; });
  }
  subscription.reset();
  EXPECT_LT(reports, 100000);
}

TEST_F(WorkspaceTest, ASinkMayEndItsOwnSubscription) {
  const auto file = save("1.png", picture(64, 64, 1));
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::unique_ptr<api::Subscription> subscription;
  std::unique_lock lock(mutex);
  subscription = m_workspace->checkPhotos({file, file, file}, [&](const api::PhotoReport&) {
    const std::lock_guard inner(mutex);
    subscription.reset();
    EXPECT_FALSE(done);
    done = true;
    ended.notify_one();
  });
  ended.wait(lock, [&] { return done; });
}

TEST_F(WorkspaceTest, ImagesAndTheirRequestsAreRead) {
  api::GenerateRequest request;
  request.prompt = "a photo of sks dog";
  const auto file = save(
      "1.png", picture(200, 100, 1), {{"likeness", config::toJson(request)}, {"parameters", "x"}});
  EXPECT_EQ(m_workspace->readRequest(file).value(), request);
  EXPECT_EQ(m_workspace->readImage(file, 50)->width, 50);
  EXPECT_EQ(m_workspace->readImage(file, 0)->width, 200);
  EXPECT_EQ(m_workspace->readRequest(save("2.png", picture(8, 8, 1))).error().code,
            ErrorCode::FileUnreadable);
  EXPECT_FALSE(m_workspace->readRequest(put(m_folder / "3.png", "x")));
  EXPECT_FALSE(m_workspace->readImage(m_folder / "3.png", 50));
}

TEST_F(WorkspaceTest, RecipesComeFromTheModelOrItsFamily) {
  const auto starter = m_workspace->recommendedRecipe({});
  EXPECT_EQ(starter->training.resolution, 128);
  EXPECT_EQ(starter->prior.classImages, 16);
  put(m_folder / "sd/model_index.json", "{}");
  const api::ModelRef other{(m_folder / "sd").string(), "latest", ""};
  const auto family = m_workspace->recommendedRecipe(other);
  EXPECT_EQ(family->training.resolution, 0);
  EXPECT_EQ(family->training.learningRate, 5e-6);
  EXPECT_EQ(family->base, other);
  const fs::path xl = m_folder / "xl.safetensors";
  support::writeSparseFile(xl, support::checkpoint(weights::Family::StableDiffusionXl));
  const auto lora = m_workspace->recommendedRecipe({xl.string(), "latest", ""});
  EXPECT_EQ(lora->training.method, api::Method::Lora);
  EXPECT_EQ(lora->prior.sampling.guidance, 5);
  put(m_folder / "sd/likeness.yaml", "trainin: {}");
  EXPECT_EQ(m_workspace->recommendedRecipe(other).error().code, ErrorCode::UnknownKey);
  EXPECT_EQ(m_workspace->recommendedRecipe({"nowhere", "latest", ""}).error().code,
            ErrorCode::FileNotFound);
}

TEST_F(WorkspaceTest, TokensAreCutAsTheModelDoes) {
  const auto check = m_workspace->checkToken({}, "sks", "a photo of sks dog");
  ASSERT_TRUE(check);
  EXPECT_EQ(check->pieces.size(), 1u);
  EXPECT_EQ(check->promptTokens, 5);
  EXPECT_EQ(check->limit, 75);
  const auto weighted = m_workspace->checkToken({}, "sks", "a (photo:1.3) of {a|b} [dog] BREAK x");
  EXPECT_EQ(weighted->promptTokens, 75 + 1);
  EXPECT_EQ(weighted->limit, 150);
  EXPECT_GT(m_workspace->checkToken({}, "xqzvwk", "")->pieces.size(), 1u);
  EXPECT_EQ(m_workspace->checkToken({}, "", "")->promptTokens, 0);
  EXPECT_FALSE(m_workspace->checkToken({"nowhere", "latest", ""}, "sks", ""));
}

TEST_F(WorkspaceTest, TheStarterIsRecognised) {
  const auto report = m_workspace->inspect("starter");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->kind, "diffusers folder");
  EXPECT_THAT(report->family, HasSubstr("Stable Diffusion 1.x"));
  EXPECT_EQ(report->type, ModelType::Folder);
  EXPECT_EQ(report->prediction, PredictionChoice::Epsilon);
  EXPECT_FALSE(report->predictionGuessed);
  EXPECT_EQ(report->resolution, 128);
  EXPECT_GT(report->parameters, 1000000);
  EXPECT_EQ(report->dtype, "F16");
  EXPECT_GE(report->bytes, static_cast<std::uint64_t>(report->parameters) * 2);
  EXPECT_THAT(report->details, Contains(Pair("Licence", HasSubstr("CC BY 4.0"))));
  EXPECT_TRUE(report->problems.empty()) << report->problems.front();
}

TEST_F(WorkspaceTest, WhatWasChosenStandsInForWhatTheFileSays) {
  const fs::path vae = "resources/starter/vae/diffusion_pytorch_model.safetensors";
  ModelRef ref;
  ref.vae = vae;
  ref.prediction = PredictionChoice::VPrediction;
  const auto report = m_workspace->inspect(ref);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->prediction, PredictionChoice::VPrediction);
  EXPECT_THAT(report->details,
              Contains(Pair("Autoencoder", HasSubstr("from " + vae.filename().string()))));
  EXPECT_TRUE(report->problems.empty());
  // One that a model lacks is found again in a file beside it.
  const fs::path model = m_folder / "model";
  fs::copy("resources/starter", model, fs::copy_options::recursive);
  fs::remove(model / vae.lexically_relative("resources/starter"));
  ref.path = model.string();
  EXPECT_FALSE(m_workspace->inspect(model)->problems.empty());
  EXPECT_TRUE(m_workspace->inspect(ref)->problems.empty());
  ref.vae = put(m_folder / "bad.safetensors", "hostile header");
  EXPECT_EQ(m_workspace->inspect(ref).error().code, ErrorCode::BadModelFile);
}

TEST_F(WorkspaceTest, WhatAFolderLacksIsListed) {
  const fs::path model = m_folder / "model";
  fs::copy("resources/starter", model, fs::copy_options::recursive);
  fs::remove(model / "tokenizer/merges.txt");
  fs::remove(model / "vae/diffusion_pytorch_model.safetensors");
  auto config = support::content(model / "unet/config.json");
  const auto at = config.find("\"in_channels\": 4");
  ASSERT_NE(at, std::string::npos);
  put(model / "unet/config.json", config.replace(at, 16, "\"in_channels\": 9"));
  put(model / "text_encoder/config.json", "{");
  put(model / "scheduler/scheduler_config.json", R"({"prediction_type": "v_prediction"})");
  const auto report = m_workspace->inspect(model);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->prediction, PredictionChoice::VPrediction);
  EXPECT_THAT(report->problems, Contains(HasSubstr("merges.txt is missing")));
  EXPECT_THAT(report->problems, Contains(HasSubstr("does not exist")));
  EXPECT_THAT(report->problems, Contains(HasSubstr("unet: misshaped conv_in.weight [")));
  EXPECT_THAT(report->problems, Contains(HasSubstr("text_encoder/config.json")));
}

/// A file of zeros with the given tensors.
fs::path tensors(const fs::path& file,
                 const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& list,
                 const std::map<std::string, std::string>& metadata = {}) {
  std::vector<weights::TensorSource> sources;
  for (const auto& [name, shape] : list) {
    std::int64_t bytes = 4;
    for (const std::int64_t side : shape) bytes *= side;
    sources.push_back({name, weights::ScalarType::F32, shape, [bytes](const auto& sink) {
                         return sink(std::vector<std::byte>(static_cast<std::size_t>(bytes)));
                       }});
  }
  EXPECT_TRUE(weights::writeSafetensors(file, std::move(sources), metadata));
  return file;
}

TEST_F(WorkspaceTest, AdaptersAreRecognisedByTheirNames) {
  const auto kohya = m_workspace->inspect(tensors(m_folder / "k.safetensors",
                                                  {{"lora_unet_a_to_q.lora_down.weight", {8, 32}},
                                                   {"lora_unet_a_to_q.lora_up.weight", {32, 8}},
                                                   {"lora_unet_a_to_q.alpha", {}}},
                                                  {{"ss_sd_model_name", "starter"}}));
  ASSERT_TRUE(kohya);
  EXPECT_EQ(kohya->type, ModelType::Adapter);
  EXPECT_EQ(kohya->kind, "LoRA (kohya)");
  EXPECT_EQ(kohya->parameters, 8 * 32 * 2 + 1);
  EXPECT_THAT(kohya->details, Contains(Pair("Rank", "8")));
  EXPECT_THAT(kohya->details, Contains(Pair("Trained on", "starter")));
  EXPECT_TRUE(kohya->problems.empty());
  const auto peft = m_workspace->inspect(
      tensors(m_folder / "p.safetensors",
              {{"a.to_q.lora_A.weight", {4, 32}}, {"b.to_q.lora_B.weight", {32, 4}}}));
  ASSERT_TRUE(peft);
  EXPECT_EQ(peft->kind, "LoRA (PEFT)");
  EXPECT_THAT(peft->problems,
              testing::UnorderedElementsAre("\"a.to_q.lora_B.weight\" is missing",
                                            "\"b.to_q.lora_A.weight\" is missing"));
  fs::create_directory(m_folder / "peft");
  tensors(m_folder / "peft/adapter_model.safetensors",
          {{"a.to_q.lora_A.weight", {4, 32}}, {"a.to_q.lora_B.weight", {32, 4}}});
  const auto folder = m_workspace->inspect(m_folder / "peft");
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->kind, "LoRA (PEFT)");
  const auto xl = m_workspace->inspect(
      tensors(m_folder / "x.safetensors",
              {{"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.hada_w1_a", {6, 4}},
               {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.hada_w1_b", {4, 2048}},
               {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.hada_w2_a", {6, 4}},
               {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.hada_w2_b", {4, 2048}},
               {"bundle_emb.bo.clip_l", {1, 768}}}));
  ASSERT_TRUE(xl);
  EXPECT_EQ(xl->family, "Stable Diffusion XL");
  EXPECT_THAT(xl->details, Contains(Pair("Layers", "1")));
  EXPECT_THAT(xl->details, Contains(Pair("Use", HasSubstr("--adapter x.safetensors:1"))));
  EXPECT_THAT(xl->problems,
              testing::ElementsAre("\"bundle_emb.bo.clip_l\" is not part of an adapter"));
}

TEST_F(WorkspaceTest, OtherFilesAreNamedOrRefused) {
  EXPECT_EQ(m_workspace
                ->inspect(tensors(m_folder / "s.safetensors",
                                  {{"model.diffusion_model.input_blocks.0.0.weight", {4, 4}}}))
                .error()
                .code,
            ErrorCode::UnsupportedModel);
  const auto kind =
      [&](const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& list) {
        return m_workspace->inspect(tensors(m_folder / "k.safetensors", list))->kind;
      };
  const auto type =
      [&](const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& list) {
        return m_workspace->inspect(tensors(m_folder / "k.safetensors", list))->type;
      };
  EXPECT_EQ(type({{"lora_unet_a.hada_w1_a", {4, 2}}}), ModelType::Adapter);
  EXPECT_EQ(type({{"<bo>", {768}}}), ModelType::Embedding);
  EXPECT_EQ(type({{"encoder.conv_in.weight", {4}}, {"decoder.conv_in.weight", {4}}}),
            ModelType::Autoencoder);
  EXPECT_EQ(type({{"down_blocks.0.resnets.0.conv1.weight", {4}}}), ModelType::Part);
  EXPECT_EQ(type({{"x", {2}}}), ModelType::Unknown);
  EXPECT_EQ(kind({{"lora_unet_a.hada_w1_a", {4, 2}}}), "LoHa (LyCORIS)") << "a damaged one too";
  EXPECT_EQ(kind({{"lora_unet_a.lokr_w1", {4, 4}}, {"lora_unet_a.lokr_w2", {4, 4}}}),
            "LoKr (LyCORIS)");
  EXPECT_EQ(kind({{"lora_unet_a.lora_down.weight", {4, 2}},
                  {"lora_unet_a.lora_up.weight", {2, 4}},
                  {"lora_unet_a.dora_scale", {2, 1}}}),
            "DoRA (kohya)");
  EXPECT_EQ(kind({{"unet.a.processor.to_q_lora.down.weight", {4, 2}},
                  {"unet.a.processor.to_q_lora.up.weight", {2, 4}}}),
            "LoRA (diffusers, older form)");
  EXPECT_EQ(kind({{"emb_params", {2, 768}}}), "embedding (textual inversion)");
  EXPECT_EQ(kind({{"<bo>", {768}}}), "embedding (textual inversion)");
  EXPECT_EQ(kind({{"first_stage_model.encoder.conv_in.weight", {4}},
                  {"first_stage_model.decoder.conv_in.weight", {4}}}),
            "autoencoder (VAE)");
  EXPECT_EQ(kind({{"down_blocks.0.resnets.0.conv1.weight", {4}}}), "UNet alone");
  EXPECT_EQ(kind({{"decoder.layers.0.weight", {4}}}), "preview decoder (TAESD)");
  EXPECT_EQ(m_workspace->inspect(tensors(m_folder / "t.safetensors", {{"x", {2}}}))->kind,
            "safetensors file");
  EXPECT_EQ(m_workspace->inspect(put(m_folder / "bad.safetensors", "hostile header")).error().code,
            ErrorCode::BadModelFile);
  EXPECT_EQ(m_workspace->inspect(m_folder / "none").error().code, ErrorCode::FileNotFound);
  EXPECT_EQ(m_workspace->inspect(m_folder.path()).error().code, ErrorCode::BadModelFolder);
}

TEST_F(WorkspaceTest, PickleFilesAreInspectedByTheirSafeCopies) {
  namespace p = support::pickles;
  setenv("XDG_CACHE_HOME", (m_folder / "cache").c_str(), 1);
  const std::string vector = p::tensor({.count = 1536, .shape = {2, 768}, .strides = {768, 1}});
  const auto file = [&](const char* name, const std::string& content) {
    return m_workspace->inspect(
        put(m_folder / name, p::file(p::program(content), {{"0", std::string(4 * 1536, 'x')}})));
  };
  const auto embedding = file("bo.pt", p::dict({{"string_to_param", p::dict({{"*", vector}})}}));
  ASSERT_TRUE(embedding) << api::message(embedding.error());
  EXPECT_EQ(embedding->kind, "embedding (textual inversion)");
  EXPECT_EQ(embedding->parameters, 1536);
  EXPECT_EQ(embedding->bytes, fs::file_size(m_folder / "bo.pt"));
  EXPECT_THAT(embedding->details, Contains(Pair("Safe copy", HasSubstr("cache/likeness/weights"))));
  EXPECT_EQ(file("learned_embeds.bin", p::dict({{"<bo>", vector}}))->kind, embedding->kind);
  EXPECT_EQ(
      file("other.pth", p::dict({{"fc.weight", p::dict({{"x", p::tensor({.count = 1})}})}}))->kind,
      "pickle file");

  support::writeSingleFile(m_folder / "m.safetensors",
                           support::checkpoint(weights::Family::StableDiffusion1, 10));
  p::writeAsPickle(m_folder / "m.safetensors", m_folder / "m.ckpt");
  const auto model = m_workspace->inspect(m_folder / "m.ckpt");
  ASSERT_TRUE(model) << api::message(model.error());
  EXPECT_EQ(model->kind, "checkpoint in one file");
  EXPECT_EQ(model->parameters, m_workspace->inspect(m_folder / "m.safetensors")->parameters);
  EXPECT_THAT(model->problems, testing::IsEmpty());
  EXPECT_THAT(model->details, Contains(Pair("Safe copy", HasSubstr(".safetensors"))));

  EXPECT_EQ(m_workspace->inspect(put(m_folder / "text.ckpt", "x")).error().code,
            ErrorCode::BadModelFile);
  const auto hostile = file("evil.ckpt", p::global("os", "system"));
  EXPECT_EQ(hostile.error().code, ErrorCode::UnsafeFile);
  EXPECT_EQ(hostile.error().value("function"), "os.system");
  unsetenv("XDG_CACHE_HOME");
}

TEST_F(WorkspaceTest, RunsTellWhatTheyAre) {
  const auto run = recipe(m_folder / "run", api::Method::Lora);
  makeRun(run);
  tensors(checkpointFolder(run.runFolder, 320) / kAdapterFile, {{"a.lora_A.weight", {4, 8}}});
  const auto bytes = fs::file_size(checkpointFolder(run.runFolder, 320) / kAdapterFile);
  auto manifest = readManifest(checkpointFolder(run.runFolder, 160)).value();
  manifest.step = 320;
  manifest.files = {{std::string(kAdapterFile), bytes, ""}};
  ASSERT_TRUE(writeManifest(checkpointFolder(run.runFolder, 320), manifest));
  const auto report = m_workspace->inspect(run.runFolder);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->type, ModelType::Run);
  EXPECT_EQ(report->kind, "run");
  EXPECT_THAT(report->details, Contains(Pair("Subject", "sks toy")));
  EXPECT_THAT(report->details, Contains(Pair("Steps", "320 of 320")));
  EXPECT_THAT(report->details, Contains(Pair("Checkpoints", "160, 320")));
  EXPECT_THAT(report->details, Contains(Pair("Adapter", HasSubstr("F32"))));
  EXPECT_TRUE(report->problems.empty());
}

}  // namespace
}  // namespace likeness::workspace
