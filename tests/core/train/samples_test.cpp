// Samples are divided over the ranks, and nobody sees that.
#include "core/train/samples.h"

#include <limits>

#include "core/base/file_system.h"
#include "core/train/train.h"
#include "tests/core/train/fixture.h"
#include "tests/core/train/thread_ranks.h"
#include "tests/support/recording_reporter.h"

namespace likeness::train::test {
namespace {

constexpr std::int64_t kStep = 4;

class Samples : public testing::Test {
 protected:
  api::TrainRequest recipe() const {
    auto recipe = tinyRecipe(api::Method::Full, false);
    recipe.runFolder = folder / "run";
    recipe.watch.samplePrompts = {"a", "b", "c", "d", "e"};
    recipe.watch.sampling.steps = 3;
    return recipe;
  }
  /// What the reporter of each rank hears; `prepare` is called on each before.
  std::vector<support::RecordingReporter> make(
      Meeting& meeting,
      const std::function<void(
          std::int64_t rank, nn::StableDiffusion&, support::RecordingReporter&)>& prepare = {}) {
    tinyModel();  // made by one thread
    std::vector<support::RecordingReporter> reporters(meeting.given.size());
    together(meeting, [&](ThreadRanks& ranks) {
      support::RecordingReporter& reporter = reporters[static_cast<std::size_t>(ranks.rank())];
      auto model = loadTiny(tinyModel());
      if (prepare) prepare(ranks.rank(), model, reporter);
      SampleMaker samples(model, recipe(), at::kFloat, ranks);
      const auto made = samples.make(kStep, reporter);
      EXPECT_TRUE(made) << api::message(made.error());
    });
    return reporters;
  }
  static std::vector<std::int64_t> indices(const support::RecordingReporter& reporter) {
    std::vector<std::int64_t> indices;
    for (const auto& picture : reporter.pictures) indices.push_back(picture.index);
    return indices;
  }

  const support::TempFolder folder;
};

TEST_F(Samples, AreDividedOverTheRanksAndEqualThoseOfOne) {
  Meeting alone(1), two(2);
  const auto one = make(alone).front();
  ASSERT_EQ(indices(one), (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  const auto reporters = make(two);
  EXPECT_TRUE(reporters[1].pictures.empty());
  ASSERT_EQ(indices(reporters[0]), indices(one));
  for (std::size_t i = 0; i < one.pictures.size(); ++i) {
    const api::PictureReady &expected = one.pictures[i], &found = reporters[0].pictures[i];
    EXPECT_EQ(found.image, expected.image) << i;
    EXPECT_EQ(found.prompt, expected.prompt);
    EXPECT_EQ(found.total, 5);
    EXPECT_TRUE(base::readFile(found.file)) << found.file;
  }
  EXPECT_NE(one.pictures[0].image, one.pictures[1].image);
  // Three rounds, of which each rank paints its own row alone; the last has none for the second.
  for (std::size_t rank = 0; rank < 2; ++rank) {
    ASSERT_EQ(two.given[rank].size(), 3U);
    for (std::size_t round = 0; round < 3; ++round) {
      const at::Tensor& rows = two.given[rank][round];
      for (std::int64_t row = 0; row < rows.size(0); ++row)
        EXPECT_EQ(rows[row].any().item<bool>(), row == static_cast<std::int64_t>(rank));
    }
  }
}

TEST_F(Samples, EndForAllWhenOneIsStopped) {
  for (const std::int64_t stopped : {0, 1}) {
    Meeting two(2);
    const auto reporters =
        make(two, [&](std::int64_t rank, nn::StableDiffusion&, support::RecordingReporter& r) {
          if (rank == stopped) r.stopSource.request_stop();
        });
    EXPECT_EQ(indices(reporters[0]),
              stopped == 0 ? std::vector<std::int64_t>{} : std::vector<std::int64_t>{0});
  }
}

TEST_F(Samples, ThatAnotherRankCannotMakeAreWarnings) {
  Meeting two(2);
  const auto reporters =
      make(two, [](std::int64_t rank, nn::StableDiffusion& model, support::RecordingReporter&) {
        if (rank == 1)
          model.unet.store->parameters()
              .at("conv_out.bias")
              .fill_(std::numeric_limits<float>::quiet_NaN());
      });
  EXPECT_EQ(indices(reporters[0]), (std::vector<std::int64_t>{0, 2, 4}));
  ASSERT_EQ(reporters[0].warnings.size(), 2U);
  EXPECT_EQ(reporters[0].warnings[0], reporters[1].warnings[0]);
}

}  // namespace
}  // namespace likeness::train::test
