// Families by their tensors, and what is said about files that are not whole.
#include "core/weights/stored_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/checkpoints.h"
#include "tests/support/temp_folder.h"

namespace likeness::weights {
namespace {

namespace fs = std::filesystem;
using support::Checkpoint;
using support::checkpoint;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TensorSource tensor(std::string name, Shape shape, ScalarType dtype = ScalarType::F16) {
  return {name, dtype, shape, [=](const auto& sink) {
            std::size_t bytes = bits(dtype) / 8;
            for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
            return sink(std::vector<std::byte>(bytes));
          }};
}

class SingleFileTest : public testing::Test {
 protected:
  StoredModel open() const {
    auto opened = openModel({.path = m_file});
    EXPECT_TRUE(opened) << (opened ? "" : api::message(opened.error()));
    return opened ? std::move(*opened) : StoredModel{};
  }
  std::string refusal() const {
    const auto opened = openModel({.path = m_file});
    EXPECT_FALSE(opened);
    return opened ? "" : api::message(opened.error());
  }
  void write(std::vector<TensorSource> tensors,
             const std::map<std::string, std::string>& metadata = {}) const {
    EXPECT_TRUE(writeSafetensors(m_file, std::move(tensors), metadata));
  }
  /// The narrow checkpoint's tensors, for tests that change them.
  static std::vector<TensorSource> sources(const Checkpoint& model) {
    std::vector<TensorSource> all;
    for (const auto& [kind, map] : model.maps())
      for (TensorSource& source : toFileLayout(map, support::madeUp(map)))
        all.push_back(std::move(source));
    return all;
  }

  support::TempFolder m_folder;
  fs::path m_file = m_folder / "model.safetensors";
};

TEST_F(SingleFileTest, PublishedModelsAreMeasuredFromTheirHeaders) {
  for (const Family family :
       {Family::StableDiffusion1, Family::StableDiffusion2, Family::StableDiffusionXl})
    for (const std::int64_t channels : {4, 9}) {
      const Checkpoint model = checkpoint(family, 1, channels);
      support::writeSparseFile(m_file, model);
      const StoredModel single = open();
      EXPECT_EQ(single.family, family);
      EXPECT_EQ(single.variant, channels == 9 ? "inpainting" : "");
      EXPECT_THAT(single.problems(), IsEmpty());
      EXPECT_EQ(single.configs.text, model.configs.text);
      EXPECT_EQ(single.configs.text2, model.configs.text2);
      EXPECT_EQ(single.configs.vae.blockOutChannels, model.configs.vae.blockOutChannels);
      EXPECT_EQ(single.configs.vae.scalingFactor, model.configs.vae.scalingFactor);
      // A hole reads as zeros, which spread like epsilon, so 2.x is taken for the 512 px one.
      UNet2DConditionConfig unet = model.configs.unet;
      if (family == Family::StableDiffusion2) unet.sampleSize = 64;
      // One value for all blocks, or one for each.
      if (family == Family::StableDiffusionXl) unet.layersPerBlock = {2};
      EXPECT_EQ(single.configs.unet, unet);
    }
}

TEST_F(SingleFileTest, PredictionIsStatedKnownOrGuessed) {
  const auto prediction = [&](Family family, const std::map<std::string, std::string>& metadata) {
    support::writeSingleFile(m_file, checkpoint(family, 10), metadata);
    return open().prediction;
  };
  const auto is = [](PredictionType type, Certainty certainty) {
    return testing::AllOf(testing::Field(&Prediction::type, type),
                          testing::Field(&Prediction::certainty, certainty));
  };
  const auto epsilon = PredictionType::Epsilon, velocity = PredictionType::VPrediction;
  const auto one = Family::StableDiffusion1, two = Family::StableDiffusion2;
  EXPECT_THAT(prediction(one, {}), is(epsilon, Certainty::Family));
  EXPECT_THAT(prediction(one, {{"modelspec.prediction_type", "v"}}),
              is(velocity, Certainty::Stated));
  EXPECT_EQ(prediction(two, {}).certainty, Certainty::Guessed);
  EXPECT_THAT(prediction(two, {{"modelspec.prediction_type", "epsilon"}}),
              is(epsilon, Certainty::Stated));
  EXPECT_THAT(prediction(two, {{"modelspec.architecture", "stable-diffusion-v2-768-v"}}),
              is(velocity, Certainty::Stated));
  EXPECT_THAT(prediction(two, {{"ss_base_model_version", "sd_v2_v"}}),
              is(velocity, Certainty::Stated));
  EXPECT_THAT(prediction(two, {{"ss_base_model_version", "sd_v2"}}),
              is(epsilon, Certainty::Stated));
  // The named value wins over the architecture's.
  EXPECT_THAT(prediction(two,
                         {{"modelspec.prediction_type", "epsilon"},
                          {"modelspec.architecture", "stable-diffusion-v2-768-v"}}),
              is(epsilon, Certainty::Stated));
}

/// The guess looks at how far one norm's biases spread, in any dtype.
TEST_F(SingleFileTest, TheGuessReadsOneTensor) {
  const std::string key =
      "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";
  const auto guess = [&](ScalarType dtype, const std::string& pair) {
    auto all = sources(checkpoint(Family::StableDiffusion2, 10));
    for (TensorSource& source : all)
      if (source.name == key) {
        source.dtype = dtype;
        source.produce = [pair](const auto& sink) {
          std::string bytes;
          for (int i = 0; i < 16; ++i) bytes += pair;
          return sink(std::as_bytes(std::span(bytes)));
        };
      }
    write(std::move(all));
    const StoredModel single = open();
    EXPECT_EQ(single.configs.schedule.predictionType, single.prediction.type);
    EXPECT_EQ(single.resolution(),
              single.prediction.type == PredictionType::VPrediction ? 768 : 512);
    return single.prediction.type;
  };
  const auto floats = [](float a, float b) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &a, 4);
    std::memcpy(bytes.data() + 4, &b, 4);
    return bytes;
  };
  EXPECT_EQ(guess(ScalarType::F32, floats(0.10f, -0.10f)), PredictionType::VPrediction);
  EXPECT_EQ(guess(ScalarType::F32, floats(0.58f, 0.42f)), PredictionType::Epsilon);
  // 0.1 and -0.1, 0.05 and -0.05, in fp16 and in bf16.
  EXPECT_EQ(guess(ScalarType::F16, std::string("\x66\x2e\x66\xae", 4)),
            PredictionType::VPrediction);
  EXPECT_EQ(guess(ScalarType::F16, std::string("\x66\x2a\x66\xaa", 4)), PredictionType::Epsilon);
  EXPECT_EQ(guess(ScalarType::BF16, std::string("\xcd\x3d\xcd\xbd", 4)),
            PredictionType::VPrediction);
  EXPECT_EQ(guess(ScalarType::BF16, std::string("\x4d\x3d\x4d\xbd", 4)), PredictionType::Epsilon);
}

