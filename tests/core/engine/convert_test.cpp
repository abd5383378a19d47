// Conversions of whole models: every family, both ways, stopped and continued.
#include "core/engine/convert_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/file_system.h"
#include "core/nn/adapters.h"
#include "core/tensor/state_dict.h"
#include "tests/support/checkpoints.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"

namespace likeness::engine {
namespace {

namespace fs = std::filesystem;
using support::checkpoint;
using testing::HasSubstr;
using weights::Family;

class ConvertTest : public testing::Test {
 protected:
  api::Result<base::JobResult> convert(const fs::path& model,
                                       api::ModelForm form,
                                       const fs::path& out,
                                       std::optional<api::FileDType> dtype = {}) {
    api::ConvertRequest request;
    request.model.path = model.string();
    request.form = form;
    request.out = out;
    request.dtype = dtype;
    return convertModel(request, m_resources, m_reporter);
  }
  static std::vector<std::byte> bytes(const weights::StoredTensor& tensor) {
    std::vector<std::byte> data(tensor.info.end - tensor.info.begin);
    EXPECT_TRUE(tensor.read(data));
    return data;
  }

  const fs::path m_resources = base::findResources();
  support::TempFolder m_folder;
  support::RecordingReporter m_reporter;
};

TEST_F(ConvertTest, ThereAndBackIsBitExactForEveryFamily) {
  for (const Family family :
       {Family::StableDiffusion1, Family::StableDiffusion2, Family::StableDiffusionXl}) {
    const std::string name = std::to_string(static_cast<int>(family));
    const fs::path first = m_folder / (name + ".safetensors"), folder = m_folder / name,
                   second = m_folder / (name + " again.safetensors");
    support::writeSingleFile(first, checkpoint(family, 10));
    const auto there = convert(first, api::ModelForm::Diffusers, folder);
    ASSERT_TRUE(there) << api::message(there.error());
    const auto back = convert(folder, api::ModelForm::SingleFile, second);
    ASSERT_TRUE(back) << api::message(back.error());
    EXPECT_FALSE(fs::exists(second.string() + ".partial"));
    const auto before = support::openModel(first), after = support::openModel(second);
    EXPECT_EQ(after.family, family);
    ASSERT_EQ(before.networks.size(), after.networks.size());
    for (const auto& [kind, network] : before.networks) {
      ASSERT_FALSE(network.tensors.empty());
      for (const auto& [key, tensor] : network.tensors)
        EXPECT_TRUE(bytes(tensor) == bytes(after.networks.at(kind).tensors.at(key))) << key;
    }
  }
}

TEST_F(ConvertTest, AnotherNumberFormatIsWrittenForEveryTensor) {
  const fs::path first = m_folder / "a.safetensors", second = m_folder / "b.safetensors";
  support::writeSingleFile(first, checkpoint(Family::StableDiffusion1, 10));
  const auto done = convert(first, api::ModelForm::SingleFile, second, api::FileDType::Fp32);
  ASSERT_TRUE(done) << api::message(done.error());
  EXPECT_NEAR(
      static_cast<double>(fs::file_size(second)) / static_cast<double>(fs::file_size(first)),
      2,
      0.05);
  for (const auto& [kind, network] : support::openModel(second).networks)
    for (const auto& [key, tensor] : network.tensors)
      EXPECT_EQ(tensor.info.dtype, weights::ScalarType::F32) << key;
}

TEST_F(ConvertTest, WhatIsInTheWayIsNotTouched) {
  const fs::path first = m_folder / "a.safetensors";
  support::writeSingleFile(first, checkpoint(Family::StableDiffusion1, 10));
  const auto taken = support::put(m_folder / "b.safetensors", "mine");
  EXPECT_EQ(convert(first, api::ModelForm::SingleFile, taken).error().code,
            api::ErrorCode::FileUnwritable);
  EXPECT_EQ(support::content(taken), "mine");
  support::put(m_folder / "c.partial/notes.txt", "mine too");
  EXPECT_EQ(convert(first, api::ModelForm::Diffusers, m_folder / "c").error().code,
            api::ErrorCode::FileUnwritable);
  EXPECT_EQ(support::content(m_folder / "c.partial/notes.txt"), "mine too");
}

/// A damaged part of an earlier attempt is noticed: what is named is right, always.
TEST_F(ConvertTest, ADamagedBeginningIsNoticed) {
  const fs::path first = m_folder / "a.safetensors", out = m_folder / "b.safetensors";
  support::writeSingleFile(first, checkpoint(Family::StableDiffusion1, 10));
  m_reporter.stopSource.request_stop();
  const auto stopped = convert(first, api::ModelForm::SingleFile, out);
  ASSERT_TRUE(stopped) << api::message(stopped.error());
  EXPECT_TRUE(stopped->cancelled);
  EXPECT_FALSE(fs::exists(out));
  const fs::path begun = out.string() + ".partial/model.safetensors";
  ASSERT_TRUE(fs::exists(begun));
  m_reporter.stopSource = std::stop_source();
  // A beginning that claims to be longer than it is true.
  std::string content = support::content(begun) + std::string(1 << 20, 'x');
  support::put(begun, content);
  const auto damaged = convert(first, api::ModelForm::SingleFile, out);
  ASSERT_FALSE(damaged);
  EXPECT_THAT(api::message(damaged.error()), HasSubstr("do it again"));
  EXPECT_FALSE(fs::exists(out));
  EXPECT_TRUE(convert(first, api::ModelForm::SingleFile, out));
  EXPECT_TRUE(fs::exists(out));
}

TEST_F(ConvertTest, AVocabularyOfItsOwnHasNoPlaceInAFile) {
  const auto refused =
      convert(m_resources / "starter", api::ModelForm::SingleFile, m_folder / "a.safetensors");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, api::ErrorCode::BadCombination);
  EXPECT_THAT(api::message(refused.error()), HasSubstr("vocabulary of its own"));
}

TEST_F(ConvertTest, AnAdapterGetsAnotherForm) {
  // A recorded file of kohya's form without its frame of goldens.
  const auto recorded =
      tensor::loadSafetensors("tests/golden/adapters/locon_tucker_dora.safetensors");
  ASSERT_TRUE(recorded);
  tensor::StateDict tensors;
  for (const auto& [key, value] : *recorded)
    if (key.starts_with("file/")) tensors.emplace(key.substr(5), value);
  const fs::path kohya = m_folder / "a.safetensors", peft = m_folder / "new/b.safetensors",
                 again = m_folder / "c.safetensors";
  ASSERT_TRUE(tensor::saveSafetensors(kohya, tensors, {{"modelspec.title", "Bo"}}));
  const auto there = convert(kohya, api::ModelForm::PeftLora, peft);
  ASSERT_TRUE(there) << api::message(there.error());
  const auto back = convert(peft, api::ModelForm::KohyaLora, again, api::FileDType::Bf16);
  ASSERT_TRUE(back) << api::message(back.error());
  const auto first = nn::readLora(kohya).value(), last = nn::readLora(again).value();
  EXPECT_LE(nn::loraDifference(first, nn::readLora(peft).value()), 1e-6);
  EXPECT_LE(nn::loraDifference(first, last), 0.01);
  EXPECT_EQ(last.metadata.at("modelspec.title"), "Bo");
  EXPECT_EQ(convert(kohya, api::ModelForm::KohyaLora, peft).error().code,
            api::ErrorCode::FileUnwritable);
  const fs::path model = m_folder / "m.safetensors";
  support::writeSingleFile(model, checkpoint(Family::StableDiffusion1, 10));
  EXPECT_EQ(convert(model, api::ModelForm::KohyaLora, m_folder / "d.safetensors").error().code,
            api::ErrorCode::BadAdapter);
}

}  // namespace
}  // namespace likeness::engine
