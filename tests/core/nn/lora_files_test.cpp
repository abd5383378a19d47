// LoRA files: both forms out and in again, the dialects that are read, and what is refused.
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/hash.h"
#include "tests/core/nn/golden_networks.h"
#include "tests/core/nn/tiny.h"
#include "tests/support/faulty_files.h"

namespace likeness::nn::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

/// fp32 files hold the adapter bit for bit; the scale alpha / rank goes through fp32.
constexpr double roundTripTolerance = 1e-6;

std::string underscored(std::string key) {
  std::ranges::replace(key, '.', '_');
  return key;
}

class LoraFile : public testing::Test {
 protected:
  LoraFile() {
    m_options.rank = 4;
    m_options.alpha = 6;
    m_options.targets = {"to_q", "to_v", "ff.net.2", "proj_in", "conv1", "conv_shortcut"};
    m_adapter = attachTrained(m_trained, m_options, 3);
  }
  /// A fresh model with the file on it.
  StableDiffusion with(const fs::path& file, double strength = 1) {
    auto model = mustLoad(tinyFolder());
    const auto attached = attachAdapterFile(model, file, strength);
    EXPECT_TRUE(attached) << (attached ? "" : api::message(attached.error()));
    return model;
  }
  void expectRefusal(const fs::path& file, const std::string& reason) {
    auto model = mustLoad(tinyFolder());
    const auto attached = attachAdapterFile(model, file, 1);
    ASSERT_FALSE(attached) << reason;
    EXPECT_EQ(attached.error().code, api::ErrorCode::BadAdapter) << reason;
    EXPECT_EQ(said(attached.error(), "file"), file.string());
    EXPECT_THAT(said(attached.error(), "reason"), HasSubstr(reason));
    EXPECT_EQ(adapterCount(model), 0u) << "nothing is attached: " << reason;
  }
  fs::path write(const tensor::StateDict& tensors,
                 const std::map<std::string, std::string>& metadata = {}) {
    const fs::path file = m_folder / "written.safetensors";
    mustWrite(file, tensors, metadata);
    return file;
  }
  api::Result<weights::WrittenFile> saveKohya(
      const tensor::StateDict& adapter,
      const fs::path& file,
      at::ScalarType dtype = at::kFloat,
      double alpha = 6,
      const std::map<std::string, std::string>& metadata = {}) {
    Lora lora = loraOf(behindUnet(adapter), alpha / 4);
    lora.metadata = metadata;
    return saveLora(lora, LoraForm::Kohya, file, dtype);
  }
  static tensor::StateDict behindUnet(const tensor::StateDict& adapter) {
    tensor::StateDict tensors;
    for (const auto& [key, tensor] : adapter) tensors.emplace("unet." + key, tensor);
    return tensors;
  }
  /// The adapter with every key renamed.
  template <class Name>
  tensor::StateDict renamed(const Name& name) const {
    tensor::StateDict tensors;
    for (const auto& [key, tensor] : m_adapter) {
      const std::size_t end = key.rfind(".lora_");
      tensors.emplace(name(key.substr(0, end), key.substr(end) == ".lora_A.weight"), tensor);
    }
    return tensors;
  }
  /// The scale of the file's adapter on a layer.
  double scaleIn(const fs::path& file, const std::string& layer = "mid_block.resnets.0.conv1") {
    return with(file).unet.store->slots().at(layer)->adapters.at(0).scale;
  }

  support::TempFolder m_folder;
  StableDiffusion m_trained = mustLoad(tinyFolder());
  api::LoraOptions m_options;
  tensor::StateDict m_adapter;
};

