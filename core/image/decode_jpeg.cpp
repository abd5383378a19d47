// JPEG by libjpeg-turbo. A warning is a refusal: it fills what is missing with made-up pixels.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// jpeglib.h needs FILE and size_t declared before it.
#include <jpeglib.h>

#include <jerror.h>

#include <string_view>

#include "core/image/decoders.h"

namespace likeness::image {
namespace {

/// Cameras write about ten; each one costs a pass over the whole picture, and a small file can hold
/// thousands.
constexpr int kMaxScans = 200;

struct Failure {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void onError(j_common_ptr info) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  info->err->format_message(info, failure->text);
  std::longjmp(failure->jump, 1);
}
void onMessage(j_common_ptr info, int level) {
  if (level < 0) onError(info);
}

void onProgress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  auto* failure = reinterpret_cast<Failure*>(info->err);
  std::snprintf(failure->text, sizeof failure->text, "it has too many scans");
  std::longjmp(failure->jump, 1);
}

/// Plain C inside: longjmp must not pass a destructor.
struct Decoder {
  jpeg_decompress_struct info{};
  Failure failure{};
  jpeg_progress_mgr progress{};

  explicit Decoder(Bytes bytes) {
    info.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = onError;
    failure.manager.emit_message = onMessage;
    jpeg_create_decompress(&info);
    progress.progress_monitor = onProgress;
    info.progress = &progress;
    jpeg_mem_src(&info, bytes.data(), bytes.size());
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_save_markers(&info, JPEG_APP0 + 2, 0xFFFF);
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool readHeader() {
    if (setjmp(failure.jump)) return false;
    jpeg_read_header(&info, TRUE);
    if (info.num_components == 4)
      info.out_color_space = JCS_CMYK;
    else if (info.num_components == 1)
      info.out_color_space = JCS_GRAYSCALE;
    else
      info.out_color_space = JCS_RGB;
    return true;
  }

  int orientation() const {
    static constexpr std::string_view kMark{"Exif\0\0", 6};
    for (const auto* marker = info.marker_list; marker; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (marker->marker == JPEG_APP0 + 1 && data.starts_with(kMark))
        return exifOrientation({marker->data, data.size()});
    }
    return 1;
  }

  tl::unexpected<api::Error> error(const std::string& file) const {
    switch (failure.manager.msg_code) {
      case JERR_ARITH_NOTIMPL:
      case JERR_BAD_PRECISION:
      case JERR_CONVERSION_NOTIMPL:
      case JERR_NOT_COMPILED:
      case JERR_SOF_UNSUPPORTED:
        return unsupported(file, failure.text);
      default:
        return damaged(file, failure.text);
    }
  }

  bool readProfile(JOCTET** data, unsigned* size) {
    if (setjmp(failure.jump)) return false;
    return jpeg_read_icc_profile(&info, data, size);
  }

  bool readPixels(std::uint8_t* pixels, std::size_t stride) {
    if (setjmp(failure.jump)) return false;
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + info.output_scanline * stride;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    return true;
  }
};

}  // namespace

api::Result<RawImage> decodeJpeg(Bytes bytes, const std::string& file) {
  Decoder decoder(bytes);
  if (!decoder.readHeader()) return decoder.error(file);
  const auto& info = decoder.info;
  if (const auto fits = checkSize(info.image_width, info.image_height, file); !fits)
    return api::fail(fits.error());

  RawImage raw;
  raw.width = static_cast<int>(info.image_width);
  raw.height = static_cast<int>(info.image_height);
  raw.model = info.num_components == 4   ? RawImage::Model::Cmyk
              : info.num_components == 1 ? RawImage::Model::Gray
                                         : RawImage::Model::Rgb;
  raw.inverted = info.num_components == 4 && info.saw_Adobe_marker;
  raw.orientation = decoder.orientation();
  JOCTET* profile = nullptr;
  unsigned profileSize = 0;
  // A broken profile is no reason to refuse the picture.
  if (decoder.readProfile(&profile, &profileSize)) {
    raw.icc.assign(profile, profile + profileSize);
    std::free(profile);
  }
  const std::size_t stride = static_cast<std::size_t>(raw.width) * raw.channels();
  raw.pixels.resize(stride * raw.height);
  if (!decoder.readPixels(raw.pixels.data(), stride)) return decoder.error(file);
  return raw;
}

}  // namespace likeness::image
