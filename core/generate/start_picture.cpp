#include "core/generate/start_picture.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "core/image/photo.h"
#include "core/tensor/pixels.h"

namespace likeness::generate {
namespace {

/// How much of a mask's pixel is drawn anew, 0..255.
int whiteness(const std::uint8_t* rgb) { return (rgb[0] + rgb[1] + rgb[2]) / 3; }

api::Image scaled(const api::Image& image, std::int64_t width, std::int64_t height) {
  return image::cropAndResize(image, {}, static_cast<int>(width), static_cast<int>(height));
}

api::Result<void> checkMask(const StartFiles& files, const std::filesystem::path& file) {
  const api::Image &mask = *files.mask, &picture = files.picture;
  const auto bad = [&](std::string reason, std::string fix) {
    return api::fail(
        api::ErrorCode::BadCombination,
        {{"key", "mask"}, {"reason", file.string() + " " + std::move(reason)}, {"fix", fix}});
  };
  const auto size = [](const api::Image& image) {
    return std::to_string(image.width) + "x" + std::to_string(image.height);
  };
  const double aspect = static_cast<double>(mask.width) * picture.height / mask.height;
  if (std::abs(aspect - picture.width) > 0.02 * picture.width)
    return bad("has " + size(mask) + " pixels, the picture " + size(picture),
               "Save the mask in the shape of the picture");
  const auto* bytes = mask.bytes->data();
  for (std::size_t i = 0; i + 2 < mask.bytes->size(); i += 3)
    if (whiteness(bytes + i) >= 128) return {};
  return bad("is black everywhere", "Paint what should be drawn anew in white");
}

}  // namespace

StartFiles::Size StartFiles::sizeFor(std::int64_t resolution) const {
  const double root = std::sqrt(static_cast<double>(picture.width) / picture.height);
  const auto side = [&](double scale) {
    return std::max<std::int64_t>(8, std::lround(static_cast<double>(resolution) * scale / 8) * 8);
  };
  return {side(root), side(1 / root)};
}

StartPicture StartFiles::at(std::int64_t width, std::int64_t height, double strength) const {
  StartPicture start{tensor::toTensor(scaled(picture, width, height)), {}, strength};
  if (mask)
    start.mask = tensor::toTensor(scaled(*mask, width, height))
                     .mean(at::IntArrayRef{1}, /*keepdim=*/true)
                     .ge(0)
                     .to(at::kFloat);
  return start;
}

api::Image StartFiles::pasted(const api::Image& made) const {
  if (!mask) return made;
  const api::Image before = scaled(picture, made.width, made.height),
                   where = scaled(*mask, made.width, made.height);
  auto bytes = std::make_shared<std::vector<std::uint8_t>>(*made.bytes);
  for (std::size_t i = 0; i < bytes->size(); ++i) {
    const int anew = whiteness(where.bytes->data() + i / 3 * 3);
    (*bytes)[i] = static_cast<std::uint8_t>(
        ((*made.bytes)[i] * anew + (*before.bytes)[i] * (255 - anew) + 127) / 255);
  }
  api::Image result = made;
  result.bytes = std::move(bytes);
  return result;
}

api::Result<StartFiles> readStart(const std::filesystem::path& picture,
                                  const std::filesystem::path& mask) {
  auto read = image::readPhoto(picture);
  if (!read) return api::fail(read.error());
  StartFiles files{std::move(read->image), {}};
  if (mask.empty()) return files;
  auto where = image::readPhoto(mask);
  if (!where) return api::fail(where.error());
  files.mask = std::move(where->image);
  if (auto checked = checkMask(files, mask); !checked) return api::fail(checked.error());
  return files;
}

}  // namespace likeness::generate