TEST_F(LoraFile, KohyaComesBackInAFreshModel) {
  const fs::path file = m_folder / "toy.safetensors";
  ASSERT_TRUE(saveKohya(m_adapter, file));
  const auto fresh = with(file);
  EXPECT_GT(relativeError(unetOutput(m_trained), unetOutput(mustLoad(tinyFolder()))), 0.1);
  EXPECT_LE(relativeError(unetOutput(fresh), unetOutput(m_trained)), roundTripTolerance);
  setAdapterStrength(*m_trained.unet.store, 0, 0.4);
  EXPECT_LE(relativeError(unetOutput(with(file, 0.4)), unetOutput(m_trained)), roundTripTolerance);
  EXPECT_EQ(relativeError(unetOutput(with(file, 0)), unetOutput(mustLoad(tinyFolder()))), 0);
  EXPECT_EQ(adapterCount(fresh), m_adapter.size() / 2);
}

TEST_F(LoraFile, PeftComesBackInAFreshModel) {
  const fs::path file = m_folder / "adapter.safetensors";
  const auto written =
      saveLora(loraOf(behindUnet(m_adapter), 1.5), LoraForm::Peft, file, at::kFloat);
  ASSERT_TRUE(written);
  EXPECT_EQ(written->sha256, base::sha256File(file).value());
  EXPECT_LE(relativeError(unetOutput(with(file)), unetOutput(m_trained)), roundTripTolerance);

  EXPECT_TRUE(equal(mustRead(file), behindUnet(m_adapter)));
  const auto opened = weights::SafetensorsFile::open(file);
  const auto config = json::parse(opened->metadata().at("lora_adapter_metadata"));
  EXPECT_EQ(config["unet.r"], 4);
  EXPECT_EQ(config["unet.lora_alpha"], 6.0);
  EXPECT_EQ(config["unet.target_modules"].size(), m_adapter.size() / 2);
  EXPECT_EQ(opened->metadata().at("format"), "pt");
}

TEST_F(LoraFile, AdaptersOfFilesStandBesideEachOther) {
  const fs::path file = m_folder / "toy.safetensors";
  ASSERT_TRUE(saveKohya(m_adapter, file));
  auto model = with(file, 0.25);
  ASSERT_TRUE(attachAdapterFile(model, file, 0.75));
  EXPECT_EQ(adapterCount(model), m_adapter.size());
  EXPECT_LE(relativeError(unetOutput(model), unetOutput(m_trained)), 1e-5);
}

TEST_F(LoraFile, KohyaNamesTensorsAndMetadataAsOtherProgramsExpect) {
  const fs::path file = m_folder / "My Toy.safetensors";
  ASSERT_TRUE(saveKohya(m_adapter, file, at::kHalf, 6, {{"ss_steps", "12"}, {"own", "x"}}));
  tensor::StateDict expected;
  for (const auto& [key, tensor] : renamed([](const std::string&module, bool down) {
         return "lora_unet_" + underscored(module) + (down ? ".lora_down" : ".lora_up") + ".weight";
       })) {
    expected.emplace(key, tensor.detach().to(at::kHalf));
    expected.emplace(key.substr(0, key.find('.')) + ".alpha", at::full({}, 6, at::kHalf));
  }
  EXPECT_TRUE(equal(mustRead(file), expected)) << "rounded to nearest";

  auto metadata = weights::SafetensorsFile::open(file)->metadata();
  for (const char* hash : {"sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256"})
    EXPECT_EQ(metadata.erase(hash), 1u) << hash;
  const std::map<std::string, std::string> wanted = {
      {"ss_network_module", "networks.lora"},
      {"ss_network_dim", "4"},
      {"ss_network_alpha", "6.0"},
      {"ss_v2", "False"},
      {"ss_base_model_version", "sd_v1"},
      {"ss_steps", "12"},
      {"modelspec.sai_model_spec", "1.0.1"},
      {"modelspec.architecture", "stable-diffusion-v1/lora"},
      {"modelspec.implementation", "diffusers"},
      {"modelspec.title", "My Toy"},
      {"modelspec.resolution", "512x512"},
      {"own", "x"}};
  EXPECT_EQ(metadata, wanted);
  ASSERT_TRUE(saveKohya(m_adapter, file, at::kHalf, 6, {{"modelspec.title", "Bo"}}));
  EXPECT_EQ(weights::SafetensorsFile::open(file)->metadata().at("modelspec.title"), "Bo");
}

