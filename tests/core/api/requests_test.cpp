// The rules of requests, one by one.
#include "core/api/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace likeness::api {
namespace {

TrainRequest good() {
  TrainRequest r;
  r.photos = {{"a.jpg", {}, {}, false}, {"b.jpg", {}, {}, false}, {"c.jpg", {}, {}, true}};
  r.subject.classWord = "dog";
  r.runFolder = "runs/0001";
  return r;
}
/// One more subject of the request, a good one.
FurtherSubject& further(TrainRequest& r) {
  FurtherSubject& one = r.furtherSubjects.emplace_back();
  one.subject.token = "zwx";
  one.subject.classWord = "cat";
  one.photos = {{"d.jpg", {}, {}, false}};
  return one;
}
GenerateRequest goodPicture() {
  GenerateRequest r;
  r.prompt = "a photo of {subject}";
  return r;
}

template <class R>
std::vector<std::pair<std::string, ErrorCode>> broken(const R& request) {
  std::vector<std::pair<std::string, ErrorCode>> list;
  for (const FieldError& error : validate(request)) {
    EXPECT_FALSE(message(error.error).empty());
    list.emplace_back(error.path, error.error.code);
  }
  return list;
}
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Validate, AcceptsWhatIsComplete) {
  EXPECT_THAT(broken(good()), IsEmpty());
  TrainRequest lora = good();
  lora.training.method = Method::Lora;  // the default trainTextEncoder does not stand in its way
  EXPECT_THAT(broken(lora), IsEmpty());
  EXPECT_THAT(broken(goodPicture()), IsEmpty());
}

struct TrainCase {
  std::string path;
  ErrorCode code;
  std::function<void(TrainRequest&)> spoil;
};
class TrainRule : public testing::TestWithParam<TrainCase> {};

TEST_P(TrainRule, IsTheOneThatIsBroken) {
  TrainRequest request = good();
  GetParam().spoil(request);
  EXPECT_THAT(broken(request), ElementsAre(Pair(GetParam().path, GetParam().code)));
  const auto errors = validate(Request(request));
  ASSERT_EQ(errors.size(), 1u);
}

