// The subjects of a run as one list: classes that are shared, and prompts of samples.
#include "core/api/subjects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace likeness::api {
namespace {

using testing::ElementsAre;

FurtherSubject named(const char* token, const char* classWord, std::size_t photos) {
  FurtherSubject one;
  one.subject.token = token;
  one.subject.classWord = classWord;
  one.photos.resize(photos);
  return one;
}

/// A dog, a cat and another dog.
TrainRequest three() {
  TrainRequest r;
  r.subject.classWord = "dog";
  r.photos.resize(5);
  r.photos[0].excluded = true;
  r.furtherSubjects = {named("zwx", "cat", 3), named("ohw", "dog", 2)};
  return r;
}

TEST(Subjects, AreAllInOrder) {
  TrainRequest r = three();
  r.prior.folder = "dogs";
  const auto all = subjectsOf(r);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0], (FurtherSubject{r.subject, r.photos, "dogs"}));
  EXPECT_EQ(all[2], r.furtherSubjects[1]);
  EXPECT_EQ(subjectWords(r), "sks dog, zwx cat, ohw dog");
  EXPECT_EQ(photoCount(r), 9);
  r.furtherSubjects.clear();
  EXPECT_EQ(subjectWords(r), "sks dog");
}

TEST(Subjects, StepsFollowThePhotosOfAll) {
  TrainRequest r = three();
  r.training.passesPerPhoto = 10;
  r.training.batchSize = 2;
  EXPECT_EQ(plannedSteps(r), 45);
}

TEST(Subjects, ShareTheClassThatTheyAreOf) {
  TrainRequest r = three();
  EXPECT_THAT(classesOf(r), ElementsAre(0, 1, 0));
  r.furtherSubjects[1].subject.classPrompt = "a picture of {class}";
  EXPECT_THAT(classesOf(r), ElementsAre(0, 1, 2));
  r = three();
  r.furtherSubjects[1].classFolder = "dogs";
  EXPECT_THAT(classesOf(r), ElementsAre(0, 1, 2));
  r.prior.folder = "dogs";
  EXPECT_THAT(classesOf(r), ElementsAre(0, 1, 0));
  r.prior.negativePrompt = "{token}";
  EXPECT_THAT(classesOf(r), ElementsAre(0, 1, 2)) << "the pictures would be others";
}

TEST(Subjects, SamplesAreOfEachOnceWhereTheyReadAlike) {
  TrainRequest r = three();
  r.watch.samplePrompts = {"{subject} at sea", "a {class}", "a house", "a house"};
  std::vector<std::string> words;
  for (const SamplePrompt& sample : samplePrompts(r)) words.push_back(sample.words());
  EXPECT_THAT(words,
              ElementsAre("sks dog at sea",
                          "zwx cat at sea",
                          "ohw dog at sea",
                          "a dog",
                          "a cat",
                          "a house",
                          "a house"));
  r.furtherSubjects.clear();
  EXPECT_EQ(samplePrompts(r).size(), 4U) << "as many as prompts";
}

}  // namespace
}  // namespace likeness::api
