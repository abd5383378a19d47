// Writing diffusers folders: what is in them, and that there is a whole one or none.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "tests/core/nn/tiny.h"
#include "tests/support/faulty_files.h"
#include "tests/support/tiny_model.h"

namespace likeness::nn::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* weightFiles[] = {"unet/diffusion_pytorch_model.safetensors",
                                       "vae/diffusion_pytorch_model.safetensors",
                                       "text_encoder/model.safetensors"};

json readJson(const fs::path& file) { return json::parse(support::content(file)); }

class SaveFolder : public testing::Test {
 protected:
  api::Result<void> save(at::ScalarType dtype = at::kFloat) {
    return saveStableDiffusion(m_loaded, m_out, dtype);
  }
  /// What lies beside the model that is written, `out` itself included.
  std::set<std::string> inScratch() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(m_folder / "scratch"))
      names.insert(entry.path().filename().string());
    return names;
  }
  fs::path scratch() const {
    fs::create_directory(m_folder / "scratch");
    return m_folder / "scratch";
  }

  support::TempFolder m_folder;
  fs::path m_model = copyTiny(m_folder / "model"), m_out = scratch() / "out";
  StableDiffusion m_loaded = mustLoad(m_model);
};

TEST_F(SaveFolder, Fp32ComesBackBitForBit) {
  ASSERT_TRUE(save());
  for (const char* file : weightFiles)
    EXPECT_EQ(support::content(m_out / file), support::content(m_model / file)) << file;
  const auto again = mustLoad(m_out);
  EXPECT_TRUE(equal(again.unet.store->stateDict(), m_loaded.unet.store->stateDict()));
  EXPECT_TRUE(equal(again.vae.store->stateDict(), m_loaded.vae.store->stateDict()));
  EXPECT_TRUE(equal(again.textEncoder.store->stateDict(), m_loaded.textEncoder.store->stateDict()));
  EXPECT_EQ(again.weightHash, m_loaded.weightHash);
  EXPECT_EQ(filesBelow(m_out), filesBelow(m_model));
  EXPECT_THAT(inScratch(), testing::ElementsAre("out"));
}

TEST_F(SaveFolder, HalfPrecisionRoundsToNearestAndTheTextConfigSaysSo) {
  auto config = readJson(m_model / "text_encoder/config.json");
  config["torch_dtype"] = "float32";
  support::put(m_model / "text_encoder/config.json", config.dump());
  const std::pair<at::ScalarType, const char*> dtypes[] = {{at::kHalf, "float16"},
                                                           {at::kBFloat16, "bfloat16"}};
  for (const auto& [dtype, name] : dtypes) {
    m_out = scratch() / name;
    ASSERT_TRUE(save(dtype));
    const std::pair<const char*, const ParameterStore*> parts[] = {
        {weightFiles[0], m_loaded.unet.store.get()},
        {weightFiles[1], m_loaded.vae.store.get()},
        {weightFiles[2], m_loaded.textEncoder.store.get()}};
    for (const auto& [file, store] : parts) {
      tensor::StateDict rounded = store->stateDict();
      for (auto& [key, tensor] : rounded) tensor = tensor.to(dtype);
      EXPECT_TRUE(equal(mustRead(m_out / file), rounded)) << file;
    }
    EXPECT_EQ(readJson(m_out / "text_encoder/config.json")["torch_dtype"], name);
    EXPECT_TRUE(loadStableDiffusion({m_out}, {}));
  }
}

TEST_F(SaveFolder, TheStarterInItsOwnDtypeIsTheStarter) {
  const fs::path starter = base::findResources() / "starter";
  m_loaded = mustLoad(starter);
  ASSERT_TRUE(save(at::kHalf));
  for (const char* file : weightFiles)
    EXPECT_TRUE(equal(mustRead(m_out / file), mustRead(starter / file))) << file;
  auto wanted = filesBelow(starter);
  std::erase_if(wanted, [](const std::string& file) { return file.starts_with("recipe/"); });
  EXPECT_EQ(filesBelow(m_out), wanted) << "with likeness.yaml, card and licence";
  for (const char* file : {"unet/config.json", "vae/config.json", "tokenizer/vocab.json"})
    EXPECT_EQ(support::content(m_out / file), support::content(starter / file)) << file;
}