TEST_F(SingleFileTest, ModelSpecStatesTheResolution) {
  const auto resolution = [&](const std::string& stated) {
    support::writeSingleFile(
        m_file, checkpoint(Family::StableDiffusion1, 10), {{"modelspec.resolution", stated}});
    return open().resolution();
  };
  EXPECT_EQ(resolution("768x768"), 768);
  for (const char* nonsense : {"", "large", "-5x5", "99999999999999x1", "1x1"})
    EXPECT_EQ(resolution(nonsense), 512) << nonsense;
}

TEST_F(SingleFileTest, WhatNoNetworkNeedsIsNoProblem) {
  support::writeSingleFile(
      m_file,
      checkpoint(Family::StableDiffusion1, 10),
      {},
      {tensor("model_ema.diffusion_modelinput_blocks00weight", {4}),
       tensor("model_ema.decay", {}),
       tensor("betas", {1000}, ScalarType::F64),
       tensor("sqrt_recipm1_alphas_cumprod", {1000}),
       tensor("posterior_variance", {1000}),
       tensor("global_step", {}, ScalarType::I64),
       tensor("cond_stage_model.transformer.text_model.embeddings.position_ids",
              {1, 77},
              ScalarType::I64)});
  EXPECT_THAT(open().problems(), IsEmpty());
}

/// OpenCLIP's own last layer and projection are not listened to; written from a folder, the file
/// lacks them.
TEST_F(SingleFileTest, StableDiffusionTwoLeavesOutOpenClipsLastLayer) {
  const Checkpoint model = checkpoint(Family::StableDiffusion2, 10);
  support::writeSingleFile(m_file, model);
  EXPECT_EQ(open().configs.text.numHiddenLayers, 23);
  Checkpoint longer = model;
  longer.configs.text.numHiddenLayers = 24;
  support::writeSingleFile(m_file,
                           longer,
                           {},
                           {tensor("cond_stage_model.model.text_projection", {24, 24}),
                            tensor("cond_stage_model.model.logit_scale", {})});
  const StoredModel single = open();
  EXPECT_EQ(single.configs.text.numHiddenLayers, 23);
  EXPECT_THAT(single.problems(), IsEmpty());
}