TEST_F(LoraFile, KohyaHashesAreThoseOfTheFileWithItsTrainingEntriesAlone) {
  // Past 0x110000 bytes, so that the legacy hash covers data.
  tensor::StateDict large = {{"a.to_q.lora_A.weight", at::full({64, 4096}, 0.5)},
                             {"a.to_q.lora_B.weight", at::full({4096, 64}, 0.25)}};
  for (const auto& [name, adapter] :
       {std::pair("small", m_adapter), std::pair("large", std::move(large))}) {
    const fs::path file = m_folder / (std::string(name) + ".safetensors");
    ASSERT_TRUE(saveKohya(adapter, file, at::kFloat, 1, {{"ss_steps", "7"}}));
    // The header as it would be without the other entries, from the file itself.
    const std::string bytes = support::content(file);
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    auto header = nlohmann::ordered_json::parse(bytes.substr(8, size));
    const auto metadata = header["__metadata__"];
    header["__metadata__"] = json::object();
    for (const auto& [key, value] : metadata.items())
      if (key.starts_with("ss_")) header["__metadata__"][key] = value;
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const std::string data = bytes.substr(8 + size);
    const std::uint64_t length = text.size();
    const std::string whole = std::string(reinterpret_cast<const char*>(&length), 8) + text + data;

    const std::string hash = base::sha256(data);
    EXPECT_EQ(metadata["sshs_model_hash"], hash);
    EXPECT_EQ(metadata["modelspec.hash_sha256"], "0x" + hash);
    const std::string block = whole.size() > 0x100000 ? whole.substr(0x100000, 0x10000) : "";
    EXPECT_EQ(metadata["sshs_legacy_hash"], base::sha256(block).substr(0, 8)) << name;
  }
}

TEST_F(LoraFile, EveryDialectMeansTheSame) {
  const std::pair<const char*, const char*> suffixes[] = {
      {".lora_down.weight", ".lora_up.weight"},
      {".lora_A.weight", ".lora_B.weight"},
      {".lora_A.default.weight", ".lora_B.default.weight"},
      {".lora.down.weight", ".lora.up.weight"},
      {".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"}};
  for (const auto& [down, up] : suffixes)
    for (const std::string prefix :
         {"", "unet.", "base_model.model.", "base_model.model.unet.", "lora_unet_"}) {
      const auto tensors = renamed([&](const std::string& module, bool isDown) {
        return prefix + (prefix == "lora_unet_" ? underscored(module) : module) +
               (isDown ? down : up);
      });
      const auto model = with(write(tensors, {{"alpha", "6"}}));
      EXPECT_EQ(relativeError(unetOutput(model), unetOutput(m_trained)), 0) << prefix << down;
    }
}

TEST_F(LoraFile, PointwiseConvolutionsMayBeStoredAsMatrices) {
  tensor::StateDict tensors = m_adapter;
  for (auto& [key, tensor] : tensors)
    if (key.find("proj_in") != std::string::npos || key.find("conv_shortcut") != std::string::npos)
      tensor = tensor.detach().flatten(1);
    else if (tensor.dim() == 2)
      tensor = tensor.detach().unsqueeze(2).unsqueeze(3);  // and products as convolutions
  const auto model = with(write(tensors, {{"alpha", "6"}}));
  EXPECT_EQ(relativeError(unetOutput(model), unetOutput(m_trained)), 0);
}

TEST_F(LoraFile, TextEncodersTakeAdaptersUnderAllTheirNames) {
  const std::string layer = "encoder.layers.1.self_attn.q_proj";
  const at::Tensor down = at::full({2, 16}, 0.3), up = at::full({16, 2}, 0.2);
  const at::Tensor base = textOutput(m_trained);
  at::Tensor first;
  for (const std::string& name : {"lora_te_text_model_" + underscored(layer),
                                  "text_encoder.text_model." + layer,
                                  "text_encoder." + layer}) {
    const auto model =
        with(write({{name + ".lora_A.weight", down}, {name + ".lora_B.weight", up}}));
    const at::Tensor output = textOutput(model);
    EXPECT_GT(relativeError(output, base), 1e-3) << name;
    if (!first.defined()) first = output;
    EXPECT_EQ(relativeError(output, first), 0) << name;
    EXPECT_EQ(adapterCount(model), 1u);
  }
}

