// YAML both ways, what is wrong with a file, and hostile ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/config/config.h"
#include "tests/support/temp_folder.h"
#include "tests/support/unusual_requests.h"

namespace likeness::config {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using api::TrainRequest;
using support::TempFolder;
using testing::HasSubstr;

api::Error errorOf(const std::string& yaml) {
  TrainRequest request;
  const TrainRequest before = request;
  const auto result = applyYaml(request, yaml, "my.yaml");
  EXPECT_FALSE(result) << yaml;
  EXPECT_EQ(request, before) << "a refused file must change nothing";
  return result ? api::Error{} : result.error();
}

TEST(Yaml, RoundTripsEveryOption) {
  for (const TrainRequest& request : {TrainRequest{}, support::unusualTraining()})
    for (const bool comments : {false, true}) {
      TrainRequest read;
      const std::string text = toYaml(request, comments);
      const auto result = applyYaml(read, text, "my.yaml");
      ASSERT_TRUE(result) << api::message(result.error()) << text;
      EXPECT_EQ(read, request) << text;
    }
}

TEST(Yaml, FurtherSubjectsStandThereWhenThereAreSome) {
  EXPECT_THAT(toYaml(TrainRequest{}, true), testing::Not(HasSubstr("furtherSubjects")));
  TrainRequest request;
  ASSERT_TRUE(applyYaml(request,
                        "furtherSubjects:\n  - subject: {token: zwx, class: cat}\n"
                        "    photos: [a.jpg]\n    classFolder: cats\n  - {}\n",
                        "my.yaml"));
  ASSERT_EQ(request.furtherSubjects.size(), 2u);
  EXPECT_EQ(request.furtherSubjects[0].subject.token, "zwx");
  EXPECT_EQ(request.furtherSubjects[0].subject.classPrompt, "a photo of {class}");
  EXPECT_EQ(request.furtherSubjects[0].photos.at(0).file, "a.jpg");
  EXPECT_EQ(request.furtherSubjects[0].classFolder, "cats");
  EXPECT_EQ(request.furtherSubjects[1], api::FurtherSubject{});
  ASSERT_TRUE(applyYaml(request, "training: {steps: 3}", "my.yaml"));
  EXPECT_EQ(request.furtherSubjects.size(), 2u) << "what is not said stays";
  ASSERT_TRUE(applyYaml(request, "furtherSubjects: []", "my.yaml"));
  EXPECT_TRUE(request.furtherSubjects.empty());
}

TEST(Yaml, TextsThatLookLikeOtherTypesStayTexts) {
  for (const std::string token :
       {"true", "no",   "1e3", "0x10", "null", "~",  "",   " padded ", "#",    "[a]",  "'",
        "\"",   "a: b", "- a", "@x",   "%x",   "!t", "&a", "*a",       "日本", "null "}) {
    TrainRequest request, read;
    request.subject.token = token;
    ASSERT_TRUE(applyYaml(read, toYaml(request), "my.yaml")) << token;
    EXPECT_EQ(read.subject.token, token);
  }
}

TEST(Yaml, CommentsHoldEveryHelp) {
  const std::string text = toYaml(TrainRequest{}, true);
  TrainRequest request;
  api::forEachSection(request, [&]<class S>(const char* section, S&) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(section) + ":\n"));
    for (const auto& row : api::fields<S>()) {
      EXPECT_THAT(text, HasSubstr(std::string(row.help)));
      EXPECT_THAT(text, HasSubstr("\n  " + std::string(row.key) + ": "));
    }
  });
  EXPECT_THAT(text, HasSubstr("One of full, lora, textual-inversion."));
}

