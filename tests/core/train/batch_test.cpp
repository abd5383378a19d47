// Batches equal the declared plan, row by row, and each option of the noise changes its rows alone.
#include "core/train/batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <map>

#include "core/diffusion/losses.h"
#include "core/tensor/random_tensor.h"
#include "tests/core/train/fixture.h"

namespace likeness::train::test {
namespace {

using base::Purpose;
using data::Half;

constexpr std::int64_t kBatch = 2, kAccumulation = 3;
constexpr double kScale = 0.5;

/// Pictures that say who they are: latents of `first` + index without spread, a caption each.
data::LatentSet marked(std::int64_t count, double first, const std::string& caption) {
  data::LatentSet set = randomLatents(count, "", 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const double value = first + static_cast<double>(i);
    set.plain[index].mean = at::full({4, 8, 8}, value);
    set.mirrored[index].mean = at::full({4, 8, 8}, -value);
    set.plain[index].std = set.mirrored[index].std = at::zeros({4, 8, 8});
    set.pictures[index].prompts = {caption + std::to_string(i)};
  }
  return set;
}

api::TrainRequest recipeWith(const api::LossOptions& loss) {
  api::TrainRequest recipe = tinyRecipe(api::Method::Full, true);
  recipe.training.batchSize = kBatch;
  recipe.training.gradientAccumulation = kAccumulation;
  recipe.loss = loss;
  return recipe;
}

BatchMaker makerOf(const api::TrainRequest& recipe) {
  return {
      recipe, marked(kPhotos, 1, "photo "), marked(kClassPictures, 100, "class "), 1000, kScale};
}

Batch batchOf(const api::LossOptions& loss, std::int64_t step = 0) {
  return makerOf(recipeWith(loss)).make(step, 0, kBatch);
}

/// What a run's log of one row would be.
struct Logged {
  std::int64_t picture, timestep;
  bool mirrored;
  std::string caption;
  std::uint64_t noiseSample;
  double weight;
  bool operator==(const Logged&) const = default;
};

TEST(BatchTest, TheLogOfEveryRowEqualsTheDeclaredPlan) {
  api::LossOptions loss;
  loss.weighting = api::LossWeighting::MinSnr;
  api::TrainRequest recipe = recipeWith(loss);
  recipe.training.flip = true;
  const BatchMaker maker = makerOf(recipe);
  const diffusion::NoiseSchedule schedule{nn::NoiseScheduleConfig{}};
  const auto seed = static_cast<std::uint64_t>(recipe.training.seed);

  for (std::int64_t step = 0; step < 12; ++step)
    for (std::int64_t part = 0; part < kAccumulation; ++part) {
      const Batch batch = maker.make(step, part * kBatch, kBatch);
      ASSERT_EQ(batch.subjectRows, kBatch);
      const at::Tensor weights =
          diffusion::lossForm(loss, schedule, batch.timesteps, batch.mask).rowWeights;
      for (std::int64_t row = 0; row < 2 * kBatch; ++row) {
        const bool ofClass = row >= kBatch;
        const std::int64_t position = part * kBatch + row % kBatch;
        const std::uint64_t sample = 2 * static_cast<std::uint64_t>(position) + ofClass;
        const auto stream = [&](Purpose purpose) {
          return base::Random(seed, purpose, static_cast<std::uint64_t>(step), sample);
        };

        // The plan as the documentation declares it.
        const std::int64_t count = ofClass ? kClassPictures : kPhotos;
        const std::int64_t visit = step * kBatch * kAccumulation + position;
        const auto order =
            data::epochOrder(seed, ofClass ? Half::Class : Half::Subject, visit / count, count);
        const std::int64_t picture = order[static_cast<std::size_t>(visit % count)];
        const auto t = static_cast<std::int64_t>(stream(Purpose::Timestep).below(1000));
        const double a = schedule.alphasCumprod()[t].item<double>();
        const Logged declared{picture,
                              t,
                              !ofClass && stream(Purpose::Flip).below(2) == 1,
                              (ofClass ? "class " : "photo ") + std::to_string(picture),
                              sample,
                              std::min(1.0, 5 * (1 - a) / a)};

        // What the row is.
        const double value = batch.latents[row][0][0][0].item<double>() / kScale;
        const bool noiseIsOfItsPlace =
            batch.noise[row].equal(tensor::normal({4, 8, 8}, stream(Purpose::Noise)));
        const double weight = weights[row].item<double>();
        const Logged logged{static_cast<std::int64_t>(std::abs(value)) - (ofClass ? 100 : 1),
                            batch.timesteps[row].item<std::int64_t>(),
                            value < 0,
                            batch.prompts[static_cast<std::size_t>(row)],
                            noiseIsOfItsPlace ? sample : ~std::uint64_t{0},
                            std::abs(weight - declared.weight) < 1e-6 ? declared.weight : weight};
        EXPECT_EQ(logged, declared) << step << " " << part << " " << row;
      }
    }
}

/// Three subjects of two classes; every picture says whose it is and of which class.
class SeveralSubjects : public testing::Test {
 protected:
  static constexpr std::size_t kClassOf[]{0, 1, 0};
  SeveralSubjects() {
    recipe = recipeWith({});
    for (const auto& [token, classWord] : {std::pair("zwx", "cat"), std::pair("ohw", "toy")}) {
      api::FurtherSubject& further = recipe.furtherSubjects.emplace_back();
      further.subject.token = token;
      further.subject.classWord = classWord;
    }
    // 1, 2 and 4 photos; 3 and 5 class pictures.
    photos = marked(7, 1, "photo ");
    for (std::size_t i = 0; i < 7; ++i) photos.pictures[i].subject = i < 1 ? 0 : i < 3 ? 1 : 2;
    classes = marked(8, 100, "class ");
    for (std::size_t i = 0; i < 8; ++i) classes.pictures[i].subject = i < 3 ? 0 : 1;
  }
  /// What a row shows: its number in its half.
  static std::size_t shownIn(const Batch& batch, std::int64_t row, double first) {
    return static_cast<std::size_t>(std::abs(batch.latents[row][0][0][0].item<double>()) / kScale -
                                    first);
  }
  api::TrainRequest recipe;
  data::LatentSet photos, classes;
};

TEST_F(SeveralSubjects, EveryRowHasItsOwnWordsAndItsClassBeside) {
  const BatchMaker maker(recipe, photos, classes, 1000, kScale);
  std::map<std::size_t, int> seen;
  for (std::int64_t step = 0; step < 14; ++step) {
    const Batch batch = maker.make(step, 0, 6);
    for (std::int64_t row = 0; row < 6; ++row) {
      const std::size_t photo = shownIn(batch, row, 1), beside = shownIn(batch, row + 6, 100);
      EXPECT_EQ(batch.prompts[static_cast<std::size_t>(row)], "photo " + std::to_string(photo));
      EXPECT_EQ(batch.prompts[static_cast<std::size_t>(row + 6)],
                "class " + std::to_string(beside));
      EXPECT_EQ(classes.pictures[beside].subject, kClassOf[photos.pictures[photo].subject]);
      ++seen[photos.pictures[photo].subject];
    }
  }
  EXPECT_EQ(seen, (std::map<std::size_t, int>{{0, 12}, {1, 24}, {2, 48}}));
}

TEST_F(SeveralSubjects, TheProbeLooksAtAll) {
  const BatchMaker maker(recipe, photos, classes, 1000, kScale);
  for (const Half half : {Half::Subject, Half::Class}) {
    const auto& pictures = (half == Half::Subject ? photos : classes).pictures;
    const Batch probe = maker.probe(half).at(0);
    std::map<std::size_t, int> rows;
    for (const std::string& prompt : probe.prompts)
      ++rows[pictures[static_cast<std::size_t>(prompt.back() - '0')].subject];
    EXPECT_EQ(rows,
              half == Half::Subject ? (std::map<std::size_t, int>{{0, 3}, {1, 3}, {2, 2}})
                                    : (std::map<std::size_t, int>{{0, 4}, {1, 4}}));
  }
}

TEST(BatchTest, RowsDoNotDependOnHowAStepIsCut) {
  api::LossOptions loss;
  loss.noiseOffset = loss.multiresNoise = loss.inputPerturbation = 0.3;
  const BatchMaker maker = makerOf(recipeWith(loss));
  const Batch whole = maker.make(4, 0, 6), part = maker.make(4, 2, 2);
  for (const auto& [row, same] : {std::pair(0, 2), std::pair(1, 3), std::pair(2, 8)}) {
    EXPECT_TRUE(part.noise[row].equal(whole.noise[same])) << row;
    EXPECT_TRUE(part.addedNoise[row].equal(whole.addedNoise[same])) << row;
    EXPECT_TRUE(part.latents[row].equal(whole.latents[same])) << row;
  }
}

TEST(BatchTest, NoiseOffsetIsOneValuePerPictureAndChannel) {
  api::LossOptions loss;
  const Batch before = batchOf(loss);
  loss.noiseOffset = 0.2;
  const Batch after = batchOf(loss);
  EXPECT_TRUE(after.addedNoise.equal(after.noise));
  const at::Tensor offset = after.noise - before.noise, values = offset.mean({2, 3}, true);
  EXPECT_LE((offset - values).abs().max().item<double>(), 1e-6);
  EXPECT_NEAR(values.std().item<double>(), 0.2, 0.1);
}

TEST(BatchTest, CoarseNoiseKeepsItsSizeButNeighboursAgree) {
  api::LossOptions loss;
  const auto agreement = [](const Batch& batch) {
    const at::Tensor& n = batch.noise;
    return (n.narrow(3, 0, 7) * n.narrow(3, 1, 7)).mean().item<double>();
  };
  EXPECT_NEAR(agreement(batchOf(loss)), 0, 0.1);
  loss.multiresNoise = 0.9;
  const Batch batch = batchOf(loss);
  EXPECT_GT(agreement(batch), 0.15);
  for (int row = 0; row < 4; ++row) EXPECT_NEAR(batch.noise[row].std().item<double>(), 1, 1e-5);
}

TEST(BatchTest, TargetsDoNotKnowThePerturbation) {
  api::LossOptions loss;
  const Batch before = batchOf(loss);
  loss.inputPerturbation = 0.1;
  const Batch after = batchOf(loss);
  EXPECT_TRUE(after.noise.equal(before.noise));
  EXPECT_NEAR((after.addedNoise - after.noise).std().item<double>(), 0.1, 0.01);
}

TEST(BatchTest, RowsWithoutAMaskCountEverywhere) {
  EXPECT_FALSE(batchOf({}).mask.defined());
  auto photos = marked(kPhotos, 1, "photo ");
  photos.plain[0].mask = at::full({1, 8, 8}, 0.25);
  const BatchMaker maker(recipeWith({}), photos, {}, 1000, kScale);
  bool masked = false;
  for (std::int64_t step = 0; step < 3; ++step) {
    const Batch batch = maker.make(step, 0, kBatch);
    if (!batch.mask.defined()) continue;
    for (std::int64_t row = 0; row < kBatch; ++row) {
      const bool first = batch.prompts[static_cast<std::size_t>(row)] == "photo 0";
      masked |= first;
      EXPECT_TRUE(batch.mask[row].equal(at::full({1, 8, 8}, first ? 0.25 : 1.0)));
    }
  }
  EXPECT_TRUE(masked);
}

TEST(BatchTest, TheProbeKnowsNoOption) {
  api::LossOptions loss;
  loss.noiseOffset = loss.multiresNoise = loss.inputPerturbation = 0.5;
  loss.captionDropout = 1;
  loss.timestepMin = 900;
  for (const Half half : {Half::Subject, Half::Class}) {
    const Batch plain = makerOf(recipeWith({})).probe(half).at(0),
                probe = makerOf(recipeWith(loss)).probe(half).at(0);
    EXPECT_TRUE(probe.latents.equal(plain.latents));
    EXPECT_TRUE(probe.noise.equal(plain.noise));
    EXPECT_TRUE(probe.addedNoise.equal(plain.noise));
    EXPECT_TRUE(probe.timesteps.equal(plain.timesteps));
    EXPECT_EQ(probe.prompts, plain.prompts);
  }
}

TEST(BatchTest, DroppedCaptionsAreEmptyPrompts) {
  api::LossOptions loss;
  EXPECT_FALSE(makerOf(recipeWith(loss)).prompts().contains(""));
  loss.captionDropout = 0.5;
  const BatchMaker maker = makerOf(recipeWith(loss));
  EXPECT_TRUE(maker.prompts().contains(""));
  int dropped = 0;
  for (std::int64_t step = 0; step < 50; ++step)
    for (const std::string& prompt : maker.make(step, 0, kBatch).prompts) dropped += prompt.empty();
  EXPECT_NEAR(dropped, 100, 30);
}

}  // namespace
}  // namespace likeness::train::test
