// Requests and their key.
#include "core/workspace/class_images.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "core/api/subjects.h"
#include "core/base/hash.h"
#include "core/workspace/checkpoint_manifest.h"

namespace likeness::workspace {
namespace {

std::string shortest(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, std::end(buffer), value).ptr};
}

}  // namespace

std::vector<std::pair<std::size_t, api::ClassImagesRequest>> classImagesRequests(
    const api::TrainRequest& recipe) {
  const auto subjects = api::subjectsOf(recipe);
  const auto classes = api::classesOf(recipe);
  api::ClassImagesRequest request;
  request.base = recipe.base;
  request.prior = recipe.prior;
  request.resolution = recipe.training.resolution;
  request.compute = recipe.compute;
  request.outFolder = recipe.classImageFolder.empty() ? recipe.runFolder / kClassImagesFolder
                                                      : recipe.classImageFolder;
  std::vector<std::pair<std::size_t, api::ClassImagesRequest>> requests;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (classes[i] != i || !subjects[i].classFolder.empty()) continue;
    request.subject = subjects[i].subject;
    requests.emplace_back(i, request);
  }
  return requests;
}

api::GenerateRequest classPictureRequest(const api::ClassImagesRequest& request,
                                         const std::string& weightHash,
                                         std::int64_t modelResolution) {
  api::GenerateRequest picture;
  picture.model = request.base;
  picture.model.hash = weightHash;
  picture.prompt = api::renderPrompt(request.subject.classPrompt, request.subject);
  picture.negativePrompt = api::renderPrompt(request.prior.negativePrompt, request.subject);
  // The prompt is the caption that training reads, which knows no syntax.
  picture.promptSyntax = api::PromptSyntax::Plain;
  picture.sampling = request.prior.sampling;
  picture.seed = request.seed;
  picture.width = picture.height = request.resolution > 0 ? request.resolution : modelResolution;
  picture.compute = request.compute;
  return picture;
}

std::string classImageKey(const api::GenerateRequest& picture, std::string_view dtype) {
  const auto& sampling = picture.sampling;
  // One line per part; quoting by length keeps a prompt from looking like another part.
  std::string text = "likeness class images 1\n";
  const auto add = [&](std::string_view name, const std::string& value) {
    text.append(name) += " " + std::to_string(value.size()) + " " + value + "\n";
  };
  add("weights", picture.model.hash);
  add("prompt", picture.prompt);
  add("negative", picture.negativePrompt);
  add("sampler", std::string(api::enumName(sampling.sampler)));
  add("steps", std::to_string(sampling.steps));
  add("guidance", shortest(sampling.guidance));
  add("karras", sampling.karras ? "yes" : "no");
  add("eta", shortest(sampling.eta));
  // Only where they are set, so that pictures made before these options existed keep their key.
  if (sampling.exponential) add("exponential", "yes");
  if (sampling.spacing != api::TimestepSpacing::Auto)
    add("spacing", std::string(api::enumName(sampling.spacing)));
  if (sampling.zeroSnr != api::ZeroSnr::Auto)
    add("zeroSnr", std::string(api::enumName(sampling.zeroSnr)));
  if (sampling.guidanceRescale > 0) add("guidanceRescale", shortest(sampling.guidanceRescale));
  if (sampling.clipSkip > 1) add("clipSkip", std::to_string(sampling.clipSkip));
  add("resolution", std::to_string(picture.width));
  add("dtype", std::string(dtype));
  add("seed", std::to_string(picture.seed));
  return base::sha256(text).substr(0, 16);
}

std::string classImageFile(std::size_t index) {
  std::string digits = std::to_string(index);
  return std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits + ".png";
}

}  // namespace likeness::workspace
