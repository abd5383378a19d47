// Every naming of adapter files, and the layers they mean.
#include "core/weights/adapter_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/checkpoints.h"

namespace likeness::weights {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TensorInfos header(const std::map<std::string, Shape>& tensors) {
  TensorInfos made;
  for (const auto& [key, shape] : tensors)
    made.emplace(key, TensorInfo{ScalarType::F32, shape, 0, 0});
  return made;
}

AdapterNames namesOf(Family family) { return AdapterNames(support::checkpoint(family).configs); }

TEST(AdapterFile, EveryNamingOfALoraIsToldApartAndMeansTheSameLayer) {
  const std::string path = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
  const std::string kohya = "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q";
  const struct {
    std::string down, up;
    AdapterDialect dialect;
  } files[] = {
      {"lora_unet_" + kohya + ".lora_down.weight",
       "lora_unet_" + kohya + ".lora_up.weight",
       AdapterDialect::Kohya},
      {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lora_down.weight",
       "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lora_up.weight",
       AdapterDialect::KohyaOriginal},
      {"unet." + path + ".lora_A.weight", "unet." + path + ".lora_B.weight", AdapterDialect::Peft},
      {path + ".lora_A.weight", path + ".lora_B.weight", AdapterDialect::Peft},
      {"base_model.model." + path + ".lora_A.default.weight",
       "base_model.model." + path + ".lora_B.default.weight",
       AdapterDialect::Peft},
      {"unet." + path + ".lora.down.weight",
       "unet." + path + ".lora.up.weight",
       AdapterDialect::Diffusers},
      {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
       "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight",
       AdapterDialect::DiffusersAttention},
      {"unet." + path + ".lora_down.weight",
       "unet." + path + ".lora_up.weight",
       AdapterDialect::Dotted},
      {"unet.input_blocks.4.1.transformer_blocks.0.attn1.to_q.lora_down.weight",
       "unet.input_blocks.4.1.transformer_blocks.0.attn1.to_q.lora_up.weight",
       AdapterDialect::Dotted},
  };
  const AdapterNames names = namesOf(Family::StableDiffusionXl);
  for (const auto& [down, up, dialect] : files) {
    const auto file = readAdapterFile(header({{down, {8, 640}}, {up, {640, 8}}}));
    ASSERT_TRUE(file) << down;
    EXPECT_THAT(file->problems, IsEmpty()) << down;
    EXPECT_EQ(file->dialect, dialect) << down;
    ASSERT_EQ(file->modules.size(), 1u);
    const AdapterModule& module = file->modules[0];
    EXPECT_EQ(module.kind, AdapterKind::Lora);
    EXPECT_EQ(module.rank, 8);
    EXPECT_EQ(module.tensors.at(AdapterPart::Down), down);
    EXPECT_EQ(module.tensors.at(AdapterPart::Up), up);
    const AdapterTarget* target = names.find(module.name);
    ASSERT_NE(target, nullptr) << module.name;
    EXPECT_EQ(*target, (AdapterTarget{NetworkKind::UNet, path}));
  }
}

TEST(AdapterFile, ProcessorsOfTheOutputMeanItsFirstPart) {
  const std::string attention = "mid_block.attentions.0.transformer_blocks.0.attn2";
  const auto file = readAdapterFile(header({{attention + ".processor.to_out_lora.down.weight", {}},
                                            {attention + ".processor.to_out_lora.up.weight", {}}}));
  ASSERT_TRUE(file);
  const auto names = namesOf(Family::StableDiffusion1);
  ASSERT_NE(names.find(file->modules.at(0).name), nullptr);
  EXPECT_EQ(names.find(file->modules.at(0).name)->key, attention + ".to_out.0");
}

TEST(AdapterFile, TextEncodersHaveTheirOwnNames) {
  const std::string key = "text_model.encoder.layers.1.mlp.fc1";
  const AdapterNames one = namesOf(Family::StableDiffusion1),
                     xl = namesOf(Family::StableDiffusionXl);
  for (const std::string name : {"lora_te_text_model_encoder_layers_1_mlp_fc1",
                                 "lora_te1_text_model_encoder_layers_1_mlp_fc1",
                                 "text_encoder.text_model.encoder.layers.1.mlp.fc1",
                                 "text_encoder.encoder.layers.1.mlp.fc1",
                                 "base_model.model.text_model.encoder.layers.1.mlp.fc1",
                                 "clip_l.text_model.encoder.layers.1.mlp.fc1"})
    for (const AdapterNames* names : {&one, &xl}) {
      ASSERT_NE(names->find(name), nullptr) << name;
      EXPECT_EQ(*names->find(name), (AdapterTarget{NetworkKind::TextEncoder, key}));
    }
  for (const std::string name : {"text_encoder.text_model.encoder.layers.0.self_attn.to_out",
                                 "text_encoder.text_model.encoder.layers.0.self_attn.out_proj"}) {
    ASSERT_NE(one.find(name), nullptr) << name;
    EXPECT_EQ(one.find(name)->key, "text_model.encoder.layers.0.self_attn.out_proj");
  }
  for (const std::string name : {"lora_te2_text_model_encoder_layers_1_mlp_fc1",
                                 "text_encoder_2.text_model.encoder.layers.1.mlp.fc1"}) {
    EXPECT_EQ(one.find(name), nullptr) << name;
    ASSERT_NE(xl.find(name), nullptr) << name;
    EXPECT_EQ(*xl.find(name), (AdapterTarget{NetworkKind::TextEncoder2, key}));
  }
}

TEST(AdapterFile, EveryLayerOfEveryFamilyIsFoundUnderItsKohyaNames) {
  for (const Family family :
       {Family::StableDiffusion1, Family::StableDiffusion2, Family::StableDiffusionXl}) {
    const AdapterNames names = namesOf(family);
    for (const auto& tensor :
         singleFileMap(support::checkpoint(family).configs.unet, std::string())) {
      if (!tensor.key.ends_with(".weight")) continue;
      const std::string key = tensor.key.substr(0, tensor.key.size() - 7);
      for (std::string path : {key, tensor.fileKey.substr(0, tensor.fileKey.size() - 7)}) {
        std::ranges::replace(path, '.', '_');
        ASSERT_NE(names.find("lora_unet_" + path), nullptr) << path;
        EXPECT_EQ(names.find("lora_unet_" + path)->key, key) << path;
      }
    }
  }
}

TEST(AdapterFile, NamesToWriteAreFoundAgain) {
  for (const Family family :
       {Family::StableDiffusion1, Family::StableDiffusion2, Family::StableDiffusionXl}) {
    const AdapterNames names = namesOf(family), published(family);
    const auto configs = support::checkpoint(family).configs;
    std::vector<AdapterTarget> targets;
    const auto add = [&](NetworkKind kind, const TensorShapes& tensors) {
      for (const auto& [key, shape] : tensors)
        if (key.ends_with(".weight")) targets.push_back({kind, key.substr(0, key.size() - 7)});
    };
    add(NetworkKind::UNet, networkTensors(configs.unet));
    add(NetworkKind::TextEncoder, networkTensors(configs.text));
    if (configs.text2) add(NetworkKind::TextEncoder2, networkTensors(*configs.text2));
    for (const AdapterTarget& target : targets)
      for (const std::string& name : {published.kohya(target), AdapterNames::peft(target)})
        for (const AdapterNames* all : {&names, &published}) {
          ASSERT_NE(all->find(name), nullptr) << name;
          EXPECT_EQ(*all->find(name), target) << name;
        }
  }
  const AdapterTarget query{NetworkKind::UNet,
                            "up_blocks.0.attentions.2.transformer_blocks.9.attn1.to_out.0"},
      sampler{NetworkKind::UNet, "up_blocks.0.upsamplers.0.conv"};
  const AdapterNames xl(Family::StableDiffusionXl), one(Family::StableDiffusion1);
  EXPECT_EQ(xl.kohya(query), "lora_unet_output_blocks_2_1_transformer_blocks_9_attn1_to_out_0");
  EXPECT_EQ(xl.kohya(sampler), "lora_unet_output_blocks_2_2_conv");
  EXPECT_EQ(one.kohya(sampler), "lora_unet_up_blocks_0_upsamplers_0_conv");
}

/// One module of these parts.
struct One {
  TensorInfos tensors;
  std::optional<AdapterFile> file;
  explicit One(const std::map<std::string, Shape>& parts,
               const std::string& name = "lora_unet_mid_block_resnets_0_conv1") {
    std::map<std::string, Shape> named;
    for (const auto& [part, shape] : parts) named.emplace(name + part, shape);
    tensors = header(named);
    file = readAdapterFile(tensors);
  }
  const AdapterModule& module() const { return file.value().modules.at(0); }
  bool fits(const Shape& weight) const {
    EXPECT_THAT(file.value().problems, IsEmpty());
    return weights::fits(module(), tensors, weight);
  }
};

TEST(AdapterFile, KindsAreToldByTheirParts) {
  const One tucker({{".lora_down.weight", {4, 8, 1, 1}},
                    {".lora_mid.weight", {4, 4, 3, 3}},
                    {".lora_up.weight", {8, 4, 1, 1}},
                    {".dora_scale", {8, 1, 1, 1}},
                    {".alpha", {}}});
  EXPECT_EQ(tucker.module().kind, AdapterKind::Lora);
  EXPECT_TRUE(tucker.file->dora());
  EXPECT_EQ(tucker.file->kind(), "DoRA (kohya)");
  EXPECT_EQ(tucker.module().rank, 4);
  const One loha({{".hada_w1_a", {8, 2}},
                  {".hada_w1_b", {2, 72}},
                  {".hada_w2_a", {8, 2}},
                  {".hada_w2_b", {2, 72}}});
  EXPECT_EQ(loha.module().kind, AdapterKind::Loha);
  EXPECT_EQ(loha.module().rank, 2);
  EXPECT_EQ(loha.file->kind(), "LoHa (LyCORIS)");
  const One lokr({{".lokr_w1", {2, 2}}, {".lokr_w2_a", {4, 3}}, {".lokr_w2_b", {3, 36}}});
  EXPECT_EQ(lokr.module().kind, AdapterKind::Lokr);
  EXPECT_EQ(lokr.module().rank, 3);
  EXPECT_THAT(lokr.file->ranks(), ElementsAre(3));
  EXPECT_EQ(One({{".lokr_w1", {2, 2}}, {".lokr_w2", {4, 4, 3, 3}}}).module().rank, 0);
  EXPECT_EQ(
      One({{".lora_A.weight", {2, 8}}, {".lora_B.weight", {8, 2}}, {".lora_magnitude_vector", {8}}},
          "unet.x.to_q")
          .file->kind(),
      "DoRA (PEFT)");
}

TEST(AdapterFile, FitsTheWeightsItsPartsMeasure) {
  const Shape linear = {6, 4}, point = {6, 4, 1, 1}, window = {6, 4, 3, 3};
  const One matrix({{".lora_down.weight", {2, 4}}, {".lora_up.weight", {6, 2}}});
  EXPECT_TRUE(matrix.fits(linear) && matrix.fits(point));
  for (const Shape& other : {window, Shape{6, 5}, Shape{5, 4}, Shape{4, 6}, Shape{6}, Shape{}})
    EXPECT_FALSE(matrix.fits(other)) << text(other);
  const One conv({{".lora_down.weight", {2, 4, 3, 3}}, {".lora_up.weight", {6, 2, 1, 1}}});
  EXPECT_TRUE(conv.fits(window));
  EXPECT_FALSE(conv.fits(point) || conv.fits({6, 4, 5, 5}));
  const auto tucker = [](const Shape& core) {
    return One({{".lora_down.weight", {2, 4, 1, 1}},
                {".lora_mid.weight", core},
                {".lora_up.weight", {6, 2, 1, 1}}});
  };
  EXPECT_TRUE(tucker({2, 2, 3, 3}).fits(window));
  EXPECT_FALSE(tucker({2, 3, 3, 3}).fits(window) || tucker({2, 2, 1, 1}).fits(window));

  const auto loha = [](Shape w1a, Shape w1b, Shape w2a, Shape w2b) {
    return One(
        {{".hada_w1_a", w1a}, {".hada_w1_b", w1b}, {".hada_w2_a", w2a}, {".hada_w2_b", w2b}});
  };
  EXPECT_TRUE(loha({6, 2}, {2, 4}, {6, 2}, {2, 4}).fits(linear));
  EXPECT_TRUE(loha({6, 2}, {2, 36}, {6, 2}, {2, 36}).fits(window));
  EXPECT_FALSE(loha({6, 2}, {2, 4}, {6, 3}, {3, 4}).fits(linear)) << "one rank";
  const One core({{".hada_w1_a", {2, 6}},
                  {".hada_w1_b", {2, 4}},
                  {".hada_w2_a", {2, 6}},
                  {".hada_w2_b", {2, 4}},
                  {".hada_t1", {2, 2, 3, 3}},
                  {".hada_t2", {2, 2, 3, 3}}});
  EXPECT_TRUE(core.fits(window));
  EXPECT_FALSE(core.fits(linear) || core.fits({4, 6, 3, 3}));

  EXPECT_TRUE(One({{".lokr_w1", {2, 2}}, {".lokr_w2", {3, 2}}}).fits(linear));
  EXPECT_TRUE(One({{".lokr_w1", {2, 2}}, {".lokr_w2", {3, 2, 3, 3}}}).fits(window));
  EXPECT_TRUE(
      One({{".lokr_w1_a", {2, 1}}, {".lokr_w1_b", {1, 2}}, {".lokr_w2", {3, 2}}}).fits(linear));
  EXPECT_TRUE(
      One({{".lokr_w1", {2, 2}}, {".lokr_w2_a", {3, 1}}, {".lokr_w2_b", {1, 18}}}).fits(window));
  EXPECT_TRUE(One({{".lokr_w1", {2, 2}},
                   {".lokr_w2_a", {1, 3}},
                   {".lokr_w2_b", {1, 2}},
                   {".lokr_t2", {1, 1, 3, 3}}})
                  .fits(window));
  for (const Shape& first : {Shape{4, 2}, Shape{2, 3}, Shape{0, 2}, Shape{2}})
    EXPECT_FALSE(One({{".lokr_w1", first}, {".lokr_w2", {3, 2}}}).fits(linear)) << text(first);

  const auto dora = [](const std::string& name, const Shape& shape) {
    return One({{".lora_down.weight", {2, 4}}, {".lora_up.weight", {6, 2}}, {name, shape}});
  };
  EXPECT_TRUE(dora(".dora_scale", {6, 1}).fits(linear));
  EXPECT_TRUE(dora(".dora_scale", {1, 4}).fits(linear)) << "of columns";
  EXPECT_TRUE(dora(".lora_magnitude_vector", {6}).fits(linear));
  EXPECT_TRUE(dora(".lora_magnitude_vector", {1, 6, 1, 1}).fits(point));
  EXPECT_FALSE(dora(".dora_scale", {4}).fits(linear) || dora(".dora_scale", {1, 6}).fits(linear) ||
               dora(".lora_magnitude_vector", {1, 4}).fits(linear));
  // Sizes whose product would overflow if it were taken.
  const std::int64_t huge = std::int64_t{1} << 62;
  EXPECT_FALSE(One({{".lora_down.weight", {huge, huge, 0}}, {".lora_up.weight", {6, huge, 0}}})
                   .fits(linear));
}

TEST(AdapterFile, WhatIsMissingOrStrangeIsNamed) {
  EXPECT_FALSE(readAdapterFile({}));
  EXPECT_FALSE(readAdapterFile(header({{"a.weight", {2, 2}}, {"b.alpha", {}}})));
  const auto problems = [](const std::map<std::string, Shape>& tensors) {
    return readAdapterFile(header(tensors)).value().problems;
  };
  EXPECT_THAT(problems({{"a.lora_A.weight", {2, 2}}}),
              ElementsAre("\"a.lora_B.weight\" is missing"));
  EXPECT_THAT(problems({{"a.processor.to_q_lora.up.weight", {2, 2}}}),
              ElementsAre("\"a.processor.to_q_lora.down.weight\" is missing"));
  EXPECT_THAT(problems({{"a.lora_A.weight", {2, 2}},
                        {"a.lora_B.weight", {2, 2}},
                        {"a.lora_down.weight", {2, 2}},
                        {"bundle_emb.x.clip_l", {2, 2}}}),
              ElementsAre("\"a.lora_down.weight\" is there under two names",
                          "\"bundle_emb.x.clip_l\" is not part of an adapter"));
  EXPECT_THAT(
      problems({{"a.lora_A.weight", {2, 2}}, {"a.lora_B.weight", {2, 2}}, {"a.hada_w1_a", {2, 2}}}),
      ElementsAre("\"a\" mixes kinds of adapters"));
  EXPECT_THAT(problems({{"a.lokr_w1", {2, 2}}, {"a.lokr_w2_a", {2, 2}}}),
              ElementsAre("\"a.lokr_w2_b\" is missing"));
  EXPECT_THAT(problems({{"a.lora_A.weight", {2, 2}}, {"a.lora_B.weight", {2, 2}}, {"b.alpha", {}}}),
              ElementsAre("\"b.lora_down.weight\" is missing"));
}

TEST(AdapterFile, FamiliesAreToldByTextWidthsAndMetadata) {
  const auto family = [](const std::string& name,
                         std::int64_t width,
                         const std::map<std::string, std::string>& metadata = {}) {
    const One one({{".lora_down.weight", {4, width}}, {".lora_up.weight", {8, 4}}}, name);
    return familyOf(*one.file, one.tensors, metadata);
  };
  const std::string key = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k";
  EXPECT_EQ(family(key, 768), Family::StableDiffusion1);
  EXPECT_EQ(family("unet.x.attn2.to_v", 1024), Family::StableDiffusion2);
  EXPECT_EQ(family(key, 2048), Family::StableDiffusionXl);
  EXPECT_EQ(family(key, 24), std::nullopt);
  EXPECT_EQ(family("lora_te2_text_model_encoder_layers_0_mlp_fc1", 8), Family::StableDiffusionXl);
  EXPECT_EQ(family("lora_te_x", 8), std::nullopt);
  for (const auto& [text, expected] : {std::pair("sd_v1", Family::StableDiffusion1),
                                       std::pair("sd_v2_v", Family::StableDiffusion2),
                                       std::pair("sdxl_base_v1-0", Family::StableDiffusionXl)})
    EXPECT_EQ(family("x", 8, {{"ss_base_model_version", text}}), expected);
}

}  // namespace
}  // namespace likeness::weights
