// The previews' decoder beside diffusers' AutoencoderTiny, and the files it is found in.
#include "core/nn/tiny_decoder.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/core/nn/tiny.h"

namespace likeness::nn::test {
namespace {

namespace fs = std::filesystem;

class TinyDecoderTest : public testing::Test {
 protected:
  TinyDecoderTest() {
    for (const auto& [key, value] : m_golden)
      if (key.starts_with("weights/")) m_diffusers.emplace(key.substr(8), value);
  }
  fs::path write(const tensor::StateDict& tensors) {
    const fs::path file = m_folder / "taesd_decoder.safetensors";
    mustWrite(file, tensors);
    return file;
  }
  /// |output - golden| / |golden|
  double error(const fs::path& file, at::ScalarType dtype) {
    const auto loaded = loadTinyDecoder(file, 4, dtype, at::kCPU);
    EXPECT_TRUE(loaded) << api::message(loaded.error());
    const at::Tensor& golden = m_golden.at("output/sample");
    const at::Tensor found = loaded->model->decode(m_golden.at("input/latents").to(dtype));
    EXPECT_EQ(found.sizes(), golden.sizes());
    EXPECT_EQ(found.scalar_type(), dtype);
    return (found.to(at::kDouble).sub(golden).norm() / golden.norm()).item<double>();
  }

  support::TempFolder m_folder;
  const tensor::StateDict m_golden = mustRead("tests/golden/networks/tiny_decoder.safetensors");
  tensor::StateDict m_diffusers;
};

TEST_F(TinyDecoderTest, DecodesAsDiffusersDoes) {
  // The encoder that a whole file has is of no use.
  m_diffusers.emplace("encoder.layers.0.weight", m_golden.at("input/latents"));
  const fs::path file = write(m_diffusers);
  EXPECT_LE(error(file, at::kFloat), 1e-6);
  EXPECT_LE(error(file, at::kBFloat16), 0.02);
}

TEST_F(TinyDecoderTest, TheOriginalNamesAreTheSame) {
  tensor::StateDict original;
  for (const auto& [key, value] : m_diffusers) {
    const std::string rest = key.substr(std::string("decoder.layers.").size());
    const auto dot = rest.find('.');
    original.emplace(std::to_string(std::stoi(rest) + 1) + rest.substr(dot), value);
  }
  // As taesd_decoder.safetensors has them.
  ASSERT_TRUE(original.contains("1.weight"));
  ASSERT_TRUE(original.contains("3.conv.0.weight"));
  ASSERT_TRUE(original.contains("19.bias"));
  EXPECT_LE(error(write(original), at::kFloat), 1e-6);
}

TEST_F(TinyDecoderTest, WhatDoesNotFitIsNamed) {
  m_diffusers.erase("decoder.layers.6.weight");
  const auto missing = loadTinyDecoder(write(m_diffusers), 4, at::kFloat, at::kCPU);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, api::ErrorCode::ModelMismatch);
  EXPECT_THAT(missing.error().detail, testing::HasSubstr("layers.6.weight"));
  // Of another family, with more latent channels.
  EXPECT_FALSE(loadTinyDecoder(write(m_diffusers), 16, at::kFloat, at::kCPU));
  EXPECT_FALSE(loadTinyDecoder(m_folder / "none.safetensors", 4, at::kFloat, at::kCPU));
}

TEST_F(TinyDecoderTest, IsLookedForBesideTheModelAndThenWhereTheUserKeepsIt) {
  const auto put = [&](const char* place) {
    fs::create_directories((m_folder / place).parent_path());
    mustWrite(m_folder / place, m_diffusers);
    return m_folder / place;
  };
  setenv("XDG_DATA_HOME", (m_folder / "data").c_str(), 1);
  weights::StoredModel model;
  model.path = m_folder / "models/one.safetensors";
  model.configs.vae.blockOutChannels = {128, 256, 512, 512};
  EXPECT_EQ(findTinyDecoder(model), fs::path());
  const fs::path users = put("data/likeness/taesd_decoder.safetensors"),
                 xl = put("data/likeness/taesdxl_decoder.safetensors");
  EXPECT_EQ(findTinyDecoder(model), users);
  model.family = weights::Family::StableDiffusionXl;
  EXPECT_EQ(findTinyDecoder(model), xl);
  model.family = weights::Family::StableDiffusion2;
  // Latents of an autoencoder of its own are not those that the user's file knows.
  model.configs.vae.blockOutChannels = {32, 64};
  EXPECT_EQ(findTinyDecoder(model), fs::path());
  const fs::path beside = put("models/taesd_decoder.safetensors");
  EXPECT_EQ(findTinyDecoder(model), beside);
  model.isFolder = true;
  model.path = m_folder / "models/folder";
  EXPECT_EQ(findTinyDecoder(model), beside);
  const fs::path inside = put("models/folder/taesd_decoder.safetensors");
  EXPECT_EQ(findTinyDecoder(model), inside);
  unsetenv("XDG_DATA_HOME");
}

}  // namespace
}  // namespace likeness::nn::test