TEST(Yaml, OverlaysWhatIsThere) {
  TrainRequest request;
  request.training.seed = 7;
  request.photos = {{"old.jpg", {}, {}, false}};
  ASSERT_TRUE(applyYaml(
      request, "training:\n  steps: 12\n  learningRate: 1\nprior: {classImages: 0}\n", "my.yaml"));
  EXPECT_EQ(request.training.steps, 12);
  EXPECT_EQ(request.training.learningRate, 1.0);
  EXPECT_EQ(request.training.seed, 7);
  EXPECT_EQ(request.prior.classImages, 0);
  EXPECT_EQ(request.photos.size(), 1u);
  ASSERT_TRUE(applyYaml(
      request, "photos: [a.jpg, {file: b.jpg, exclude: true}]\nlora: {targets: to_q}", "my.yaml"));
  EXPECT_EQ(request.photos,
            (std::vector<api::Photo>{{"a.jpg", {}, {}, false}, {"b.jpg", {}, {}, true}}));
  EXPECT_EQ(request.lora.targets, std::vector<std::string>{"to_q"});
  ASSERT_TRUE(applyYaml(request, "", "my.yaml"));
  ASSERT_TRUE(applyYaml(request, "# nothing\ntraining:\nphotos:\n", "my.yaml"));
  EXPECT_TRUE(request.photos.empty());
}

TEST(Yaml, RelativePathsBelongToTheFile) {
  const TempFolder folder;
  support::put(folder / "sub/my.yaml",
               "base: ../model\nphotos: [{file: a.jpg, mask: m.png}, /abs/b.jpg]\n"
               "cacheFolder: cache\nprior: {classFolder: dogs}\n"
               "furtherSubjects: [{photos: [{file: c.jpg, mask: n.png}], classFolder: cats}]\n");
  TrainRequest request;
  ASSERT_TRUE(applyYamlFile(request, folder / "sub/my.yaml"));
  EXPECT_EQ(request.base.path, (folder / "model").string());
  EXPECT_EQ(request.photos[0].file, folder / "sub/a.jpg");
  EXPECT_EQ(request.photos[0].mask, folder / "sub/m.png");
  EXPECT_EQ(request.photos[1].file, fs::path("/abs/b.jpg"));
  EXPECT_EQ(request.prior.folder, folder / "sub/dogs");
  EXPECT_EQ(request.furtherSubjects.at(0).photos.at(0).file, folder / "sub/c.jpg");
  EXPECT_EQ(request.furtherSubjects[0].photos[0].mask, folder / "sub/n.png");
  EXPECT_EQ(request.furtherSubjects[0].classFolder, folder / "sub/cats");
  EXPECT_EQ(request.cacheFolder, folder / "sub/cache");
  support::put(folder / "sub/my.yaml", "base: starter\n");
  ASSERT_TRUE(applyYamlFile(request, folder / "sub/my.yaml"));
  EXPECT_EQ(request.base, api::ModelRef{});
  EXPECT_EQ(applyYamlFile(request, folder / "none.yaml").error().code, ErrorCode::FileNotFound);
}