TEST_F(SaveFolder, TheIndexNamesOnlyWhatWasWritten) {
  auto index = readJson(m_model / "model_index.json");
  index["safety_checker"] = {"stable_diffusion", "StableDiffusionSafetyChecker"};
  index["requires_safety_checker"] = true;
  support::put(m_model / "model_index.json", index.dump());
  support::put(m_model / "safety_checker/config.json", "{}");
  support::put(m_model / "LICENSE.txt", "of the model");
  ASSERT_TRUE(save());
  const auto written = readJson(m_out / "model_index.json");
  EXPECT_EQ(written["safety_checker"], json({nullptr, nullptr}));
  EXPECT_EQ(written["requires_safety_checker"], false);
  EXPECT_EQ(written["unet"], index["unet"]);
  EXPECT_FALSE(fs::exists(m_out / "safety_checker"));
  EXPECT_EQ(support::content(m_out / "LICENSE.txt"), "of the model");
}

TEST_F(SaveFolder, OtherValuesTakeTheirPlace) {
  const auto other = mustLoad(support::makeTinyModel(m_folder / "other", {.seed = 2}));
  const auto unet = other.unet.store->stateDict(), text = other.textEncoder.store->stateDict();
  ASSERT_TRUE(saveStableDiffusion(
      m_loaded,
      m_out,
      at::kFloat,
      {{weights::NetworkKind::UNet, unet}, {weights::NetworkKind::TextEncoder, text}}));
  EXPECT_TRUE(equal(mustRead(m_out / weightFiles[0]), unet));
  EXPECT_TRUE(equal(mustRead(m_out / weightFiles[1]), m_loaded.vae.store->stateDict()));
  EXPECT_TRUE(equal(mustRead(m_out / weightFiles[2]), text));
}

TEST_F(SaveFolder, NothingIsOverwrittenAndNothingLeftBeside) {
  support::put(m_out / "precious", "x");
  auto refused = save();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, api::ErrorCode::FileUnwritable);
  EXPECT_EQ(said(refused.error(), "file"), m_out.string());
  EXPECT_THAT(filesBelow(scratch()), testing::ElementsAre("out/precious"));

  m_out = support::put(scratch() / "file", "x");
  EXPECT_EQ(save().error().code, api::ErrorCode::FileUnwritable);
  EXPECT_THAT(filesBelow(scratch()), testing::ElementsAre("file", "out/precious"));

  m_out = scratch() / "empty";
  fs::create_directory(m_out);
  ASSERT_TRUE(save()) << "an empty folder is nothing";
  EXPECT_TRUE(loadStableDiffusion({m_out}, {}));
  EXPECT_THAT(inScratch(), testing::ElementsAre("empty", "file", "out"));
}

TEST_F(SaveFolder, AFaultLeavesNoHalfModel) {
  int calls = 0;
  {
    const support::FaultyFiles counting(-1);
    ASSERT_TRUE(save());
    calls = counting.calls();
  }
  // Every kind of call in every part, and each of the last ones, which publish the folder.
  for (int failAt = 0; failAt < calls; failAt += failAt + 12 < calls ? 13 : 1) {
    fs::remove_all(m_out);
    const support::FaultyFiles files(failAt, ENOSPC);
    const auto saved = save();
    const std::string name = files.names()[static_cast<std::size_t>(failAt)];
    SCOPED_TRACE("call " + std::to_string(failAt) + " of " + std::to_string(calls) + ", " + name);
    if (!saved) {
      EXPECT_EQ(saved.error().code, api::ErrorCode::DiskFull);
    }
    // A fault after the rename is reported, and the model stands there whole.
    EXPECT_TRUE(fs::exists(m_out) ? loadStableDiffusion({m_out}, {}).has_value() : !saved);
    EXPECT_LE(inScratch().size(), fs::exists(m_out) ? 1u : 0u) << "nothing else is left";
  }
}

TEST_F(SaveFolder, ADiskThatStaysBrokenLeavesNothingUnderTheName) {
  for (const int failAt : {0, 40, 200}) {
    const support::FaultyFiles files(failAt, EIO, /*sticky=*/true);
    const auto saved = save();
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, api::ErrorCode::FileUnwritable);
    EXPECT_FALSE(fs::exists(m_out));
  }
}

}  // namespace
}  // namespace likeness::nn::test
