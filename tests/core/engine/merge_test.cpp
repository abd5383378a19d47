// Models merged, beside the same sums in fp64.
#include "core/engine/merge_models.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/base/file_system.h"
#include "core/engine/convert_model.h"
#include "core/tensor/state_dict.h"
#include "tests/support/checkpoints.h"
#include "tests/support/recording_reporter.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace likeness::engine {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using weights::Family;

class MergeTest : public testing::Test {
 protected:
  /// A narrow single file with finite values of its own, in fp16.
  fs::path file(const std::string& name, Family family = Family::StableDiffusion1) {
    const fs::path path = m_folder / (name + ".safetensors");
    auto model = support::checkpoint(family, 10);
    model.values = name;
    support::writeSingleFile(path, model, {{"modelspec.title", name}});
    return path;
  }
  api::MergeRequest request(const fs::path& a, const fs::path& b, const fs::path& out) {
    api::MergeRequest request;
    request.a.path = a.string();
    request.b.path = b.string();
    request.out = out;
    request.form = out.has_extension() ? api::ModelForm::SingleFile : api::ModelForm::Diffusers;
    return request;
  }
  api::Result<base::JobResult> merge(const api::MergeRequest& request) {
    return mergeModels(request, m_resources, m_reporter);
  }
  void mustMerge(const api::MergeRequest& request) {
    const auto done = merge(request);
    ASSERT_TRUE(done) << api::message(done.error());
    EXPECT_FALSE(done->cancelled);
    EXPECT_FALSE(fs::exists(request.out.string() + ".partial"));
  }
  std::string refusal(const api::MergeRequest& request) {
    const auto done = merge(request);
    EXPECT_FALSE(done);
    EXPECT_FALSE(fs::exists(request.out));
    EXPECT_FALSE(fs::exists(request.out.string() + ".partial"));
    if (done) return {};
    EXPECT_EQ(done.error().code, api::ErrorCode::BadCombination);
    return api::message(done.error());
  }
  /// Visits every tensor of the first with those of the others.
  template <class Visit>
  void compare(const std::vector<fs::path>& paths, const Visit& visit) {
    std::vector<weights::StoredModel> models;
    for (const fs::path& path : paths) models.push_back(support::openModel(path));
    std::size_t count = 0;
    for (const auto& [kind, network] : models.front().networks)
      for (const auto& [key, tensor] : network.tensors) {
        std::vector<at::Tensor> all;
        for (const auto& model : models)
          all.push_back(tensor::loadStored(model.networks.at(kind).tensors.at(key)).value());
        visit(all, key);
        ++count;
      }
    EXPECT_GT(count, 500u);
  }
  /// |found - expected| over what stood in the sum, at most.
  static double error(const at::Tensor& found, const at::Tensor& expected) {
    return found.to(at::kDouble).sub(expected).abs().max().item<double>();
  }
  void expectSameBits(const fs::path& a, const fs::path& b) {
    compare({a, b}, [](const auto& t, const std::string& key) {
      EXPECT_EQ(t[0].scalar_type(), t[1].scalar_type()) << key;
      EXPECT_EQ(std::memcmp(t[0].const_data_ptr(), t[1].const_data_ptr(), t[0].nbytes()), 0) << key;
    });
  }

  const fs::path m_resources = base::findResources();
  support::TempFolder m_folder;
  support::RecordingReporter m_reporter;
};

TEST_F(MergeTest, AWeightedSumIsThatOfFp64ForEveryFamily) {
  for (const Family family :
       {Family::StableDiffusion1, Family::StableDiffusion2, Family::StableDiffusionXl}) {
    const std::string name = std::to_string(static_cast<int>(family));
    const fs::path a = file("a" + name, family), b = file("b" + name, family),
                   out = m_folder / ("sum" + name + ".safetensors");
    auto merging = request(a, b, out);
    merging.ratio = 0.3;
    merging.dtype = api::FileDType::Fp32;
    mustMerge(merging);
    EXPECT_EQ(support::openModel(out).family, family);
    compare({out, a, b}, [&](const auto& t, const std::string& key) {
      EXPECT_EQ(t[0].scalar_type(), at::kFloat);
      // Values are under 2: three roundings of fp32.
      EXPECT_LE(error(t[0], t[1].to(at::kDouble) * 0.7 + t[2].to(at::kDouble) * 0.3), 4e-7) << key;
    });
  }
}

TEST_F(MergeTest, TheDifferenceOfTwoIsAddedAndRoundedOnce) {
  const fs::path a = file("a"), b = file("b"), c = file("c"), out = m_folder / "sum.safetensors";
  auto merging = request(a, b, out);
  merging.method = api::MergeMethod::AddDifference;
  merging.c = api::ModelRef{c.string()};
  merging.ratio = -0.75;
  mustMerge(merging);
  compare({out, a, b, c}, [&](const auto& t, const std::string& key) {
    EXPECT_EQ(t[0].scalar_type(), at::kHalf);
    const at::Tensor sum =
        t[1].to(at::kDouble) - 0.75 * (t[2].to(at::kDouble) - t[3].to(at::kDouble));
    // Values are under 5: half a step of fp16.
    EXPECT_LE(error(t[0], sum), 2.1e-3) << key;
  });
  EXPECT_EQ(support::openModel(out).metadata.at("modelspec.merged_from"),
            "a.safetensors, b.safetensors, c.safetensors");
  EXPECT_EQ(support::openModel(out).metadata.at("modelspec.title"), "sum");
}

