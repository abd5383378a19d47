// What a run learns, seen as one list: the first subject and those beside it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/api/requests.h"

namespace likeness::api {

/// All subjects in order, the request's first one (with PriorOptions::folder) at the front.
std::vector<FurtherSubject> subjectsOf(const TrainRequest& request);
/// "sks dog"; of several "sks dog, zwx cat".
std::string subjectWords(const TrainRequest& request);
/// Photos of all subjects that are not excluded.
std::int64_t photoCount(const TrainRequest& request);

/// For each subject the first one that has the same class pictures: its own folder of them and its
/// words for them are equal. Each number that stands there is a class of the run.
std::vector<std::size_t> classesOf(const TrainRequest& request);

/// A prompt of samples and whom its placeholders mean.
struct SamplePrompt {
  std::string prompt;  ///< as WatchOptions has it
  SubjectOptions subject;
  std::string words() const { return renderPrompt(prompt, subject); }
};
/// Each of WatchOptions::samplePrompts for every subject, in turn; where it reads alike for two of
/// them, once. Their order numbers the samples of a run.
std::vector<SamplePrompt> samplePrompts(const TrainRequest& request);

}  // namespace likeness::api