TEST_F(LoraFile, AlphaComesFromTensorsThenMetadataThenTheRank) {
  const std::string layer = "mid_block.resnets.0.conv1";
  EXPECT_EQ(scaleIn(write(m_adapter)), 1) << "the rank";
  EXPECT_EQ(scaleIn(write(m_adapter, {{"alpha", "2"}})), 0.5);
  const std::string config = R"({"unet.r": 4, "unet.lora_alpha": 3, "text_encoder.lora_alpha": 8})";
  EXPECT_EQ(scaleIn(write(m_adapter, {{"lora_adapter_metadata", config}})), 0.75);
  tensor::StateDict own = m_adapter;
  own.emplace(layer + ".alpha", at::full({}, 16, at::kHalf));
  const fs::path file = write(own, {{"lora_adapter_metadata", config}});
  EXPECT_EQ(scaleIn(file), 4) << "the tensor wins";
  EXPECT_EQ(scaleIn(file, "mid_block.resnets.1.conv1"), 0.75) << "for its own layer";

  // PEFT's other words for it.
  const auto metadata = [](const std::string& text) {
    return std::map<std::string, std::string>{{"lora_adapter_metadata", text}};
  };
  EXPECT_EQ(
      scaleIn(write(m_adapter, metadata(R"({"unet.lora_alpha": 6, "unet.use_rslora": true})"))), 3)
      << "6 over the root of 4";
  const fs::path pattern = write(
      m_adapter, metadata(R"({"unet.lora_alpha": 4, "unet.alpha_pattern": {"0.conv1": 10}})"));
  EXPECT_EQ(scaleIn(pattern), 2.5);
  EXPECT_EQ(scaleIn(pattern, "mid_block.resnets.1.conv1"), 1);
  const fs::path peft = m_folder / "peft";
  fs::create_directory(peft);
  mustWrite(peft / "adapter_model.safetensors", m_adapter);
  support::put(peft / "adapter_config.json", R"({"peft_type": "LORA", "r": 4, "lora_alpha": 12})");
  EXPECT_EQ(scaleIn(peft), 3) << "a folder";
  EXPECT_EQ(scaleIn(peft / "adapter_model.safetensors"), 3);

  const std::string query = "text_encoder.encoder.layers.0.self_attn.q_proj";
  tensor::StateDict both = m_adapter;
  both.emplace(query + ".lora_A.weight", at::ones({2, 16}));
  both.emplace(query + ".lora_B.weight", at::ones({16, 2}));
  const auto model = with(write(both, {{"lora_adapter_metadata", config}}));
  EXPECT_EQ(model.unet.store->slots().at(layer)->adapters.at(0).scale, 0.75);
  EXPECT_EQ(model.textEncoder.store->slots()
                .at("text_model.encoder.layers.0.self_attn.q_proj")
                ->adapters.at(0)
                .scale,
            4)
      << "the text encoder's own";
}

