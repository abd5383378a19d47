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

/// Turned so that the top is up; `value` as in EXIF. Works in place where it can.
cv::Mat upright(const cv::Mat& picture, int value) {
  cv::Mat turned = picture;
  if (value >= 5) turned = picture.t();
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

/// Rows of `width` pixels, one or three bytes each, as a picture with its top up.
api::Image uprightImage(std::vector<std::uint8_t> pixels, int width, int height, int orientation) {
  const bool grey = pixels.size() == static_cast<std::size_t>(width) * height;
  if (orientation != 1) {
    const cv::Mat turned =
        upright(cv::Mat(height, width, grey ? CV_8UC1 : CV_8UC3, pixels.data()), orientation);
    width = turned.cols;
    height = turned.rows;
    if (turned.data != pixels.data()) pixels.assign(turned.datastart, turned.dataend);
  }
  return {width,
          height,
          grey ? api::PixelFormat::Gray8 : api::PixelFormat::Rgb8,
          std::make_shared<const std::vector<std::uint8_t>>(std::move(pixels))};
}

/// The last channel of a picture that has an opacity.
std::vector<std::uint8_t> alphaOf(const RawImage& raw) {
  const std::size_t channels = static_cast<std::size_t>(raw.channels());
  std::vector<std::uint8_t> alpha(raw.pixels.size() / channels);
  for (std::size_t i = 0; i < alpha.size(); ++i) alpha[i] = raw.pixels[(i + 1) * channels - 1];
  return alpha;
}

using Decoder = Result<RawImage> (*)(Bytes, const std::string&);

/// By the content, never by the name.
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

/// Pictures of kinds that are not read; empty when it is none.
std::string_view otherKind(std::string_view content) {
  using namespace std::string_view_literals;
  if (content.starts_with("GIF8"sv)) return "GIF";
  if (content.starts_with("II*\0"sv) || content.starts_with("MM\0*"sv)) return "TIFF or raw";
  if (content.starts_with("\xFF\x0A"sv) || content.starts_with("\0\0\0\x0CJXL "sv))
    return "JPEG XL";
  if (content.starts_with("8BPS"sv)) return "Photoshop";
  if (content.starts_with("BM"sv) && content.substr(0, 10).ends_with("\0\0\0\0"sv)) return "BMP";
  return {};
}

tl::unexpected<api::Error> notAnImage(const std::string& file, std::string reason) {
  return fail(ErrorCode::NotAnImage, {{"file", file}, {"reason", std::move(reason)}});
}

}  // namespace

int exifOrientation(Bytes exif) {
  constexpr std::size_t kMaxExif = 1u << 20;  // cameras stay far below
  constexpr std::string_view kMark{"Exif\0\0", 6};
  if (std::string_view(reinterpret_cast<const char*>(exif.data()), exif.size()).starts_with(kMark))
    exif = exif.subspan(kMark.size());
  if (exif.empty() || exif.size() > kMaxExif) return 1;
  static std::once_flag once;
  std::call_once(once, [] { Exiv2::LogMsg::setLevel(Exiv2::LogMsg::mute); });
  try {
    Exiv2::ExifData data;
    Exiv2::ExifParser::decode(data, exif.data(), static_cast<std::uint32_t>(exif.size()));
    const auto entry = data.findKey(Exiv2::ExifKey("Exif.Image.Orientation"));
    if (entry == data.end() || entry->count() == 0) return 1;
    const auto value = entry->toLong();
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  } catch (const std::exception&) {  // metadata that cannot be read says nothing
    return 1;
  }
}

tl::unexpected<api::Error> unsupported(const std::string& file, std::string reason) {
  return fail(ErrorCode::UnsupportedImage, {{"file", file}, {"reason", std::move(reason)}});
}

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
  const auto status = std::filesystem::status(file, error);
  if (std::filesystem::is_directory(status)) return notAnImage(name, "it is a folder");
  // Reading a pipe or a device may never end.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    return notAnImage(name, "it is a device");
  const auto content = base::readFile(file, kMaxFile);
  if (!content) return fail(content.error());
  const Decoder decode = decoderFor(*content);
  if (content->empty()) return notAnImage(name, "it is empty");
  if (const auto kind = otherKind(*content); !kind.empty())
    return unsupported(name, std::string(kind) + " pictures are not read");
  if (!decode) return notAnImage(name, "it holds something else");

  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(content->data()), content->size());
  auto raw = decode(bytes, name);
  if (!raw) return fail(raw.error());
  const int width = raw->width, height = raw->height, orientation = raw->orientation;
  Decoded decoded{{}, raw->animated, {}};
  if (raw->alpha) decoded.alpha = uprightImage(alphaOf(*raw), width, height, orientation);
  decoded.image = uprightImage(toSrgb(std::move(*raw)), width, height, orientation);
  return decoded;
}

}  // namespace likeness::image
