// Adapter files of every dialect and kind against diffusers, peft and lycoris: live, merged,
// several at once.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/weights/model_configs.h"
#include "tests/core/nn/golden_networks.h"
#include "tests/core/nn/tiny.h"
#include "tests/support/expect_within.h"

namespace likeness::nn::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kFolder = "tests/golden/adapters";
/// |ours - theirs| / |theirs|: fp32 beside fp64 through a whole network. The recorded cases use at
/// most 0.08 of it.
constexpr double kTolerance = 1e-5;

tensor::StateDict part(const tensor::StateDict& tensors, const std::string& prefix) {
  tensor::StateDict some;
  for (const auto& [key, tensor] : tensors)
    if (key.starts_with(prefix)) some.emplace(key.substr(prefix.size()), tensor);
  return some;
}

class AdapterGolden : public testing::Test {
 protected:
  AdapterGolden() : m_base(mustRead(kFolder / "base.safetensors")) {
    const auto metadata =
        weights::SafetensorsFile::open(kFolder / "base.safetensors").value().metadata();
    m_configs.unet =
        weights::readUNetConfig(support::put(m_folder / "unet.json", metadata.at("unet"))).value();
    m_configs.text =
        weights::readClipTextConfig(support::put(m_folder / "text.json", metadata.at("text")))
            .value();
  }
  template <class Model, class Config>
  static Network<Model> network(tensor::StateDict weights, const Config& config) {
    Network<Model> made;
    made.store =
        std::make_shared<ParameterStore>(std::move(weights), at::kFloat, at::kCPU, "golden");
    made.model = std::make_shared<const Model>(Weights(*made.store), config);
    const auto complete = made.store->finish();
    EXPECT_TRUE(complete) << (complete ? "" : complete.error().detail);
    return made;
  }
  /// The recorded networks in the place of a model's own.
  StableDiffusion model() const {
    auto model = mustLoad(tinyFolder());
    model.unet = network<UNet2DConditionModel>(part(m_base, "weights/unet/"), m_configs.unet);
    model.textEncoder = network<ClipTextModel>(part(m_base, "weights/text/"), m_configs.text);
    model.files.configs.unet = m_configs.unet;
    model.files.configs.text = m_configs.text;
    return model;
  }
  struct Outputs {
    at::Tensor unet, text;
  };
  Outputs outputs(const UNet2DConditionModel& unet, const ClipTextModel& text) const {
    const c10::InferenceMode inference;
    return {unet.forward(
                m_base.at("input/sample"), m_base.at("input/timestep"), m_base.at("input/context")),
            text.forward(m_base.at("input/ids"))};
  }
  Outputs outputs(const StableDiffusion& model) const {
    return outputs(*model.unet.model, *model.textEncoder.model);
  }
  Outputs merged(const StableDiffusion& model) const {
    const auto unet =
        network<UNet2DConditionModel>(mergedWeights(*model.unet.store), m_configs.unet);
    const auto text =
        network<ClipTextModel>(mergedWeights(*model.textEncoder.store), m_configs.text);
    return outputs(*unet.model, *text.model);
  }
  static void expectNear(const std::string& what,
                         const Outputs& a,
                         const Outputs& b,
                         double tolerance = kTolerance) {
    support::expectWithin(what, relativeError(a.unet, b.unet), tolerance);
    support::expectWithin(what, relativeError(a.text, b.text), tolerance);
  }

