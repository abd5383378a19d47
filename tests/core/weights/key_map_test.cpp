// Names and shapes of whole models, there and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/checkpoints.h"
#include "tests/support/temp_folder.h"

namespace likeness::weights {
namespace {

using support::Checkpoint;
using support::checkpoint;
using support::TempFolder;

constexpr Family families[] = {
    Family::StableDiffusion1, Family::StableDiffusion2, Family::StableDiffusionXl};

std::int64_t elements(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}
std::pair<std::size_t, std::int64_t> sizes(const TensorShapes& tensors) {
  std::int64_t parameters = 0;
  for (const auto& [key, shape] : tensors) parameters += elements(shape);
  return {tensors.size(), parameters};
}

/// The entry of a diffusers key.
const MappedTensor& at(const KeyMap& map, const std::string& key) {
  const auto found = std::ranges::find(map, key, &MappedTensor::key);
  EXPECT_NE(found, map.end()) << key;
  return *found;
}

TEST(NetworkTensors, CountsAreThoseOfThePublishedModels) {
  using Sizes = std::pair<std::size_t, std::int64_t>;
  const auto one = checkpoint(Family::StableDiffusion1).configs,
             two = checkpoint(Family::StableDiffusion2).configs,
             xl = checkpoint(Family::StableDiffusionXl).configs;
  EXPECT_EQ(sizes(networkTensors(one.unet)), Sizes(686, 859'520'964));
  EXPECT_EQ(sizes(networkTensors(two.unet)), Sizes(686, 865'910'724));
  EXPECT_EQ(sizes(networkTensors(xl.unet)), Sizes(1680, 2'567'463'684));
  EXPECT_EQ(sizes(networkTensors(one.vae)), Sizes(248, 83'653'863));
  EXPECT_EQ(sizes(networkTensors(one.text)), Sizes(196, 123'060'480));
  EXPECT_EQ(sizes(networkTensors(two.text)), Sizes(372, 340'387'840));
  EXPECT_EQ(sizes(networkTensors(*xl.text2)), Sizes(517, 694'659'840));
  // Inpainting adds five channels to the first convolution.
  const auto inpainting = checkpoint(Family::StableDiffusion1, 1, 9).configs;
  EXPECT_EQ(sizes(networkTensors(inpainting.unet)), Sizes(686, 859'520'964 + 320 * 5 * 9));
}

TEST(KeyMap, NamesOfTheOriginalPrograms) {
  const auto one = checkpoint(Family::StableDiffusion1).maps();
  const auto unet = [&](const std::string& key) {
    return at(one.at(NetworkKind::UNet), key).fileKey;
  };
  EXPECT_EQ(unet("conv_in.weight"), "model.diffusion_model.input_blocks.0.0.weight");
  EXPECT_EQ(unet("time_embedding.linear_2.bias"), "model.diffusion_model.time_embed.2.bias");
  EXPECT_EQ(unet("down_blocks.0.resnets.1.norm1.weight"),
            "model.diffusion_model.input_blocks.2.0.in_layers.0.weight");
  EXPECT_EQ(unet("down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_k.weight"),
            "model.diffusion_model.input_blocks.7.1.transformer_blocks.0.attn2.to_k.weight");
  EXPECT_EQ(unet("down_blocks.2.downsamplers.0.conv.bias"),
            "model.diffusion_model.input_blocks.9.0.op.bias");
  EXPECT_EQ(unet("down_blocks.1.resnets.0.conv_shortcut.weight"),
            "model.diffusion_model.input_blocks.4.0.skip_connection.weight");
  EXPECT_EQ(unet("mid_block.resnets.1.time_emb_proj.weight"),
            "model.diffusion_model.middle_block.2.emb_layers.1.weight");
  EXPECT_EQ(unet("up_blocks.0.upsamplers.0.conv.weight"),
            "model.diffusion_model.output_blocks.2.1.conv.weight");
  EXPECT_EQ(unet("up_blocks.2.upsamplers.0.conv.weight"),
            "model.diffusion_model.output_blocks.8.2.conv.weight");
  EXPECT_EQ(unet("up_blocks.3.attentions.2.norm.weight"),
            "model.diffusion_model.output_blocks.11.1.norm.weight");
  EXPECT_EQ(unet("conv_norm_out.bias"), "model.diffusion_model.out.0.bias");
  EXPECT_EQ(at(one.at(NetworkKind::TextEncoder), "text_model.final_layer_norm.bias").fileKey,
            "cond_stage_model.transformer.text_model.final_layer_norm.bias");

  const KeyMap& vae = one.at(NetworkKind::Vae);
  EXPECT_EQ(at(vae, "decoder.up_blocks.0.resnets.2.conv1.weight").fileKey,
            "first_stage_model.decoder.up.3.block.2.conv1.weight");
  EXPECT_EQ(at(vae, "decoder.up_blocks.2.upsamplers.0.conv.bias").fileKey,
            "first_stage_model.decoder.up.1.upsample.conv.bias");
  EXPECT_EQ(at(vae, "encoder.down_blocks.1.resnets.0.conv_shortcut.bias").fileKey,
            "first_stage_model.encoder.down.1.block.0.nin_shortcut.bias");
  const MappedTensor& query = at(vae, "encoder.mid_block.attentions.0.to_q.weight");
  EXPECT_EQ(query.fileKey, "first_stage_model.encoder.mid.attn_1.q.weight");
  EXPECT_EQ(query.fileShape, Shape({512, 512, 1, 1}));
  EXPECT_EQ(at(vae, "post_quant_conv.weight").fileKey, "first_stage_model.post_quant_conv.weight");

  const auto xl = checkpoint(Family::StableDiffusionXl).maps();
  EXPECT_EQ(at(xl.at(NetworkKind::UNet), "add_embedding.linear_1.weight").fileKey,
            "model.diffusion_model.label_emb.0.0.weight");
  EXPECT_EQ(at(xl.at(NetworkKind::UNet), "up_blocks.0.upsamplers.0.conv.weight").fileKey,
            "model.diffusion_model.output_blocks.2.2.conv.weight");
  EXPECT_EQ(at(xl.at(NetworkKind::UNet), "down_blocks.2.attentions.1.proj_in.weight").fileShape,
            Shape({1280, 1280}));
  const KeyMap& text = xl.at(NetworkKind::TextEncoder2);
  const MappedTensor& value = at(text, "text_model.encoder.layers.31.self_attn.v_proj.bias");
  EXPECT_EQ(value.fileKey,
            "conditioner.embedders.1.model.transformer.resblocks.31.attn.in_proj_bias");
  EXPECT_EQ(value.fileShape, Shape({3840}));
  EXPECT_EQ(value.third, 2);
  EXPECT_TRUE(at(text, "text_projection.weight").transposed);
  EXPECT_EQ(at(text, "text_model.embeddings.position_embedding.weight").fileKey,
            "conditioner.embedders.1.model.positional_embedding");
}

/// Every tensor of a file is used once, or in three thirds, and all of a family's names differ.
TEST(KeyMap, NoTwoTensorsShareAPlace) {
  for (const Family family : families)
    for (const std::int64_t channels : {4, 9}) {
      std::set<std::pair<std::string, int>> places;
      std::size_t count = 0;
      for (const auto& [kind, map] : checkpoint(family, 1, channels).maps())
        for (const MappedTensor& tensor : map) {
          ++count;
          EXPECT_TRUE(places.emplace(tensor.fileKey, tensor.third).second) << tensor.fileKey;
          EXPECT_EQ(elements(tensor.shape) * (tensor.third < 0 ? 1 : 3), elements(tensor.fileShape))
              << tensor.key;
        }
      EXPECT_EQ(places.size(), count);
    }
}

/// diffusers -> file -> diffusers gives the names, shapes and bytes that went in; on narrow
/// networks with every name of the published ones.
TEST(KeyMap, BytesComeBackThroughAFile) {
  const TempFolder folder;
  for (const Family family : families)
    for (const std::int64_t channels : {4, 9}) {
      SCOPED_TRACE(std::string(name(family)) + " " + std::to_string(channels));
      const Checkpoint narrow = checkpoint(family, 10, channels), full = checkpoint(family);
      support::writeSingleFile(folder / "model.safetensors", narrow);
      const auto single = openModel({.path = folder / "model.safetensors"});
      ASSERT_TRUE(single) << api::message(single.error());
      EXPECT_THAT(single->problems(), testing::IsEmpty());
      ASSERT_EQ(single->networks.size(), narrow.maps().size());
      for (const auto& [kind, map] : narrow.maps()) {
        const StoredNetwork& network = single->networks.at(kind);
        EXPECT_EQ(network.tensors.size(), full.maps().at(kind).size());
        for (const MappedTensor& tensor : map) {
          const auto found = network.tensors.find(tensor.key);
          ASSERT_NE(found, network.tensors.end()) << tensor.key;
          EXPECT_EQ(found->second.info.shape, tensor.shape);
          std::vector<std::byte> bytes(found->second.info.end - found->second.info.begin);
          ASSERT_TRUE(found->second.read(bytes));
          EXPECT_EQ(bytes, support::madeUpBytes(tensor.key, tensor.shape)) << tensor.key;
        }
      }
    }
}

TEST(KeyMap, AMatrixIsTurned) {
  const std::vector<std::byte> bytes{
      std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}, std::byte{6}};
  EXPECT_EQ(
      transposed(bytes, 3, 2, 1),
      (std::vector<std::byte>{
          std::byte{1}, std::byte{3}, std::byte{5}, std::byte{2}, std::byte{4}, std::byte{6}}));
  EXPECT_EQ(transposed(transposed(bytes, 3, 1, 2), 1, 3, 2), bytes);
}

}  // namespace
}  // namespace likeness::weights
