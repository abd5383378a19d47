// Pictures with their request inside.
#include "core/generate/picture_file.h"

#include "core/config/config.h"
#include "core/image/photo.h"
#include "core/text/prompt.h"

namespace likeness::generate {

api::GenerateRequest pictureRequest(const api::GenerateRequest& request, std::int64_t index) {
  api::GenerateRequest own = request;
  if (!request.prompts.empty()) {
    own.prompt = request.prompts[static_cast<std::size_t>(index / request.count)];
    own.prompts.clear();
  }
  own.seed += index;
  own.count = request.initialLatents.empty() ? 1 : api::pictureCount(request);
  const auto finish = [&](std::string& prompt, std::string& made, auto&& choose) {
    std::string rendered =
        choose(api::renderPrompt(prompt, own.subject), own.promptSyntax, own.seed);
    if (made.empty() && rendered != prompt) made = prompt;
    prompt = std::move(rendered);
  };
  finish(own.prompt, own.promptTemplate, text::promptOfPicture);
  finish(own.negativePrompt, own.negativeTemplate, text::negativeOfPicture);
  return own;
}

api::Result<void> writePicture(const std::filesystem::path& file,
                               const api::Image& picture,
                               api::GenerateRequest request) {
  request.outFolder.clear();
  return image::writePng(file,
                         picture,
                         {{"likeness", config::toJson(request)},
                          {"parameters", config::a1111Parameters(request, request.seed)}});
}

std::filesystem::path freeName(const std::filesystem::path& folder, const std::string& stem) {
  std::error_code ignored;
  std::filesystem::path file = folder / (stem + ".png");
  for (int i = 2; std::filesystem::exists(file, ignored); ++i) {
    file = folder / (stem + "-" + std::to_string(i) + ".png");
  }
  return file;
}

}  // namespace likeness::generate