TEST_F(MergeTest, TheEndsAreTheModelsThemselvesBitForBit) {
  const fs::path a = file("a"), b = file("b");
  auto merging = request(a, b, m_folder / "at0.safetensors");
  merging.ratio = 0;
  mustMerge(merging);
  expectSameBits(a, merging.out);
  merging.method = api::MergeMethod::AddDifference;
  merging.c = merging.b;
  merging.out = m_folder / "none";
  merging.form = api::ModelForm::Diffusers;
  mustMerge(merging);
  expectSameBits(a, merging.out);
  merging = request(a, b, m_folder / "at1.safetensors");
  merging.ratio = 1;
  mustMerge(merging);
  expectSameBits(b, merging.out);
}

TEST_F(MergeTest, FoldersAndFilesAreOneAndTheSame) {
  const fs::path a = file("a"), b = file("b"), folder = m_folder / "folder";
  api::ConvertRequest conversion;
  conversion.model.path = a.string();
  conversion.form = api::ModelForm::Diffusers;
  conversion.out = folder;
  ASSERT_TRUE(convertModel(conversion, m_resources, m_reporter));
  mustMerge(request(a, b, m_folder / "1.safetensors"));
  auto sharded = request(a, b, m_folder / "2");
  sharded.shardMiB = 1;
  mustMerge(sharded);
  mustMerge(request(folder, b, m_folder / "3"));
  mustMerge(request(b, folder, m_folder / "4.safetensors"));
  for (const char* other : {"2", "3", "4.safetensors"})
    expectSameBits(m_folder / "1.safetensors", m_folder / other);
}

TEST_F(MergeTest, AnInterruptedOneGoesOnAndAnotherRatioBeginsAnew) {
  const fs::path a = file("a"), b = file("b"), out = m_folder / "out.safetensors";
  mustMerge(request(a, b, m_folder / "whole.safetensors"));
  int calls = 0;
  m_reporter.onProgress = [&](const api::Progress&) {
    if (++calls == 200) m_reporter.stopSource.request_stop();
  };
  const auto stop = [&](const api::MergeRequest& merging) {
    calls = 0;
    m_reporter.stopSource = std::stop_source();
    const auto stopped = merge(merging);
    ASSERT_TRUE(stopped) << api::message(stopped.error());
    EXPECT_TRUE(stopped->cancelled);
    EXPECT_FALSE(fs::exists(merging.out));
    calls = 1000;
    m_reporter.stopSource = std::stop_source();
  };
  auto merging = request(a, b, out);
  stop(merging);
  const auto begun = fs::file_size(out.string() + ".partial/model.safetensors");
  EXPECT_GT(begun, 100'000u);
  const auto before = m_reporter.progresses.size();
  mustMerge(merging);
  EXPECT_GT(m_reporter.progresses[before].total, 0);
  expectSameBits(m_folder / "whole.safetensors", out);
  fs::remove(out);
  stop(merging);
  merging.ratio = 0;
  mustMerge(merging);
  expectSameBits(a, out);
}

TEST_F(MergeTest, OtherFamiliesShapesAndPredictionsAreRefused) {
  const fs::path one = file("one"), two = file("two", Family::StableDiffusion2),
                 out = m_folder / "out";
  EXPECT_THAT(refusal(request(one, two, out)),
              testing::AllOf(HasSubstr("one.safetensors is a Stable Diffusion 1.x model"),
                             HasSubstr("two.safetensors a Stable Diffusion 2.x model")));
  const fs::path wide = m_folder / "wide.safetensors";
  support::writeSingleFile(wide, support::checkpoint(Family::StableDiffusion1, 5));
  EXPECT_THAT(refusal(request(one, wide, out)),
              testing::AllOf(HasSubstr("unet conv_in.bias [32] and [64]"),
                             HasSubstr("unet conv_in.weight [32, 4, 3, 3] and [64, 4, 3, 3]"),
                             testing::ContainsRegex("and [0-9]+ more")));
  // Also of the third.
  auto third = request(one, one, out);
  third.c = api::ModelRef{wide.string()};
  third.method = api::MergeMethod::AddDifference;
  EXPECT_THAT(refusal(third), HasSubstr("wide.safetensors"));
  const auto tiny = [&](const char* name, bool velocity) {
    return support::makeTinyModel(m_folder / name,
                                  {1, velocity, support::TinyFamily::StableDiffusion2});
  };
  EXPECT_THAT(refusal(request(tiny("noise", false), tiny("velocity", true), out)),
              HasSubstr("predicts velocity"));
}

TEST_F(MergeTest, WhatIsInTheWayIsNotTouched) {
  const auto taken = support::put(m_folder / "b.safetensors", "mine");
  EXPECT_EQ(merge(request(file("a"), file("c"), taken)).error().code,
            api::ErrorCode::FileUnwritable);
  EXPECT_EQ(support::content(taken), "mine");
}

}  // namespace
}  // namespace likeness::engine