using enum ErrorCode;
INSTANTIATE_TEST_SUITE_P(
    Rules,
    TrainRule,
    testing::Values(
        TrainCase{"photos", NoPhotos, [](auto& r) { r.photos.clear(); }},
        TrainCase{"photos",
                  NoPhotos,
                  [](auto& r) {
                    for (auto& p : r.photos) p.excluded = true;
                  }},
        TrainCase{"photos[1].file", MissingValue, [](auto& r) { r.photos[1].file.clear(); }},
        TrainCase{"photos[0].repeats", OutOfRange, [](auto& r) { r.photos[0].repeats = 0; }},
        TrainCase{"photos[0].crop",
                  OutOfRange,
                  [](auto& r) {
                    r.photos[0].crop = CropRect{0.5, 0, 0.6, 1};
                  }},
        TrainCase{"photos[0].crop",
                  OutOfRange,
                  [](auto& r) {
                    r.photos[0].crop = CropRect{0, 0, NAN, 1};
                  }},
        TrainCase{"subject.class", MissingValue, [](auto& r) { r.subject.classWord = " \t"; }},
        TrainCase{"subject.token", MissingValue, [](auto& r) { r.subject.token = ""; }},
        TrainCase{"subject.token", OutOfRange, [](auto& r) { r.subject.token = "my dog"; }},
        TrainCase{"subject.token", OutOfRange, [](auto& r) { r.subject.token = "{class}"; }},
        TrainCase{
            "subject.subjectPrompt", MissingValue, [](auto& r) { r.subject.subjectPrompt = ""; }},
        TrainCase{"subject.classPrompt", MissingValue, [](auto& r) { r.subject.classPrompt = ""; }},
        TrainCase{"subject.classPrompt",
                  BadCombination,
                  [](auto& r) { r.subject.classPrompt = "a {subject}"; }},
        TrainCase{"training.resolution", OutOfRange, [](auto& r) { r.training.resolution = 100; }},
        TrainCase{"training.steps", OutOfRange, [](auto& r) { r.training.steps = -1; }},
        TrainCase{"training.batchSize", OutOfRange, [](auto& r) { r.training.batchSize = 0; }},
        TrainCase{"training.gradientAccumulation",
                  OutOfRange,
                  [](auto& r) { r.training.gradientAccumulation = 0; }},
        TrainCase{
            "training.learningRate", OutOfRange, [](auto& r) { r.training.learningRate = 0; }},
        TrainCase{"training.passesPerPhoto",
                  OutOfRange,
                  [](auto& r) { r.training.passesPerPhoto = NAN; }},
        TrainCase{"training.lrWarmup", OutOfRange, [](auto& r) { r.training.lrWarmup = 1.5; }},
        TrainCase{"training.seed", OutOfRange, [](auto& r) { r.training.seed = -1; }},
        TrainCase{"loss.timestepMin",
                  OutOfRange,
                  [](auto& r) { r.loss.timestepMin = r.loss.timestepMax = 500; }},
        TrainCase{"loss.captionDropout",
                  BadCombination,
                  [](auto& r) { r.embedding.vectors = 1, r.loss.captionDropout = 0.1; }},
        TrainCase{"loss.captionDropout",
                  BadCombination,
                  [](auto& r) {
                    r.training.method = Method::TextualInversion, r.loss.captionDropout = 0.1;
                  }},
        TrainCase{"training.textEncoderLearningRate",
                  BadCombination,
                  [](auto& r) {
                    r.training.method = Method::Lora, r.training.textEncoderLearningRate = 1e-6;
                  }},
        TrainCase{"training.textEncoderLearningRate",
                  BadCombination,
                  [](auto& r) {
                    r.training.trainTextEncoder = false, r.training.textEncoderLearningRate = 1e-6;
                  }},
        TrainCase{
            "training.textEncoderStop",
            BadCombination,
            [](auto& r) { r.training.method = Method::Lora, r.training.textEncoderStop = 0.5; }},
        TrainCase{"training.textEncoderStop",
                  BadCombination,
                  [](auto& r) { r.embedding.vectors = 1, r.training.textEncoderStop = 0.2; }},
        TrainCase{"embedding.embeddingPart",
                  OutOfRange,
                  [](auto& r) { r.embedding.vectors = 1, r.embedding.part = 0; }},
        TrainCase{"embedding.embeddingLearningRate",
                  OutOfRange,
                  [](auto& r) { r.embedding.vectors = 1, r.embedding.learningRate = 0; }},
        TrainCase{"embedding.embeddingLearningRate",
                  OutOfRange,
                  [](auto& r) {
                    r.training.method = Method::TextualInversion, r.embedding.learningRate = 0;
                  }},
        TrainCase{"lora.loraLearningRate",
                  OutOfRange,
                  [](auto& r) { r.training.method = Method::Lora, r.lora.learningRate = 0; }},
        TrainCase{"optimizer.optimizerKind",
                  BadCombination,
                  [](auto& r) { r.optimizer.kind = OptimizerKind::Prodigy; }},
        TrainCase{"memory.stepInBackward",
                  BadCombination,
                  [](auto& r) {
                    r.optimizer.kind = OptimizerKind::Prodigy, r.training.learningRate = 1;
                    r.memory.stepInBackward = true, r.training.maxGradNorm = 0;
                  }},
        TrainCase{"memory.stepInBackward",
                  BadCombination,
                  [](auto& r) {
                    r.memory.stepInBackward = true, r.training.maxGradNorm = 0;
                    r.compute.dtype = DType::Fp16;
                  }},
        TrainCase{"memory.bf16Weights",
                  BadCombination,
                  [](auto& r) {
                    r.optimizer.kind = OptimizerKind::ScheduleFree, r.memory.bf16Weights = true;
                  }},
        TrainCase{"optimizer.ema",
                  BadCombination,
                  [](auto& r) { r.optimizer.ema = 0.9, r.memory.bf16Weights = true; }},
        TrainCase{
            "optimizer.ema",
            BadCombination,
            [](auto& r) { r.optimizer.kind = OptimizerKind::ScheduleFree, r.optimizer.ema = 0.9; }},
        TrainCase{
            "optimizer.beta1",
            OutOfRange,
            [](auto& r) { r.optimizer.kind = OptimizerKind::ScheduleFree, r.optimizer.beta1 = 0; }},
        TrainCase{"lora.rank", OutOfRange, [](auto& r) { r.lora.rank = 0; }},
        TrainCase{"lora.targets",
                  MissingValue,
                  [](auto& r) { r.training.method = Method::Lora, r.lora.targets.clear(); }},
        TrainCase{"prior.classImages", OutOfRange, [](auto& r) { r.prior.classImages = -1; }},
        TrainCase{
            "prior.classKarras", BadCombination, [](auto& r) { r.prior.sampling.karras = true; }},
        TrainCase{"watch.sampleEta", BadCombination, [](auto& r) { r.watch.sampling.eta = 0.5; }},
        TrainCase{"watch.sampleKarras",
                  BadCombination,
                  [](auto& r) {
                    r.watch.sampling.sampler = SamplerKind::Ddim, r.watch.sampling.karras = true;
                  }},
        TrainCase{
            "checkpoints.checkpointKeep", OutOfRange, [](auto& r) { r.checkpoints.keep = 1; }},
        TrainCase{"compute.device", OutOfRange, [](auto& r) { r.compute.device = "cuda:"; }},
        TrainCase{"compute.device", OutOfRange, [](auto& r) { r.compute.device = "gpu"; }},
        TrainCase{"base", MissingValue, [](auto& r) { r.base.path = ""; }},
        TrainCase{"base.checkpoint", OutOfRange, [](auto& r) { r.base.checkpoint = "newest"; }},
        TrainCase{"furtherSubjects[0].subject.token",
                  MissingValue,
                  [](auto& r) { further(r).subject.token.clear(); }},
        TrainCase{"furtherSubjects[0].subject.token",
                  BadCombination,
                  [](auto& r) { further(r).subject.token = "SKS"; }},
        TrainCase{"furtherSubjects[1].subject.token",
                  BadCombination,
                  [](auto& r) {
                    further(r);
                    further(r);
                  }},
        TrainCase{"furtherSubjects[0].subject.class",
                  MissingValue,
                  [](auto& r) { further(r).subject.classWord = " "; }},
        TrainCase{"furtherSubjects[0].subject.classPrompt",
                  BadCombination,
                  [](auto& r) { further(r).subject.classPrompt = "a {subject}"; }},
        TrainCase{
            "furtherSubjects[0].photos", NoPhotos, [](auto& r) { further(r).photos.clear(); }},
        TrainCase{"furtherSubjects[0].photos[0].repeats",
                  OutOfRange,
                  [](auto& r) { further(r).photos[0].repeats = 0; }},
        TrainCase{"runFolder", MissingValue, [](auto& r) { r.runFolder.clear(); }}));

