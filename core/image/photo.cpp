// readPhoto: what kind of file, decode, upright, sRGB.
#include "core/image/photo.h"

#include <exiv2/exiv2.hpp>
#include <mutex>
#include <opencv2/core.hpp>
#include <string_view>

#include "core/base/file_system.h"
#include "core/image/decoders.h"

namespace likeness::image {
namespace {

using api::ErrorCode;
using api::fail;
using api::Result;

constexpr std::int64_t kMaxPixels = 100'000'000;
constexpr std::int64_t kMaxSide = 20'000;
constexpr std::uint64_t kMaxFile = 256u << 20;

/// EXIF orientation 1..8 of a file's bytes; 1 when it says nothing or nonsense.
int orientation(Bytes bytes) {
  static std::once_flag once;
  std::call_once(once, [] {
    Exiv2::LogMsg::setLevel(Exiv2::LogMsg::mute);
    Exiv2::XmpParser::initialize();  // not thread-safe by itself
  });
  try {
    const auto image = Exiv2::ImageFactory::open(bytes.data(), static_cast<long>(bytes.size()));
    image->readMetadata();
    const auto entry = image->exifData().findKey(Exiv2::ExifKey("Exif.Image.Orientation"));
    if (entry == image->exifData().end()) return 1;
    const auto value = entry->toLong();
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  } catch (const std::exception&) {  // metadata that cannot be read says nothing
    return 1;
  }
}

/// Turned so that the top is up; `value` as in EXIF.
cv::Mat upright(const cv::Mat& picture, int value) {
  cv::Mat turned = picture.clone();
  if (value >= 5) cv::transpose(turned, turned);
  const bool mirror = value == 2 || value == 3 || value == 6 || value == 7;
  const bool flip = value == 3 || value == 4 || value == 7 || value == 8;
  if (mirror && flip)
    cv::flip(turned, turned, -1);
  else if (mirror)
    cv::flip(turned, turned, 1);
  else if (flip)
    cv::flip(turned, turned, 0);
  return turned;
}

using Decoder = Result<RawImage> (*)(Bytes, const std::string&);

Decoder decoderFor(std::string_view content) {
  if (content.starts_with("\xFF\xD8\xFF")) return decodeJpeg;
  if (content.starts_with("\x89PNG\r\n\x1A\n")) return decodePng;
  if (content.starts_with("RIFF") && content.substr(0, 12).ends_with("WEBP")) return decodeWebp;
  if (content.size() > 12 && content.substr(4, 4) == "ftyp") {
    const std::string_view brand = content.substr(8, 4);
    for (const auto known :
         {"heic", "heix", "hevc", "heim", "heis", "mif1", "msf1", "avif", "avis"})
      if (brand == known) return decodeHeif;
  }
  return nullptr;
}

}  // namespace

tl::unexpected<api::Error> damaged(const std::string& file, std::string reason) {
  return fail(ErrorCode::DamagedImage, {{"file", file}, {"reason", std::move(reason)}});
}

Result<void> checkSize(std::int64_t width, std::int64_t height, const std::string& file) {
  if (width <= 0 || height <= 0) return damaged(file, "it says that it has no pixels");
  if (width <= kMaxSide && height <= kMaxSide && width * height <= kMaxPixels) return {};
  return fail(ErrorCode::ImageTooLarge,
              {{"file", file},
               {"size", std::to_string(width) + " x " + std::to_string(height) + " px"},
               {"limit", "20,000 px a side and 100 megapixels"}});
}

Result<Decoded> readPhoto(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    return fail(ErrorCode::NotAnImage, {{"file", name}});
  const auto content = base::readFile(file, kMaxFile);
  if (!content) return fail(content.error());
  const Decoder decode = decoderFor(*content);
  if (!decode) return fail(ErrorCode::NotAnImage, {{"file", name}});

  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(content->data()), content->size());
  const auto raw = decode(bytes, name);
  if (!raw) return fail(raw.error());
  auto pixels = toSrgb(*raw);
  const int value = raw->oriented ? 1 : orientation(bytes);
  Decoded decoded{
      {raw->width, raw->height, api::PixelFormat::Rgb8, nullptr}, raw->animated, raw->alpha};
  if (value != 1) {
    const cv::Mat turned = upright(cv::Mat(raw->height, raw->width, CV_8UC3, pixels.data()), value);
    decoded.image.width = turned.cols;
    decoded.image.height = turned.rows;
    pixels.assign(turned.datastart, turned.dataend);
  }
  decoded.image.bytes = std::make_shared<const std::vector<std::uint8_t>>(std::move(pixels));
  return decoded;
}

}  // namespace likeness::image
