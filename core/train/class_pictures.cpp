#include "core/train/class_pictures.h"

#include "core/api/subjects.h"
#include "core/data/class_images.h"
#include "core/workspace/class_images.h"

namespace likeness::train {

api::Result<std::optional<std::vector<ClassFile>>> makeClassPictures(
    const api::TrainRequest& recipe,
    const nn::StableDiffusion& model,
    at::ScalarType compute,
    const Ranks& ranks,
    base::Reporter& reporter) {
  const auto requests = workspace::classImagesRequests(recipe);
  const std::int64_t count = recipe.prior.classImages;
  data::Dealt dealt{
      ranks.rank(), ranks.size(), 0, count * static_cast<std::int64_t>(requests.size())};
  std::vector<ClassFile> files;
  for (const auto& [subject, request] : requests) {
    dealt.after -= count;
    auto set = data::makeClassImages(request, model, compute, reporter, dealt);
    if (!set) return api::fail(set.error());
    if (set->cancelled) return std::nullopt;
    for (std::filesystem::path& file : set->files) files.push_back({subject, std::move(file)});
    dealt.before += count;
  }
  return files;
}

api::Result<std::vector<data::TrainingPicture>> openClassPictures(
    const api::TrainRequest& recipe, const std::vector<ClassFile>& files) {
  const auto subjects = api::subjectsOf(recipe);
  std::vector<data::TrainingPicture> pictures;
  for (const auto& [subject, file] : files) {
    const api::SubjectOptions& words = subjects[subject].subject;
    auto picture = data::identify(file, {api::renderPrompt(words.classPrompt, words)});
    if (!picture) return api::fail(picture.error());
    picture->subject = subject;
    pictures.push_back(std::move(*picture));
  }
  return pictures;
}

}  // namespace likeness::train
