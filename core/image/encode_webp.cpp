// Pictures for pages.
#include <webp/encode.h>

#include "core/image/photo.h"

namespace likeness::image {

std::string encodeWebp(const api::Image& image) {
  constexpr float kQuality = 85;
  if (image.format != api::PixelFormat::Rgb8) return {};
  std::uint8_t* out = nullptr;
  const std::size_t size = WebPEncodeRGB(
      image.data(), image.width, image.height, image.width * image.channels(), kQuality, &out);
  std::string bytes(reinterpret_cast<const char*>(out), size);
  WebPFree(out);
  return bytes;
}

}  // namespace likeness::image