struct BadFile {
  std::string yaml;
  ErrorCode code;
  std::string key;      ///< context entry
  std::string message;  ///< part of sentence and hint
};
void PrintTo(const BadFile& file, std::ostream* out) { *out << file.yaml; }
class Bad : public testing::TestWithParam<BadFile> {};
TEST_P(Bad, IsAnswered) {
  const api::Error error = errorOf(GetParam().yaml);
  EXPECT_EQ(error.code, GetParam().code);
  EXPECT_EQ(error.value("key"), GetParam().key);
  EXPECT_EQ(error.value("file"), "my.yaml");
  EXPECT_THAT(api::message(error) + " " + api::hint(error), HasSubstr(GetParam().message));
  EXPECT_THAT(api::message(error), HasSubstr("my.yaml"));
}
using enum ErrorCode;
INSTANTIATE_TEST_SUITE_P(
    Corpus,
    Bad,
    testing::Values(
        BadFile{"training: {lerningRate: 1}",
                UnknownKey,
                "training.lerningRate",
                "\"training.learningRate\""},
        BadFile{"trainig: {}", UnknownKey, "trainig", "\"training\""},
        BadFile{"training: {rank: 4}", UnknownKey, "training.rank", "\"lora.rank\""},
        BadFile{"steps: 4", UnknownKey, "steps", "\"training.steps\""},
        BadFile{"training: {zzzzzzzz: 4}", UnknownKey, "training.zzzzzzzz", "--print-config"},
        BadFile{"photos: [{fil: a.jpg}]", UnknownKey, "photos[0].fil", "\"file\""},
        BadFile{"furtherSubject: []", UnknownKey, "furtherSubject", "\"furtherSubjects\""},
        BadFile{"furtherSubjects: [{subjct: {}}]",
                UnknownKey,
                "furtherSubjects[0].subjct",
                "\"subject\""},
        BadFile{"furtherSubjects: [{}, {subject: {tokn: a}}]",
                UnknownKey,
                "furtherSubjects[1].subject.tokn",
                "\"token\""},
        BadFile{"furtherSubjects: [{photos: [{fil: a.jpg}]}]",
                UnknownKey,
                "furtherSubjects[0].photos[0].fil",
                "\"file\""},
        BadFile{"furtherSubjects: {token: a}", WrongType, "furtherSubjects", "a list of subjects"},
        BadFile{"furtherSubjects: [a.jpg]", WrongType, "furtherSubjects[0]", "a section"},
        BadFile{"furtherSubjects: [{subject: {class: [a]}}]",
                WrongType,
                "furtherSubjects[0].subject.class",
                "text"},
        BadFile{"base: {pth: a}", UnknownKey, "base.pth", "base.path"},
        BadFile{"training: {steps: many}", WrongType, "training.steps", "a whole number"},
        BadFile{"training: {steps: 1.5}", WrongType, "training.steps", "1.5"},
        BadFile{"training: {steps: 99999999999999999999}",
                WrongType,
                "training.steps",
                "a whole number"},
        BadFile{"training: {steps: [1]}", WrongType, "training.steps", "a list"},
        BadFile{"training: {steps: }", WrongType, "training.steps", "a whole number"},
        BadFile{"training: {method: Lora}", WrongType, "training.method", "one of full, lora"},
        BadFile{"training: {flip: maybe}", WrongType, "training.flip", "true or false"},
        BadFile{"training: {learningRate: fast}", WrongType, "training.learningRate", "a number"},
        BadFile{"training: 5", WrongType, "training", "a section"},
        BadFile{"training: [1, 2]", WrongType, "training", "a section"},
        BadFile{"lora: {targets: {a: b}}", WrongType, "lora.targets", "a list of texts"},
        BadFile{"subject: {class: [dog]}", WrongType, "subject.class", "text"},
        BadFile{"photos: a.jpg", WrongType, "photos", "a list"},
        BadFile{"photos: [[a.jpg]]", WrongType, "photos[0]", "a section"},
        BadFile{
            "photos: [{file: a, repeats: 1.5}]", WrongType, "photos[0].repeats", "whole number"},
        BadFile{
            "photos: [{file: a, crop: [0, 0, 1]}]", WrongType, "photos[0].crop", "four numbers"},
        BadFile{
            "photos: [{file: a, crop: [0, 0, 1, x]}]", WrongType, "photos[0].crop", "four numbers"},
        BadFile{"? [a]\n: b", WrongType, "the outermost level", "plain keys"},
        BadFile{"training: {lrWarmup: 2}", OutOfRange, "training.lrWarmup", "between 0 and 1"},
        BadFile{"training: {learningRate: -1}", OutOfRange, "training.learningRate", "-1"},
        BadFile{"training: {learningRate: nan}", OutOfRange, "training.learningRate", "between"},
        BadFile{"training: {learningRate: inf}", OutOfRange, "training.learningRate", "between"},
        BadFile{"lora: {rank: 0}", OutOfRange, "lora.rank", "between 1 and"},
        BadFile{"schemaVersion: 2", NewerSchema, "", "newer version"},
        BadFile{"schemaVersion: 2\nsomethingNew: 1", NewerSchema, "", "format 2"},
        BadFile{"schemaVersion: 0", WrongType, "schemaVersion", "whole number"},
        BadFile{"schemaVersion: one", WrongType, "schemaVersion", "whole number"},
        BadFile{"training: {steps: 1, steps: 2}", FileUnreadable, "", "twice"},
        BadFile{"training: {steps: 1}\ntraining: {seed: 2}", FileUnreadable, "", "twice"},
        BadFile{"training: {steps: 1", FileUnreadable, "", "not YAML"},
        BadFile{"\tx: 1", FileUnreadable, "", "not YAML"},
        BadFile{"just words", FileUnreadable, "", "key: value"},
        BadFile{"- a\n- b", FileUnreadable, "", "key: value"},
        BadFile{"a: &x [1]\nb: *x", FileUnreadable, "", "aliases"},
        BadFile{"<<: *x", FileUnreadable, "", "not YAML"}));

