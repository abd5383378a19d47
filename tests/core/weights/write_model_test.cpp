// Whole models written in both forms, opened again, compared byte for byte.
#include "core/weights/write_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "tests/support/checkpoints.h"
#include "tests/support/temp_folder.h"

namespace likeness::weights {
namespace {

using support::Checkpoint;
using support::checkpoint;
using support::TempFolder;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr Family families[] = {
    Family::StableDiffusion1, Family::StableDiffusion2, Family::StableDiffusionXl};

ModelParts parts(const Checkpoint& model) {
  ModelParts parts{model.family, model.configs, {}, {}, base::findResources() / "clip", {}};
  for (const auto& [kind, map] : model.maps()) parts.networks.emplace(kind, support::madeUp(map));
  return parts;
}

bool always(std::uint64_t done, std::uint64_t total) {
  EXPECT_LE(done, total);
  return true;
}

void expectMadeUp(const StoredNetwork& network, std::size_t count) {
  EXPECT_THAT(network.problems, IsEmpty());
  EXPECT_EQ(network.tensors.size(), count);
  for (const auto& [key, tensor] : network.tensors) {
    std::vector<std::byte> bytes(tensor.info.end - tensor.info.begin);
    ASSERT_TRUE(tensor.read(bytes));
    EXPECT_TRUE(bytes == support::madeUpBytes(key, tensor.info.shape)) << key;
  }
}

std::string folderOf(NetworkKind kind) {
  return kind == NetworkKind::UNet           ? "unet"
         : kind == NetworkKind::Vae          ? "vae"
         : kind == NetworkKind::TextEncoder2 ? "text_encoder_2"
                                             : "text_encoder";
}

class WriteModelTest : public testing::Test {
 protected:
  TempFolder m_folder;
  nlohmann::json json(const std::filesystem::path& file) {
    return nlohmann::json::parse(base::readFile(m_folder / file).value());
  }
};

TEST_F(WriteModelTest, ASingleFileHoldsEveryByte) {
  for (const Family family : families) {
    const Checkpoint model = checkpoint(family, 10);
    const auto file = m_folder / (std::to_string(static_cast<int>(family)) + ".safetensors");
    ASSERT_TRUE(writeSingleFile(parts(model), file, always).value());
    const auto single = openModel({.path = file});
    ASSERT_TRUE(single) << api::message(single.error());
    EXPECT_EQ(single->family, family);
    EXPECT_THAT(single->problems(), IsEmpty());
    EXPECT_EQ(single->prediction.certainty, Certainty::Stated);
    EXPECT_EQ(single->prediction.type, model.configs.schedule.predictionType);
    EXPECT_EQ(single->configs.unet.sampleSize, model.configs.unet.sampleSize);
    for (const auto& [kind, map] : model.maps())
      expectMadeUp(single->networks.at(kind), map.size());
  }
}

TEST_F(WriteModelTest, AFolderHoldsEveryByteAndItsOwnDescription) {
  for (const Family family : families) {
    const Checkpoint model = checkpoint(family, 10);
    const auto out = m_folder / std::to_string(static_cast<int>(family));
    ASSERT_TRUE(writeModelFolder(parts(model), out, 0, always).value());
    const ModelConfigs& c = model.configs;
    EXPECT_EQ(readUNetConfig(out / "unet" / "config.json").value(), c.unet);
    EXPECT_EQ(readAutoencoderConfig(out / "vae" / "config.json").value(), c.vae);
    EXPECT_EQ(readClipTextConfig(out / "text_encoder" / "config.json").value(), c.text);
    if (c.text2) {
      EXPECT_EQ(readClipTextConfig(out / "text_encoder_2" / "config.json").value(), *c.text2);
    }
    EXPECT_EQ(readScheduleConfig(out / "scheduler" / "scheduler_config.json").value(), c.schedule);
    for (const auto& [kind, map] : model.maps()) {
      const auto network = kind == NetworkKind::TextEncoder2
                               ? openNetwork(out / folderOf(kind), kind, networkTensors(*c.text2))
                           : kind == NetworkKind::TextEncoder
                               ? openNetwork(out / folderOf(kind), kind, networkTensors(c.text))
                           : kind == NetworkKind::UNet
                               ? openNetwork(out / folderOf(kind), kind, networkTensors(c.unet))
                               : openAutoencoder(out / folderOf(kind), c.vae);
      ASSERT_TRUE(network) << api::message(network.error());
      expectMadeUp(*network, map.size());
    }
  }
  EXPECT_EQ(json("0/model_index.json")["_class_name"], "StableDiffusionPipeline");
  EXPECT_EQ(json("0/tokenizer/special_tokens_map.json")["pad_token"], "<|endoftext|>");
  EXPECT_EQ(json("0/text_encoder/config.json")["torch_dtype"], "float16");
  EXPECT_EQ(json("1/tokenizer/special_tokens_map.json")["pad_token"], "!");
  const auto xl = json("2/model_index.json");
  EXPECT_EQ(xl["_class_name"], "StableDiffusionXLPipeline");
  EXPECT_EQ(xl["text_encoder_2"][1], "CLIPTextModelWithProjection");
  EXPECT_EQ(json("2/tokenizer/special_tokens_map.json")["pad_token"], "<|endoftext|>");
  EXPECT_EQ(json("2/tokenizer_2/special_tokens_map.json")["pad_token"], "!");
}

TEST_F(WriteModelTest, LargeNetworksAreSplitIntoShards) {
  const Checkpoint model = checkpoint(Family::StableDiffusion1, 10);
  const auto out = m_folder / "model";
  ASSERT_TRUE(writeModelFolder(parts(model), out, 2 << 20, always).value());
  std::size_t shards = 0;
  for (const auto& entry : std::filesystem::directory_iterator(out / "unet"))
    if (entry.path().extension() == ".safetensors") {
      ++shards;
      EXPECT_LE(entry.file_size(), (2 << 20) + (1 << 18));
    }
  EXPECT_GT(shards, 2U);
  EXPECT_TRUE(
      std::filesystem::exists(out / "unet" / "diffusion_pytorch_model.safetensors.index.json"));
  const auto unet =
      openNetwork(out / "unet", NetworkKind::UNet, networkTensors(model.configs.unet));
  ASSERT_TRUE(unet) << api::message(unet.error());
  expectMadeUp(*unet, model.maps().at(NetworkKind::UNet).size());
  EXPECT_EQ(unet->files.size(), shards);
}

/// Another folder's description is copied, and the type in the text encoder's config corrected.
TEST_F(WriteModelTest, AFolderOfAFolderKeepsItsDescription) {
  const Checkpoint model = checkpoint(Family::StableDiffusion1, 10);
  ModelParts written = parts(model);
  ASSERT_TRUE(writeModelFolder(written, m_folder / "first", 0, always).value());
  ASSERT_TRUE(
      base::writeFile(m_folder / "first" / "README.md", std::string_view("license: openrail")));
  ASSERT_TRUE(base::writeFile(
      m_folder / "first" / "scheduler" / "scheduler_config.json",
      std::string_view(R"({"_class_name": "PNDMScheduler", "skip_prk_steps": true})")));
  written.folder = m_folder / "first";
  for (auto& [kind, tensors] : written.networks)
    for (TensorSource& tensor : tensors) tensor.dtype = ScalarType::BF16;
  ASSERT_TRUE(writeModelFolder(written, m_folder / "second", 0, always).value());
  EXPECT_TRUE(std::filesystem::exists(m_folder / "second" / "README.md"));
  EXPECT_EQ(json("second/scheduler/scheduler_config.json")["_class_name"], "PNDMScheduler");
  EXPECT_EQ(json("second/text_encoder/config.json")["torch_dtype"], "bfloat16");
  EXPECT_EQ(json("first/text_encoder/config.json")["torch_dtype"], "float16");
}

/// Stopped anywhere and called again, either form becomes what it would have been at once.
TEST_F(WriteModelTest, AnInterruptionCostsNothing) {
  const Checkpoint model = checkpoint(Family::StableDiffusion1, 10);
  const ModelParts all = parts(model);
  const auto write = [&](bool folder, const std::filesystem::path& out, const WriteProgress& next) {
    return folder ? writeModelFolder(all, out, 1 << 20, next).value()
                  : writeSingleFile(all, out, next).value();
  };
  for (const bool folder : {false, true}) {
    const std::string name = folder ? "folder" : "file";
    std::uint64_t most = 0;
    ASSERT_TRUE(write(folder, m_folder / (name + " whole"), [&](auto done, auto total) {
      EXPECT_GE(done, most);  // progress never goes back
      most = done;
      return done <= total;
    }));
    const auto stopped = m_folder / (name + " stopped");
    std::uint64_t limit = 0;
    int calls = 0;
    while (!write(folder, stopped, [&](auto done, auto total) {
      if (done < limit) return true;
      limit = done + total / 5;
      return false;
    }))
      ASSERT_LT(++calls, 20);
    EXPECT_GT(calls, 3);
    const auto same = [](const std::filesystem::path& a, const std::filesystem::path& b) {
      return base::readFile(a, 1 << 30).value() == base::readFile(b, 1 << 30).value();
    };
    if (!folder) {
      EXPECT_TRUE(same(m_folder / "file whole", stopped));
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(stopped))
      if (entry.is_regular_file()) {
        const auto inside = std::filesystem::relative(entry.path(), stopped);
        EXPECT_TRUE(same(entry.path(), m_folder / "folder whole" / inside)) << inside;
      }
  }
}

}  // namespace
}  // namespace likeness::weights
