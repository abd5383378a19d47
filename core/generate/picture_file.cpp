// Pictures with their request inside.
#include "core/generate/picture_file.h"

#include "core/config/config.h"
#include "core/image/photo.h"

namespace likeness::generate {

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