TEST_F(SingleFileTest, OtherSpellingsOfNamesAreUnderstood) {
  auto all = sources(checkpoint(Family::StableDiffusion1, 10));
  for (TensorSource& source : all) {
    const auto rename = [&](const std::string& from, const std::string& to) {
      if (source.name.starts_with(from)) source.name = to + source.name.substr(from.size());
    };
    rename("first_stage_model.", "vae.");
    rename("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.");
  }
  write(std::move(all));
  EXPECT_THAT(open().problems(), IsEmpty());

  all = sources(checkpoint(Family::StableDiffusionXl, 10));
  for (TensorSource& source : all) {
    if (source.name != "conditioner.embedders.1.model.text_projection") continue;
    source.name += ".weight";
    source.produce = [shape = source.shape](const auto& sink) {
      return sink(support::madeUpBytes("as a linear layer", shape));
    };
  }
  write(std::move(all));
  const StoredModel xl = open();
  EXPECT_THAT(xl.problems(), IsEmpty());
  const StoredTensor& projection =
      xl.networks.at(NetworkKind::TextEncoder2).tensors.at("text_projection.weight");
  std::vector<std::byte> bytes(projection.info.end - projection.info.begin);
  ASSERT_TRUE(projection.read(bytes));
  EXPECT_EQ(bytes, support::madeUpBytes("as a linear layer", projection.info.shape));
}

TEST_F(SingleFileTest, ListsWhatIsMissingMisshapedOfAnotherTypeOrUnknown) {
  auto all = sources(checkpoint(Family::StableDiffusion1, 10));
  std::erase_if(all, [](const TensorSource& source) {
    return source.name == "model.diffusion_model.out.0.weight";
  });
  for (TensorSource& source : all) {
    if (source.name == "model.diffusion_model.out.0.bias")
      source = tensor(source.name, {3, 2});
    else if (source.name == "first_stage_model.quant_conv.bias")
      source = tensor(source.name, source.shape, ScalarType::I32);
  }
  all.push_back(tensor("model.diffusion_model.extra.weight", {1}));
  all.push_back(tensor("vae.quant_conv.bias", {8}));
  write(std::move(all));
  EXPECT_THAT(open().problems(),
              testing::UnorderedElementsAre(
                  "missing model.diffusion_model.out.0.weight",
                  "misshaped model.diffusion_model.out.0.bias [3, 2] instead of [32]",
                  "unusable first_stage_model.quant_conv.bias of dtype I32",
                  "unknown model.diffusion_model.extra.weight",
                  "unknown vae.quant_conv.bias"));
}

/// All of q, k and v are gone with one tensor, and it is named once.
TEST_F(SingleFileTest, AJoinedTensorIsNamedOnce) {
  auto all = sources(checkpoint(Family::StableDiffusion2, 10));
  const std::string name = "cond_stage_model.model.transformer.resblocks.3.attn.in_proj_bias";
  for (TensorSource& source : all)
    if (source.name == name) source = tensor(name, {71});
  write(std::move(all));
  EXPECT_THAT(open().problems(), ElementsAre("misshaped " + name + " [71] instead of [72]"));
}

TEST_F(SingleFileTest, AnAutoencoderBesideTheFileTakesItsPlace) {
  const Checkpoint model = checkpoint(Family::StableDiffusion1, 10);
  support::writeSingleFile(m_file, model);
  const fs::path vae = m_folder / "model.vae.safetensors";
  const KeyMap bare = singleFileMap(model.configs.vae, "");
  auto sources = toFileLayout(bare, support::madeUp(bare));
  sources.push_back(tensor("loss.discriminator.weight", {4}));
  ASSERT_TRUE(writeSafetensors(vae, std::move(sources), {}));
  const StoredModel single = open();
  EXPECT_EQ(single.vaePath, vae);
  EXPECT_EQ(single.networks.at(NetworkKind::Vae).place, vae);
  EXPECT_THAT(single.problems(), IsEmpty());
}

TEST_F(SingleFileTest, RefusesWhatIsNoCheckpointOfTheseFamilies) {
  write({tensor("weight", {2})});
  EXPECT_THAT(refusal(), HasSubstr("not named like those of a Stable Diffusion model"));
  // A UNet whose blocks lead nowhere.
  write({tensor("model.diffusion_model.input_blocks.0.0.weight", {32, 4, 3, 3})});
  EXPECT_THAT(refusal(), HasSubstr("other blocks"));
  write({tensor("model.diffusion_model.input_blocks.0.0.weight", {}),
         tensor("model.diffusion_model.input_blocks.1.0.op.weight", {1})});
  EXPECT_THAT(refusal(), HasSubstr("other blocks"));
  write({tensor("model.diffusion_model.input_blocks.0.0.weight", {33, 4, 3, 3}),
         tensor("model.diffusion_model.input_blocks.1.0.in_layers.2.weight", {33, 33, 3, 3}),
         tensor("model.diffusion_model.input_blocks.1.1.transformer_blocks.0.norm1.weight", {33})});
  EXPECT_THAT(refusal(), HasSubstr("other blocks"));
  support::put(m_file, "not a model");
  EXPECT_THAT(refusal(), HasSubstr("cannot be used"));
  for (const auto& [key, family] : {std::pair("joint_blocks.0.x", Family::StableDiffusion3),
                                    std::pair("double_blocks.0.x", Family::Flux)}) {
    write({tensor(std::string("model.diffusion_model.") + key, {2})});
    EXPECT_EQ(open().family, family);
  }
}

}  // namespace
}  // namespace likeness::weights
