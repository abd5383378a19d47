// Several subjects through whole jobs: words, class pictures, samples, and resume.
#include "core/data/class_images.h"
#include "core/train/run_folder.h"
#include "core/workspace/fork_run.h"
#include "core/workspace/run_folder.h"
#include "tests/core/train/job_fixture.h"

namespace likeness::train::test {
namespace {

using testing::ElementsAre;

class SubjectsTest : public TrainTest {
 protected:
  SubjectsTest() { support::makePhotos(folder / "cat", 5); }

  /// A toy of three photos, and a cat of the last two of five.
  api::TrainRequest both(const std::string& run, Method method = Method::Full) const {
    auto r = request(run, method);
    r.watch.samplePrompts = {"{subject} on the beach", "a {class}", "a house"};
    api::FurtherSubject& cat = r.furtherSubjects.emplace_back();
    cat.subject.token = "zwx";
    cat.subject.classWord = "cat";
    cat.photos = {{folder / "cat/03.png", "", {}, false},
                  {folder / "cat/04.png", "{subject} asleep", {}, false}};
    return r;
  }
  std::vector<std::string> promptsOf(const std::vector<RunInputs::Picture>& pictures) {
    std::vector<std::string> prompts;
    for (const auto& picture : pictures) prompts.push_back(picture.prompt);
    return prompts;
  }
  std::size_t classFolders() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder / "class-images"), fs::directory_iterator()));
  }
};

TEST_F(SubjectsTest, EachHasItsWordsItsClassAndItsSamples) {
  const auto r = both("run");
  const auto result = run(r);
  ASSERT_TRUE(result) << api::message(result.error()) << result.error().detail;
  const auto inputs = readInputs(r.runFolder).value();
  EXPECT_THAT(promptsOf(inputs.photos),
              ElementsAre("a photo of sks toy",
                          "a photo of sks toy",
                          "a photo of sks toy",
                          "a photo of zwx cat",
                          "zwx cat asleep"));
  EXPECT_THAT(promptsOf(inputs.classPictures),
              ElementsAre("a photo of toy", "a photo of toy", "a photo of cat", "a photo of cat"));
  EXPECT_EQ(inputs.classPictures[1].subject, 0U);
  EXPECT_EQ(inputs.classPictures[2].subject, 1U);
  EXPECT_EQ(classFolders(), 2U);
  const auto made = reporter.of(api::PictureKind::ClassImage);
  ASSERT_EQ(made.size(), 4U);
  EXPECT_EQ(made.back().index, 3);
  EXPECT_EQ(made.back().total, 4);

  std::vector<std::string> samples;
  for (const auto& sample : reporter.of(api::PictureKind::Sample))
    if (sample.step == 0) samples.push_back(sample.prompt);
  EXPECT_THAT(
      samples,
      ElementsAre("sks toy on the beach", "zwx cat on the beach", "a toy", "a cat", "a house"));
  EXPECT_TRUE(fs::exists(r.runFolder / workspace::sampleFile(kJobSteps, 4)));
}

TEST_F(SubjectsTest, OfOneClassShareItsPictures) {
  auto r = both("run");
  r.furtherSubjects[0].subject.classWord = "toy";
  ASSERT_TRUE(run(r));
  EXPECT_EQ(classFolders(), 1U);
  EXPECT_EQ(reporter.of(api::PictureKind::ClassImage).size(), 2U);
  EXPECT_THAT(promptsOf(readInputs(r.runFolder)->classPictures),
              ElementsAre("a photo of toy", "a photo of toy"));
}

TEST_F(SubjectsTest, OneMayBringPicturesOfItsClass) {
  auto r = both("run");
  r.furtherSubjects[0].classFolder = folder / "cat";
  ASSERT_TRUE(run(r));
  const auto inputs = readInputs(r.runFolder).value();
  ASSERT_EQ(inputs.classPictures.size(), 4U) << "two of each";
  EXPECT_EQ(reporter.of(api::PictureKind::ClassImage).size(), 2U) << "toys alone are made";
  for (const auto& picture : inputs.classPictures)
    EXPECT_EQ(picture.prompt, picture.subject == 0 ? "a photo of toy" : "a photo of cat");
}

TEST_F(SubjectsTest, ARunResumesExactlyAndKnowsWhoseAPhotoIs) {
  for (const Method method : {Method::Full, Method::Lora, Method::TextualInversion}) {
    const std::string name(api::enumName(method));
    auto whole = both(name, method);
    whole.training.batchSize = 2;
    ASSERT_TRUE(run(whole));
    auto parts = whole;
    parts.runFolder = folder / (name + "-parts");
    runUntil(parts, 5);
    parts.resume = true;
    ASSERT_TRUE(run(parts));
    EXPECT_EQ(metricRows(parts.runFolder), metricRows(whole.runFolder));
    expectEqualTensors(tensorsOf(parts.runFolder, kJobSteps),
                       tensorsOf(whole.runFolder, kJobSteps));
  }
  auto other = both("full");
  other.training.batchSize = 2;
  other.training.steps = kJobSteps + 1;
  other.resume = true;
  other.furtherSubjects[0].subject.classPrompt = "a {class}";
  expectError(other, ErrorCode::RunIncompatible, "furtherSubjects[0].subject.classPrompt");
  other.furtherSubjects[0].subject.classPrompt = "a photo of {class}";
  other.furtherSubjects[0].photos.pop_back();
  expectError(other, ErrorCode::RunIncompatible, "photos");
  // The same photos with the same words, but one has another owner.
  other = both("swapped");
  for (auto& photo : other.photos) photo.caption = "a thing";
  for (auto& photo : other.furtherSubjects[0].photos) photo.caption = "a thing";
  ASSERT_TRUE(run(other));
  other.training.steps = kJobSteps + 1;
  other.resume = true;
  auto& cat = other.furtherSubjects[0].photos;
  cat.insert(cat.begin(), other.photos.back());
  other.photos.pop_back();
  expectError(other, ErrorCode::RunIncompatible, "photos");
}

TEST_F(SubjectsTest, AForkKeepsItsWords) {
  auto r = both("run", Method::TextualInversion);
  runUntil(r, 6);
  auto fork = workspace::readRunRequest(r.runFolder).value();
  fork.runFolder = folder / "fork";
  fork.furtherSubjects[0].subject.token = "ohw";
  EXPECT_EQ(workspace::forkRun(r.runFolder, fork).error().value("key"), "subject.token");
  fork.furtherSubjects[0].subject.token = "zwx";
  fork.furtherSubjects[0].photos.pop_back();
  ASSERT_TRUE(workspace::forkRun(r.runFolder, fork));
  fork.resume = true;
  const auto result = run(fork);
  ASSERT_TRUE(result) << api::message(result.error());
  EXPECT_EQ(readInputs(fork.runFolder)->photos.size(), 4U);
}

}  // namespace
}  // namespace likeness::train::test
