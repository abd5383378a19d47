// JPEG by libjpeg-turbo. A warning is a refusal: it fills what is missing with made-up pixels.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// jpeglib.h needs FILE and size_t declared before it.
#include <jpeglib.h>

#include "core/image/decoders.h"

namespace likeness::image {
namespace {

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

/// Plain C inside: longjmp must not pass a destructor.
struct Decoder {
  jpeg_decompress_struct info{};
  Failure failure{};

  explicit Decoder(Bytes bytes) {
    info.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = onError;
    failure.manager.emit_message = onMessage;
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, bytes.data(), bytes.size());
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
  if (!decoder.readHeader()) return damaged(file, decoder.failure.text);
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
  JOCTET* profile = nullptr;
  unsigned profileSize = 0;
  // A broken profile is no reason to refuse the picture.
  if (decoder.readProfile(&profile, &profileSize)) {
    raw.icc.assign(profile, profile + profileSize);
    std::free(profile);
  }
  const std::size_t stride = static_cast<std::size_t>(raw.width) * raw.channels();
  raw.pixels.resize(stride * raw.height);
  if (!decoder.readPixels(raw.pixels.data(), stride)) return damaged(file, decoder.failure.text);
  return raw;
}

}  // namespace likeness::image