  /// A recorded adapter as it lies on a person's disk, and what it does.
  struct Recorded {
    fs::path file;
    Outputs outputs;
  };
  Recorded recorded(const std::string& name) const {
    const fs::path golden = kFolder / (name + ".safetensors");
    const auto tensors = mustRead(golden);
    const auto metadata = weights::SafetensorsFile::open(golden).value().metadata();
    const fs::path folder = m_folder / name;
    fs::create_directories(folder);
    const auto config = metadata.find("adapter_config");
    const fs::path file =
        folder / (config == metadata.end() ? name + ".safetensors" : "adapter_model.safetensors");
    if (config != metadata.end()) support::put(folder / "adapter_config.json", config->second);
    mustWrite(file, part(tensors, "file/"), json::parse(metadata.at("metadata")));
    return {file, {tensors.at("output/unet"), tensors.at("output/text")}};
  }
  static void attach(StableDiffusion& model, const fs::path& file, double strength = 1) {
    const auto attached = attachAdapterFile(model, file, strength);
    ASSERT_TRUE(attached) << api::message(attached.error()) << attached.error().detail;
  }
  static std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(kFolder))
      if (entry.path().stem() != "base") all.push_back(entry.path().stem().string());
    std::ranges::sort(all);
    return all;
  }

  support::TempFolder m_folder;
  tensor::StateDict m_base;
  weights::ModelConfigs m_configs;
};

TEST_F(AdapterGolden, EveryDialectAndKindGivesWhatItsProgramGives) {
  EXPECT_GE(names().size(), 27u);
  for (const std::string& name : names()) {
    SCOPED_TRACE(name);
    auto with = model();
    const Recorded golden = recorded(name);
    attach(with, golden.file);
    expectNear(name, outputs(with), golden.outputs);
    expectNear(name + ".merged", merged(with), golden.outputs);
  }
}

TEST_F(AdapterGolden, StrengthsAreLiveAndMergedEqualsLive) {
  const Outputs base = outputs(model());
  for (const std::string& name : names()) {
    SCOPED_TRACE(name);
    auto with = model();
    const Recorded golden = recorded(name);
    attach(with, golden.file, 0);
    EXPECT_EQ(relativeError(outputs(with).unet, base.unet), 0) << "off";
    for (const double strength : {0.6, -0.3, 1.0}) {
      setAdapterStrength(*with.unet.store, 0, strength);
      setAdapterStrength(*with.textEncoder.store, 0, strength);
      expectNear(name, outputs(with), merged(with));
    }
    expectNear(name, outputs(with), golden.outputs);
  }
}

TEST_F(AdapterGolden, SeveralOfDifferentKindsStandBesideEachOther) {
  auto with = model();
  const char* kinds[] = {"kohya", "locon_tucker", "loha", "lokr_dora", "peft_dora"};
  for (const char* name : kinds) attach(with, recorded(name).file, 0.4);
  EXPECT_EQ(adapterCount(*with.unet.store), 5u);
  const Outputs all = outputs(with);
  expectNear("merged", all, merged(with));
  // Their changes add up, whatever the order of files.
  auto other = model();
  for (const char* name : {"peft_dora", "loha", "kohya", "lokr_dora", "locon_tucker"})
    attach(other, recorded(name).file, 0.4);
  expectNear("order", all, outputs(other));
  // Each is turned off under its own number, though it is on a few layers only.
  for (const std::size_t number : {0, 1, 3, 4}) {
    setAdapterStrength(*with.unet.store, number, 0);
    setAdapterStrength(*with.textEncoder.store, number, 0);
  }
  auto alone = model();
  attach(alone, recorded("loha").file, 0.4);
  expectNear("alone", outputs(with), outputs(alone), 1e-6);
}

TEST_F(AdapterGolden, HalfPrecisionRoundsAndNothingMore) {
  for (const char* name : {"locon", "loha_tucker", "lokr_dora_columns"}) {
    SCOPED_TRACE(name);
    auto with = model();
    const Recorded golden = recorded(name);
    attach(with, golden.file);
    const c10::InferenceMode inference;
    const at::Tensor bf16 = with.unet.model->forward(m_base.at("input/sample").to(at::kBFloat16),
                                                     m_base.at("input/timestep"),
                                                     m_base.at("input/context").to(at::kBFloat16));
    EXPECT_EQ(bf16.scalar_type(), at::kBFloat16);
    EXPECT_LE(relativeError(bf16.to(at::kFloat), golden.outputs.unet), 0.05);
  }
}

}  // namespace
}  // namespace likeness::nn::test
