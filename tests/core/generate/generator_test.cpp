// The generator on the starter model: seeds, batches, guidance, stop, previews, live weights.
#include "core/generate/generator.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>

#include <numeric>

#include "core/diffusion/guidance.h"
#include "core/diffusion/sampler.h"
#include "core/tensor/random_tensor.h"
#include "starter.h"

namespace likeness::generate {
namespace {

/// Matrix products of another batch size may add in another order.
constexpr int kBatchTolerance = 1;

Job jobOf(std::vector<std::int64_t> seeds, std::int64_t steps = 3, double guidance = 7.5) {
  Job job;
  job.prompt = "a photo of a dog";
  job.negativePrompt = "blurry";
  job.sampling.steps = steps;
  job.sampling.guidance = guidance;
  job.seeds = std::move(seeds);
  job.width = job.height = 64;
  return job;
}

TEST(Generator, SameSeedSamePicture) {
  const auto first = Generator(starter()).latents(jobOf({42}));
  Generator other(starter());
  ASSERT_TRUE(first);
  EXPECT_TRUE(at::equal(*first, *other.latents(jobOf({42}))));
  EXPECT_TRUE(at::equal(*first, *other.latents(jobOf({42})))) << "a kept prompt changes nothing";
  EXPECT_FALSE(at::equal(*first, *other.latents(jobOf({43}))));
}

TEST(Generator, StartsFromTheSeedsOwnNoise) {
  Generator generator(starter());
  Job job = jobOf({7, 8});
  const auto drawn = generator.latents(job);
  const auto noise = [](std::uint64_t seed) {
    return tensor::normal({4, 8, 8}, base::Random(seed, base::Purpose::InitialLatents));
  };
  job.initialLatents = at::stack({noise(7), noise(8)});
  EXPECT_TRUE(at::equal(*drawn, *generator.latents(job)));
}

TEST(Generator, PictureOfASeedDoesNotDependOnCountOrBatch) {
  const auto decoded = [](std::int64_t maxBatch, std::vector<std::int64_t> seeds, double eta) {
    Generator generator(starter(), maxBatch);
    Job job = jobOf(std::move(seeds));
    job.sampling.eta = eta;
    return generator.decode(*generator.latents(job));
  };
  for (const double eta : {0.0, 1.0}) {
    const auto together = decoded(8, {10, 11, 12}, eta);
    const auto parted = decoded(2, {10, 11, 12}, eta);
    ASSERT_EQ(together.size(), 3U);
    for (std::size_t i = 0; i < together.size(); ++i) {
      const auto alone = decoded(1, {10 + static_cast<std::int64_t>(i)}, eta);
      EXPECT_LE(maxDifference(together[i], alone.front()), kBatchTolerance) << i;
      EXPECT_LE(maxDifference(parted[i], alone.front()), kBatchTolerance) << i;
    }
    EXPECT_GT(maxDifference(together[0], together[1]), 20);
  }
}

TEST(Generator, EtaDrawsNewNoisePerStepAndSeed) {
  Generator generator(starter());
  Job job = jobOf({1});
  const auto plain = generator.latents(job);
  job.sampling.eta = 1;
  const auto noisy = generator.latents(job);
  EXPECT_FALSE(at::equal(*plain, *noisy));
  EXPECT_TRUE(at::equal(*noisy, *generator.latents(job)));
}

TEST(Generator, BatchedGuidanceEqualsTwoForwards) {
  const at::NoGradGuard noGradients;
  const auto& model = starter();
  const auto encode = [&](const char* prompt) { return nn::encodeText(model, {prompt}).context; };
  const at::Tensor uncond = encode(""), cond = encode("a photo of a cat");
  const at::Tensor x = tensor::normal({1, 4, 8, 8}, base::Random(3, base::Purpose::Test));
  const auto forward = [&](const at::Tensor& text) {
    return diffusion::predict(*model.unet.model, x, 500, text, 1, at::kFloat);
  };
  const at::Tensor u = forward(uncond), c = forward(cond), wanted = u + 4.0 * (c - u);
  const at::Tensor guided =
      diffusion::predict(*model.unet.model, x, 500, at::cat({uncond, cond}), 4, at::kFloat);
  EXPECT_LE(((guided - wanted).norm() / wanted.norm()).item<double>(), 1e-5);
}

TEST(Generator, GuidanceOneIgnoresTheNegativePrompt) {
  Generator generator(starter());
  Job job = jobOf({5}, 3, 1);
  const auto one = generator.latents(job);
  job.negativePrompt = "something else";
  EXPECT_TRUE(at::equal(*one, *generator.latents(job)));
  job.sampling.guidance = 2;
  const auto two = generator.latents(job);
  job.negativePrompt = "blurry";
  EXPECT_FALSE(at::equal(*two, *generator.latents(job)));
}

TEST(Generator, LoopEqualsTheSamplerByHand) {
  // Two steps without the kept keys and values of the text, without batches and callbacks.
  const at::NoGradGuard noGradients;
  const auto& model = starter();
  for (const auto kind :
       {api::SamplerKind::Ddim, api::SamplerKind::Heun, api::SamplerKind::Dpmpp2m}) {
    Job job = jobOf({9}, 2);
    job.sampling.sampler = kind;
    const auto sampler =
        diffusion::makeSampler(diffusion::NoiseSchedule(model.schedule), job.sampling);
    const nn::Conditioning text = nn::encodeText(model, {job.negativePrompt, job.prompt});
    at::Tensor x = tensor::normal({1, 4, 8, 8}, base::Random(9, base::Purpose::InitialLatents)) *
                   sampler->initNoiseSigma();
    for (std::int64_t i = 0; i < sampler->evaluations(); ++i) {
      const at::Tensor out = diffusion::predict(*model.unet.model,
                                                sampler->scaleModelInput(x, i),
                                                sampler->timestep(i),
                                                text,
                                                7.5,
                                                at::kFloat);
      x = sampler->step(out, x, i, {});
    }
    const auto made = Generator(model).latents(job);
    EXPECT_LE(((*made - x).norm() / x.norm()).item<double>(), 1e-5);
  }
}

/// 100 tokens: a full chunk of 75 and one of 25.
std::string longPrompt() {
  std::string prompt = "a photo of a dog";
  for (int i = 0; i < 95; ++i) prompt += i < 80 ? " grass" : " moon";
  return prompt;
}

TEST(Generator, WeightsOfOneChangeNothing) {
  Generator generator(starter());
  Job job = jobOf({3});
  job.syntax = api::PromptSyntax::Plain;
  const auto plain = generator.latents(job);
  job.syntax = api::PromptSyntax::A1111;
  EXPECT_TRUE(at::equal(*plain, *generator.latents(job)));
  job.prompt = "(a photo of:1.0) a (dog:1)";
  EXPECT_TRUE(at::equal(*plain, *generator.latents(job)));
  job.prompt = "(a photo of:1.0) a (dog:1.3)";
  EXPECT_FALSE(at::equal(*plain, *generator.latents(job)));
  job.prompt = "a photo of a dog";
  job.negativePrompt = "[blurry]";
  EXPECT_FALSE(at::equal(*plain, *generator.latents(job)));
}

TEST(Generator, ALongPromptIsReadToItsEnd) {
  Generator generator(starter());
  Job job = jobOf({3});
  job.prompt = longPrompt();
  const auto whole = generator.latents(job);
  job.syntax = api::PromptSyntax::Plain;
  const auto cut = generator.latents(job);
  EXPECT_GT(((*whole - *cut).norm() / cut->norm()).item<double>(), 1e-3);
  // Another end is another picture only where the end is read.
  job.prompt = longPrompt() + " sea";
  EXPECT_TRUE(at::equal(*cut, *generator.latents(job)));
  job.syntax = api::PromptSyntax::A1111;
  EXPECT_FALSE(at::equal(*whole, *generator.latents(job)));
}

TEST(Generator, TheShorterOfPromptAndNegativeIsFilledWithEmptyChunks) {
  const at::NoGradGuard noGradients;
  const auto& model = starter();
  Job job = jobOf({4}, 1, 3);
  job.prompt = "a dog BREAK a hill";
  const auto encode = [&](const char* prompt) { return nn::encodeText(model, {prompt}).context; };
  const auto expect = [&](const at::Tensor& text) {
    const auto sampler =
        diffusion::makeSampler(diffusion::NoiseSchedule(model.schedule), job.sampling);
    const at::Tensor x =
        tensor::normal({1, 4, 8, 8}, base::Random(4, base::Purpose::InitialLatents)) *
        sampler->initNoiseSigma();
    const at::Tensor out = diffusion::predict(*model.unet.model,
                                              sampler->scaleModelInput(x, 0),
                                              sampler->timestep(0),
                                              text,
                                              3,
                                              at::kFloat);
    const at::Tensor wanted = sampler->step(out, x, 0, {});
    const auto made = Generator(model).latents(job);
    EXPECT_LE(((*made - wanted).norm() / wanted.norm()).item<double>(), 1e-5);
  };
  const auto joined = [&](const char* first, const char* second) {
    return at::cat({encode(first), encode(second)}, 1);
  };
  expect(at::cat({joined("blurry", ""), joined("a dog", "a hill")}));
  job.prompt = "a dog";
  job.negativePrompt = "blurry BREAK dark";
  expect(at::cat({joined("blurry", "dark"), joined("a dog", "")}));
}

TEST(Generator, PicturesOfOneBatchMayHaveTheirOwnWords) {
  const auto decoded =
      [](std::int64_t maxBatch, const std::vector<Words>& words, std::int64_t seed) {
        Generator generator(starter(), maxBatch);
        Job job = jobOf({});
        job.words = words;
        for (std::size_t i = 0; i < words.size(); ++i)
          job.seeds.push_back(seed + static_cast<std::int64_t>(i));
        std::vector<std::int64_t> firsts;
        Callbacks callbacks;
        callbacks.onBatch = [&](std::int64_t first, const at::Tensor&) { firsts.push_back(first); };
        auto pictures = generator.decode(*generator.latents(job, callbacks));
        return std::pair(pictures, firsts);
      };
  const std::vector<Words> words{{"a dog", "blurry"},
                                 {"a (red:1.4) cat", ""},
                                 {longPrompt(), "blurry"},
                                 {"a hill", "dark BREAK blurry"},
                                 {"a hill", ""}};
  const auto [together, firsts] = decoded(8, words, 20);
  // A longer prompt does not lengthen that of another picture, so it begins another batch.
  EXPECT_EQ(firsts, (std::vector<std::int64_t>{0, 2, 4}));
  ASSERT_EQ(together.size(), words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto alone = decoded(1, {words[i]}, 20 + static_cast<std::int64_t>(i)).first;
    EXPECT_LE(maxDifference(together[i], alone.front()), kBatchTolerance) << i;
  }
}

TEST(Generator, ClipSkipReadsAnEarlierLayer) {
  Generator generator(starter());
  Job job = jobOf({3});
  const auto last = generator.latents(job);
  job.sampling.clipSkip = 2;
  EXPECT_FALSE(at::equal(*last, *generator.latents(job)));
  job.sampling.clipSkip = starter().textEncoder.model->config().numHiddenLayers;
  EXPECT_TRUE(generator.latents(job));
  ++job.sampling.clipSkip;
  EXPECT_EQ(generator.latents(job).error().code, api::ErrorCode::BadCombination);
}

TEST(Generator, StopEndsAtTheNextSamplerStep) {
  Generator generator(starter(), 2);
  std::stop_source stop;
  std::int64_t steps = 0, batches = 0;
  Callbacks callbacks;
  callbacks.onBatch = [&](std::int64_t, const at::Tensor&) { ++batches; };
  callbacks.onStep = [&](std::int64_t step, std::int64_t total) {
    EXPECT_EQ(step, ++steps);
    EXPECT_EQ(total, 2 * 3);
    if (step == 4) stop.request_stop();
  };
  const auto latents = generator.latents(jobOf({1, 2, 3}), callbacks, stop.get_token());
  ASSERT_TRUE(latents);
  EXPECT_FALSE(latents->defined());
  EXPECT_EQ(steps, 4);
  EXPECT_EQ(batches, 1);
}

TEST(Generator, ASamplerThatAsksTwiceAStepCountsSteps) {
  Generator generator(starter());
  Job job = jobOf({1}, 4);
  job.sampling.sampler = api::SamplerKind::DpmppSde;
  std::vector<std::int64_t> reported, shown;
  Callbacks callbacks;
  callbacks.previewEvery = 1;
  callbacks.onStep = [&](std::int64_t step, std::int64_t total) {
    reported.push_back(step);
    EXPECT_EQ(total, 4);
  };
  callbacks.onPreview = [&](std::int64_t step, std::int64_t, const at::Tensor&) {
    shown.push_back(step);
  };
  const auto made = generator.latents(job, callbacks);
  ASSERT_TRUE(made);
  EXPECT_EQ(reported, (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(shown, (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_TRUE(at::equal(*made, *generator.latents(job))) << "noise comes from counters";
}

TEST(Generator, ZeroSnrIsRefusedForAModelThatPredictsNoise) {
  Generator generator(starter());
  Job job = jobOf({1});
  job.sampling.zeroSnr = api::ZeroSnr::On;
  const auto made = generator.latents(job);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, api::ErrorCode::BadCombination);
}

TEST(Generator, PreviewsApproachTheFinishedLatents) {
  Generator generator(starter());
  std::vector<std::int64_t> at;
  std::vector<double> distance;
  std::vector<at::Tensor> seen;
  Callbacks callbacks;
  callbacks.previewEvery = 2;
  callbacks.onPreview = [&](std::int64_t step, std::int64_t first, const at::Tensor& x0) {
    EXPECT_EQ(first, 0);
    at.push_back(step);
    seen.push_back(x0);
  };
  const auto latents = generator.latents(jobOf({1, 2}, 9), callbacks);
  EXPECT_EQ(at, (std::vector<std::int64_t>{2, 4, 6, 8}));
  for (const auto& x0 : seen) distance.push_back((x0 - *latents).norm().item<double>());
  EXPECT_LT(distance.back(), distance.front());
}

TEST(Generator, WeightsInTrainingRecordNothingAndAreSeenAfterInvalidate) {
  auto model = nn::loadStableDiffusion({base::findResources() / "starter"}, {}).value();
  for (const auto* store : {model.unet.store.get(), model.textEncoder.store.get()}) {
    for (const auto& [key, parameter] : store->parameters())
      at::Tensor(parameter).requires_grad_(true);
  }
  Generator generator(model);
  const auto before = generator.latents(jobOf({1}));
  EXPECT_FALSE(before->requires_grad());
  {
    const at::NoGradGuard noGradients;
    for (const auto& [key, parameter] : model.textEncoder.store->parameters())
      at::Tensor(parameter).mul_(1.1);
  }
  EXPECT_TRUE(at::equal(*before, *generator.latents(jobOf({1}))));
  generator.invalidate();
  EXPECT_FALSE(at::equal(*before, *generator.latents(jobOf({1}))));
}

TEST(Generator, Bf16StaysNearFp32) {
  const auto decoded = [](at::ScalarType dtype) {
    Generator generator(starter(), 8, dtype);
    return generator.decode(*generator.latents(jobOf({21}, 4)));
  };
  const auto exact = decoded(at::kFloat), rough = decoded(at::kBFloat16);
  double sum = 0;
  for (std::size_t i = 0; i < exact[0].bytes->size(); ++i)
    sum += std::abs(int{(*exact[0].bytes)[i]} - int{(*rough[0].bytes)[i]});
  EXPECT_GT(sum, 0);
  EXPECT_LT(sum / static_cast<double>(exact[0].bytes->size()), 8);
}

TEST(Generator, NonFiniteLatentsAreAnError) {
  Generator generator(starter());
  Job job = jobOf({1});
  job.initialLatents = at::full({1, 4, 8, 8}, std::numeric_limits<float>::infinity());
  const auto latents = generator.latents(job);
  ASSERT_FALSE(latents);
  EXPECT_EQ(latents.error().code, api::ErrorCode::NonFinite);
  EXPECT_EQ(latents.error().value("step"), "1");
}

TEST(Generator, OddSizesDecodeToTheirPixels) {
  Generator generator(starter());
  Job job = jobOf({1, 2});
  job.width = 72;
  job.height = 40;
  const auto pictures = generator.decode(*generator.latents(job));
  ASSERT_EQ(pictures.size(), 2U);
  EXPECT_EQ(pictures[1].width, 72);
  EXPECT_EQ(pictures[1].height, 40);
}

TEST(FittingBatch, ShrinksThenRefusesWithWhatFits) {
  const auto fit = [](std::int64_t side, std::int64_t available) {
    return fittingBatch(starter(), 8, side, side, at::kFloat, available);
  };
  EXPECT_EQ(*fit(128, 100'000), 8);
  const auto some = fit(128, 30);
  ASSERT_TRUE(some);
  EXPECT_GE(*some, 1);
  EXPECT_LT(*some, 8);
  const auto none = fit(2048, 500);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, api::ErrorCode::NotEnoughMemory);
  const std::string advice(none.error().value("fits"));
  const std::int64_t side = std::stoll(advice.substr(advice.find_first_of("0123456789")));
  EXPECT_TRUE(fit(side, 500)) << advice;
}

api::Image plain(std::uint8_t value, int width = 6, int height = 5) {
  return {width,
          height,
          api::PixelFormat::Rgb8,
          std::make_shared<const std::vector<std::uint8_t>>(
              static_cast<std::size_t>(width * height * 3), value)};
}

TEST(ContactSheet, NearSquareWithWhiteGaps) {
  const auto sheet = contactSheet({plain(1), plain(2), plain(3), plain(4), plain(5)});
  EXPECT_EQ(sheet.width, 3 * 6 + 2 * 4);
  EXPECT_EQ(sheet.height, 2 * 5 + 4);
  const auto pixel = [&](int x, int y) {
    return (*sheet.bytes)[static_cast<std::size_t>((y * sheet.width + x) * 3)];
  };
  EXPECT_EQ(pixel(0, 0), 1);
  EXPECT_EQ(pixel(5, 4), 1);
  EXPECT_EQ(pixel(6, 0), 255);
  EXPECT_EQ(pixel(10, 0), 2);
  EXPECT_EQ(pixel(25, 4), 3);
  EXPECT_EQ(pixel(0, 5), 255);
  EXPECT_EQ(pixel(0, 9), 4);
  EXPECT_EQ(pixel(15, 13), 5);
  EXPECT_EQ(pixel(20, 9), 255);
}

TEST(ContactSheet, ColumnsCanBeChosen) {
  const auto sheet = contactSheet({plain(1), plain(2), plain(3)}, 3);
  EXPECT_EQ(sheet.width, 3 * 6 + 2 * 4);
  EXPECT_EQ(sheet.height, 5);
  EXPECT_EQ(contactSheet({plain(1)}, 4).width, 6);
  EXPECT_TRUE(contactSheet({}).empty());
  EXPECT_THROW(contactSheet({plain(1), plain(2, 7)}), std::invalid_argument);
}

}  // namespace
}  // namespace likeness::generate