TEST(Validate, WithoutClassPicturesTheirRulesRest) {
  TrainRequest r = good();
  r.prior.classImages = 0;
  r.prior.sampling.karras = true;
  r.subject.classPrompt = "";
  EXPECT_THAT(broken(r), IsEmpty());
}

TEST(Validate, AllErrorsAreTold) {
  TrainRequest r;
  EXPECT_THAT(broken(r),
              testing::UnorderedElementsAre(Pair("photos", NoPhotos),
                                            Pair("subject.class", MissingValue),
                                            Pair("runFolder", MissingValue)));
}

TEST(Validate, SeveralSubjectsAreComplete) {
  TrainRequest r = good();
  further(r);
  EXPECT_THAT(broken(r), IsEmpty());
  further(r);
  EXPECT_EQ(message(validate(r).at(0).error),
            "Two subjects have the identifier \"zwx\", so that the model could not tell them "
            "apart.");
}

TEST(Validate, SentencesNameOptionAndRange) {
  TrainRequest r = good();
  r.training.lrWarmup = 2;
  const auto errors = validate(r);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(message(errors[0].error),
            "Warm-up (training.lrWarmup) is 2, but it must be between 0 and 1.");
  r = good();
  r.subject.classWord.clear();
  EXPECT_EQ(message(validate(r)[0].error), "The class word (subject.class) is missing.");
}