TEST_F(LoraFile, RefusesWhatDoesNotFitAndAttachesNothing) {
  const std::string module = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
  const std::string down = module + ".lora_A.weight", up = module + ".lora_B.weight";
  const std::string misfit = "\"" + module + "\" does not fit the layer's shape";
  // The rest of the file is good each time, and stands before it in the order of keys.
  const auto change = [&](const std::string& key, const at::Tensor& tensor) {
    tensor::StateDict tensors = m_adapter;
    tensors.insert_or_assign(key, tensor);
    return tensors;
  };
  expectRefusal(write(change(down, at::ones({4, 15}))), misfit);
  expectRefusal(write(change(down, at::ones({16, 4}))), misfit);
  expectRefusal(write(change(down, at::ones({3, 16}))), misfit);
  expectRefusal(write(change(down, at::ones({0, 16}))), misfit);
  expectRefusal(write(change(down, at::ones({}))), misfit);
  expectRefusal(write(change(up, at::ones({4, 16}))), misfit);
  expectRefusal(write(change(up, at::ones({}))), misfit);
  expectRefusal(write(change(up, at::ones({16, 4}, at::kLong))), misfit);
  expectRefusal(write(change(module + ".alpha", at::ones({2}))), misfit);
  expectRefusal(write(change(module + ".dora_scale", at::ones({4, 4}))), misfit);
  tensor::StateDict half = m_adapter;
  half.erase(up);
  expectRefusal(write(half), "\"" + up + "\" is missing");

  for (const std::string name :
       {"mid_block.attentions.9.to_q", "lora_te2_text_model_x", "transformer.x"}) {
    auto tensors = change(name + ".lora_A.weight", at::ones({4, 16}));
    tensors.emplace(name + ".lora_B.weight", at::ones({4, 16}));
    expectRefusal(write(tensors), "this model has no layer \"" + name + "\"");
  }
  tensor::StateDict strangers = m_adapter;
  for (const char* name : {"a", "b", "c", "d", "e"})
    for (const char* suffix : {".lora_A.weight", ".lora_B.weight"})
      strangers.emplace(std::string(name) + suffix, at::ones({4, 16}));
  expectRefusal(write(strangers), "this model has no layers \"a\", \"b\", \"c\" and 2 more");
  for (const char* name : {".diff", ".weight"})
    expectRefusal(write(change(module + name, at::ones({4, 4}))),
                  "\"" + module + name + "\" is not part of an adapter");
  expectRefusal(write(change(module + ".hada_w1_a", at::ones({4, 4}))), "mixes kinds");
  expectRefusal(write(change("unet." + down, at::ones({4, 16}))), "is missing");
  expectRefusal(write(change(module + ".alpha",
                             at::full({}, std::numeric_limits<double>::quiet_NaN(), at::kFloat))),
                "\"" + module + "\" has no finite alpha");
  expectRefusal(write(m_adapter, {{"lora_adapter_metadata", R"({"unet.fan_in_fan_out": true})"}}),
                "fan_in_fan_out");
  expectRefusal(
      write(m_adapter, {{"lora_adapter_metadata", R"({"unet.alpha_pattern": {"to_[qk]": 2}})"}}),
      "\"to_[qk]\" is not the name of a layer");
  expectRefusal(write(m_adapter, {{"lora_adapter_metadata", "no"}}), "is not JSON");
  expectRefusal(write({}), "it holds no LoRA");

  auto model = mustLoad(tinyFolder());
  EXPECT_EQ(attachAdapterFile(model, m_folder / "none", 1).error().code,
            api::ErrorCode::FileNotFound);
  EXPECT_EQ(attachAdapterFile(model, support::put(m_folder / "text", "no tensors"), 1).error().code,
            api::ErrorCode::BadModelFile);
  EXPECT_EQ(adapterCount(model), 0u);
}

TEST_F(LoraFile, AFaultWhileWritingLeavesNoFile) {
  const fs::path folder = m_folder / "out", file = folder / "toy.safetensors";
  fs::create_directory(folder);
  int calls = 0;
  {
    const support::FaultyFiles counting(-1);
    ASSERT_TRUE(saveKohya(m_adapter, file));
    calls = counting.calls();
  }
  for (int failAt = 0; failAt < calls; ++failAt) {
    fs::remove(file);
    const support::FaultyFiles files(failAt, ENOSPC);
    const auto saved = saveKohya(m_adapter, file);
    SCOPED_TRACE(files.names()[static_cast<std::size_t>(failAt)]);
    if (!saved) {
      EXPECT_EQ(saved.error().code, api::ErrorCode::DiskFull);
    }
    if (fs::exists(file)) (void)with(file);  // whole, when the fault came after its rename
    EXPECT_EQ(filesBelow(folder).size(), fs::exists(file) ? 1u : 0u);
    EXPECT_TRUE(saved ? fs::exists(file) : true);
  }
}

}  // namespace
}  // namespace likeness::nn::test
