#include "core/api/subjects.h"

#include <algorithm>
#include <iterator>

namespace likeness::api {

std::vector<FurtherSubject> subjectsOf(const TrainRequest& request) {
  std::vector<FurtherSubject> all{{request.subject, request.photos, request.prior.folder}};
  std::ranges::copy(request.furtherSubjects, std::back_inserter(all));
  return all;
}

std::string subjectWords(const TrainRequest& request) {
  std::string words = renderPrompt("{subject}", request.subject);
  for (const FurtherSubject& further : request.furtherSubjects)
    words += ", " + renderPrompt("{subject}", further.subject);
  return words;
}

std::int64_t photoCount(const TrainRequest& request) {
  std::int64_t count = std::ranges::count(request.photos, false, &Photo::excluded);
  for (const FurtherSubject& further : request.furtherSubjects)
    count += std::ranges::count(further.photos, false, &Photo::excluded);
  return count;
}

std::vector<std::size_t> classesOf(const TrainRequest& request) {
  const std::vector<FurtherSubject> all = subjectsOf(request);
  const auto same = [&](const FurtherSubject& a, const FurtherSubject& b) {
    const auto alike = [&](std::string_view x, std::string_view y) {
      return renderPrompt(x, a.subject) == renderPrompt(y, b.subject);
    };
    const std::string& negative = request.prior.negativePrompt;
    return a.classFolder == b.classFolder && alike(negative, negative) &&
           alike(a.subject.classPrompt, b.subject.classPrompt);
  };
  std::vector<std::size_t> classes;
  for (const FurtherSubject& one : all)
    classes.push_back(static_cast<std::size_t>(
        std::ranges::find_if(all, [&](const auto& first) { return same(first, one); }) -
        all.begin()));
  return classes;
}

std::vector<SamplePrompt> samplePrompts(const TrainRequest& request) {
  const std::vector<FurtherSubject> all = subjectsOf(request);
  std::vector<SamplePrompt> samples;
  for (const std::string& prompt : request.watch.samplePrompts) {
    const auto first = static_cast<std::ptrdiff_t>(samples.size());
    for (const FurtherSubject& one : all) {
      SamplePrompt sample{prompt, one.subject};
      if (std::none_of(samples.begin() + first, samples.end(), [&](const SamplePrompt& earlier) {
            return earlier.words() == sample.words();
          }))
        samples.push_back(std::move(sample));
    }
  }
  return samples;
}

}  // namespace likeness::api