struct GenerateCase {
  std::string path;
  ErrorCode code;
  std::function<void(GenerateRequest&)> spoil;
};
class GenerateRule : public testing::TestWithParam<GenerateCase> {};
TEST_P(GenerateRule, IsTheOneThatIsBroken) {
  GenerateRequest request = goodPicture();
  GetParam().spoil(request);
  EXPECT_THAT(broken(request), ElementsAre(Pair(GetParam().path, GetParam().code)));
}
INSTANTIATE_TEST_SUITE_P(
    Rules,
    GenerateRule,
    testing::Values(
        GenerateCase{"model", MissingValue, [](auto& r) { r.model.path = " "; }},
        GenerateCase{"checkpoint", OutOfRange, [](auto& r) { r.model.checkpoint = "12x"; }},
        GenerateCase{"count", OutOfRange, [](auto& r) { r.count = 0; }},
        GenerateCase{"seed", OutOfRange, [](auto& r) { r.seed = -5; }},
        GenerateCase{"width", OutOfRange, [](auto& r) { r.width = 129, r.height = 128; }},
        GenerateCase{"height", OutOfRange, [](auto& r) { r.width = 128, r.height = 8192; }},
        GenerateCase{"height", BadCombination, [](auto& r) { r.width = 128; }},
        GenerateCase{"sampling.steps", OutOfRange, [](auto& r) { r.sampling.steps = 0; }},
        GenerateCase{"sampling.guidance", OutOfRange, [](auto& r) { r.sampling.guidance = NAN; }},
        GenerateCase{"sampling.karras", BadCombination, [](auto& r) { r.sampling.karras = true; }},
        GenerateCase{"sampling.eta",
                     BadCombination,
                     [](auto& r) { r.sampling.sampler = SamplerKind::Euler, r.sampling.eta = 1; }},
        GenerateCase{
            "sampling.exponential", BadCombination, [](auto& r) { r.sampling.exponential = true; }},
        GenerateCase{"sampling.exponential",
                     BadCombination,
                     [](auto& r) {
                       r.sampling.sampler = SamplerKind::Heun;
                       r.sampling.karras = r.sampling.exponential = true;
                     }},
        GenerateCase{"sampling.spacing",
                     BadCombination,
                     [](auto& r) {
                       r.sampling.sampler = SamplerKind::Lcm, r.sampling.steps = 4;
                       r.sampling.spacing = TimestepSpacing::Trailing;
                     }},
        GenerateCase{"sampling.steps",
                     BadCombination,
                     [](auto& r) { r.sampling.sampler = SamplerKind::Lcm, r.sampling.steps = 51; }},
        GenerateCase{"sampling.clipSkip", OutOfRange, [](auto& r) { r.sampling.clipSkip = 0; }},
        GenerateCase{"prompts", BadCombination, [](auto& r) { r.prompt = "a", r.prompts = {"b"}; }},
        GenerateCase{"mask", BadCombination, [](auto& r) { r.mask = "m.png"; }},
        GenerateCase{"strength", OutOfRange, [](auto& r) { r.strength = 0; }},
        GenerateCase{"hiresScale", OutOfRange, [](auto& r) { r.hiresScale = 0.5; }},
        GenerateCase{"sampling.guidanceRescale",
                     BadCombination,
                     [](auto& r) { r.sampling.guidance = 1, r.sampling.guidanceRescale = 0.7; }},
        GenerateCase{"adapters[0].file",
                     MissingValue,
                     [](auto& r) {
                       r.adapters = {{"", 1}};
                     }},
        GenerateCase{"adapters[0].strength", OutOfRange, [](auto& r) {
                       r.adapters = {{"a", INFINITY}};
                     }}));