TEST(HostileYaml, EndsQuicklyAndWithASentence) {
  std::string laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    const std::string former(1, static_cast<char>(c - 1));
    laughs +=
        std::string(1, c) + ": &" + c + " [*" + former + ", *" + former + ", *" + former + "]\n";
  }
  std::string many = "photos: [";
  for (int i = 0; i < 60000; ++i) many += "a,";
  const std::string nul("a\0b: 1", 6);
  for (const std::string& yaml : {laughs,
                                  many + "a]",
                                  std::string(100000, '['),
                                  std::string(20000, '{'),
                                  std::string(5000, '-') + " a",
                                  std::string(3000, '?') + " x",
                                  std::string(2 << 20, 'x'),
                                  nul,
                                  std::string("a: \"\\xZZ\""),
                                  std::string("%YAML 9.9\n---\na: 1"),
                                  std::string("!!python/object:os.system {a: b}")}) {
    TrainRequest request;
    const auto result = applyYaml(request, yaml, "my.yaml");
    ASSERT_FALSE(result) << yaml.substr(0, 40);
    EXPECT_FALSE(api::message(result.error()).empty());
  }
}

TEST(HostileYaml, EveryPrefixOfAGoodFileIsReadOrRefused) {
  const std::string text = toYaml(support::unusualTraining(), true);
  for (std::size_t length = 0; length < text.size(); length += 23) {
    TrainRequest request;
    const auto result = applyYaml(request, text.substr(0, length), "my.yaml");
    EXPECT_TRUE(result || !api::message(result.error()).empty());
  }
}

TEST(NearestName, FindsTyposAndNothingElse) {
  const std::vector<std::string> names{"training.steps", "training.seed", "lora.rank", "photos"};
  EXPECT_EQ(nearestName("training.stepz", names), "training.steps");
  EXPECT_EQ(nearestName("Steps", names), "training.steps");
  EXPECT_EQ(nearestName("photo", names), "photos");
  EXPECT_EQ(nearestName("quite different", names), "");
  EXPECT_EQ(nearestName(std::string(1000, 'a'), names), "");
  EXPECT_EQ(nearestName("x", {}), "");
}

TEST(Presets, AllLoadAndAreConsistent) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("resources/presets")) {
    TrainRequest request;
    const auto result = applyYamlFile(request, entry.path());
    ASSERT_TRUE(result) << api::message(result.error());
    request.photos = {{"a.jpg", {}, {}, false}};
    request.subject.classWord = "dog";
    request.runFolder = "run";
    for (const auto& error : api::validate(request))
      ADD_FAILURE() << entry.path() << ": " << api::message(error.error);
    EXPECT_THAT(support::content(entry.path()), testing::StartsWith("# "));
    ++count;
  }
  EXPECT_GE(count, 5);
}

TEST(Presets, OneIsTheOriginalRecipe) {
  TrainRequest request;
  ASSERT_TRUE(applyYamlFile(request, "resources/presets/original-repository.yaml"));
  EXPECT_EQ(request.training.learningRate, 1e-6);
  EXPECT_EQ(api::plannedSteps(request), 800);
  EXPECT_EQ(request.prior.weight, 1.0);
  EXPECT_TRUE(request.training.trainTextEncoder);
  EXPECT_EQ(request.training.lrSchedule, api::LrScheduleKind::Constant);
  request.subject.classWord = "dog";
  EXPECT_EQ(api::renderPrompt(request.subject.subjectPrompt, request.subject),
            "photo of a sks dog");
}

TEST(Presets, TheStarterBringsItsOwn) {
  TrainRequest request;
  ASSERT_TRUE(applyYamlFile(request, "resources/starter/likeness.yaml"));
  EXPECT_EQ(request.training.resolution, 128);
  for (std::size_t photos = 3; photos <= 5; ++photos) {
    request.photos.assign(photos, {"a.jpg", {}, {}, false});
    EXPECT_GE(api::plannedSteps(request), 60);
    EXPECT_LE(api::plannedSteps(request), 1000);
  }
}

}  // namespace
}  // namespace likeness::config