TEST(Validate, OtherRequests) {
  ClassImagesRequest images;
  EXPECT_THAT(broken(images),
              testing::UnorderedElementsAre(Pair("subject.class", MissingValue),
                                            Pair("outFolder", MissingValue)));
  images.subject.classWord = "toy";
  images.outFolder = "out";
  EXPECT_THAT(broken(images), IsEmpty());
  images.prior.classImages = 0;
  images.resolution = 4104;
  images.seed = -1;
  EXPECT_THAT(broken(images),
              testing::UnorderedElementsAre(Pair("prior.classImages", OutOfRange),
                                            Pair("resolution", OutOfRange),
                                            Pair("seed", OutOfRange)));

  ExportRequest exported;
  EXPECT_THAT(broken(exported),
              ElementsAre(Pair("runFolder", MissingValue), Pair("out", MissingValue)));
  exported.runFolder = "run";
  exported.out = "out";
  EXPECT_THAT(broken(exported), IsEmpty());

  ConvertRequest converted;
  EXPECT_THAT(broken(converted), ElementsAre(Pair("out", MissingValue)));
  converted.out = "model.ckpt";
  converted.shardMiB = -1;
  EXPECT_THAT(broken(converted),
              ElementsAre(Pair("shardMiB", OutOfRange), Pair("out", OutOfRange)));
  converted.shardMiB = 0;
  converted.form = ModelForm::PeftLora;
  EXPECT_THAT(broken(converted), ElementsAre(Pair("out", OutOfRange)));
  converted.form = ModelForm::Diffusers;
  EXPECT_THAT(broken(converted), IsEmpty());

  MergeRequest merged;
  merged.b.path = "";
  merged.ratio = 1.5;
  EXPECT_THAT(
      broken(merged),
      ElementsAre(Pair("b", MissingValue), Pair("ratio", OutOfRange), Pair("out", MissingValue)));
  merged.b.path = "b";
  merged.out = "out.safetensors";
  merged.method = MergeMethod::AddDifference;
  EXPECT_THAT(broken(merged), ElementsAre(Pair("c", MissingValue)));
  merged.c = ModelRef{"c"};
  EXPECT_THAT(broken(merged), IsEmpty());
  merged.ratio = std::nan("");
  merged.form = ModelForm::KohyaLora;
  EXPECT_THAT(broken(merged), ElementsAre(Pair("ratio", OutOfRange), Pair("form", OutOfRange)));
  merged.method = MergeMethod::Weighted;
  merged.ratio = 1;
  merged.form = ModelForm::SingleFile;
  EXPECT_THAT(broken(merged), ElementsAre(Pair("c", BadCombination)));

  ExtractRequest extracted;
  extracted.out = "out";
  extracted.rank = 0;
  extracted.alpha = -1;
  extracted.form = ModelForm::Diffusers;
  EXPECT_THAT(
      broken(extracted),
      ElementsAre(Pair("rank", OutOfRange), Pair("alpha", OutOfRange), Pair("form", OutOfRange)));
  extracted = {};
  extracted.out = "out.ckpt";
  EXPECT_THAT(broken(extracted), ElementsAre(Pair("out", OutOfRange)));
  extracted.out = "out.safetensors";
  EXPECT_THAT(broken(extracted), IsEmpty());

  BenchRequest bench;
  EXPECT_THAT(broken(bench), IsEmpty());
  bench.repeats = 0;
  EXPECT_THAT(broken(bench), ElementsAre(Pair("repeats", OutOfRange)));
}

TEST(RenderPrompt, FillsInTheWords) {
  const SubjectOptions subject{"Bo", "sks", "dog", "", ""};
  EXPECT_EQ(renderPrompt("a photo of {subject}", subject), "a photo of sks dog");
  EXPECT_EQ(renderPrompt("{token}, {class}s and {subject}{subject}", subject),
            "sks, dogs and sks dogsks dog");
  EXPECT_EQ(renderPrompt("{unknown} {", subject), "{unknown} {");
  EXPECT_EQ(renderPrompt("", subject), "");
  EXPECT_EQ(renderPrompt("a {subject}", SubjectOptions{}), "a {subject}");
  // What is filled in is not looked at again.
  EXPECT_EQ(renderPrompt("{class}", SubjectOptions{"", "sks", "{token}", "", ""}), "{token}");
}

TEST(PlannedSteps, FollowPhotosAndBatch) {
  TrainRequest r = good();
  r.training.passesPerPhoto = 100;
  EXPECT_EQ(plannedSteps(r), 200);  // the excluded photo does not count
  r.training.batchSize = 3;
  EXPECT_EQ(plannedSteps(r), 67);
  r.training.gradientAccumulation = 2;
  EXPECT_EQ(plannedSteps(r), 34);
  r.training.steps = 12;
  EXPECT_EQ(plannedSteps(r), 12);
  EXPECT_EQ(plannedSteps(TrainRequest{}), 1);
}

TEST(LearningRate, IsThatOfTheMethod) {
  TrainRequest r;
  EXPECT_EQ(effectiveLearningRate(r), r.training.learningRate);
  r.training.method = Method::Lora;
  EXPECT_EQ(effectiveLearningRate(r), r.lora.learningRate);
}

}  // namespace
}  // namespace likeness::api
