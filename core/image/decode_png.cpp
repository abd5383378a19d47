// PNG by libpng: palette, 16 bit, grey, alpha and gamma become plain 8-bit channels.
#include <png.h>

#include <cmath>
#include <cstring>

#include "core/image/decoders.h"

namespace likeness::image {
namespace {

struct Reader {
  Bytes bytes;
  std::size_t at = 0;
  char text[256] = "the file is damaged";
};

void onError(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(reader->text, message, sizeof reader->text - 1);
  png_longjmp(png, 1);
}
// Warnings of libpng concern ancillary chunks (odd profiles, text); pixels are never made up.
void onWarning(png_structp, png_const_charp) {}
void onRead(png_structp png, png_bytep out, png_size_t size) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (size > reader->bytes.size() - reader->at) png_error(png, "the file ends too early");
  std::memcpy(out, reader->bytes.data() + reader->at, size);
  reader->at += size;
}

/// Plain C inside: longjmp must not pass a destructor.
struct Decoder {
  Reader reader;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Decoder(Bytes bytes) : reader{bytes} {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, onError, onWarning);
    info = png_create_info_struct(png);
    png_set_read_fn(png, &reader, onRead);
    png_set_chunk_malloc_max(png,
                             16u << 20);  // a small compressed chunk must not unpack to gigabytes
  }
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool readHeader() {
    if (setjmp(png_jmpbuf(png))) return false;
    // acTL tells an animated PNG, whose plain pixels are its first frame or a picture of their own.
    png_set_keep_unknown_chunks(
        png, PNG_HANDLE_CHUNK_ALWAYS, reinterpret_cast<png_const_bytep>("acTL"), 1);
    png_read_info(png, info);
    return true;
  }

  bool plainChannels() {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_expand(png);
    png_set_scale_16(png);
    double gamma = 0;
    if (!png_get_valid(png, info, PNG_INFO_sRGB) && !png_get_valid(png, info, PNG_INFO_iCCP) &&
        png_get_gAMA(png, info, &gamma) && std::abs(gamma - 1 / 2.2) > 0.01)
      png_set_gamma(png, 2.2, gamma);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return true;
  }

  bool readPixels(std::uint8_t** rows) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_read_image(png, rows);
    png_read_end(png, nullptr);
    return true;
  }
};

}  // namespace

api::Result<RawImage> decodePng(Bytes bytes, const std::string& file) {
  Decoder decoder(bytes);
  if (!decoder.readHeader()) return damaged(file, decoder.reader.text);
  const auto width = png_get_image_width(decoder.png, decoder.info);
  const auto height = png_get_image_height(decoder.png, decoder.info);
  if (const auto fits = checkSize(width, height, file); !fits) return api::fail(fits.error());
  if (!decoder.plainChannels()) return damaged(file, decoder.reader.text);

  RawImage raw;
  raw.width = static_cast<int>(width);
  raw.height = static_cast<int>(height);
  const int channels = png_get_channels(decoder.png, decoder.info);
  raw.model = channels <= 2 ? RawImage::Model::Gray : RawImage::Model::Rgb;
  raw.alpha = channels % 2 == 0;
  png_charp name = nullptr;
  png_bytep profile = nullptr;
  png_uint_32 profileSize = 0;
  int compression = 0;
  if (png_get_iCCP(decoder.png, decoder.info, &name, &compression, &profile, &profileSize))
    raw.icc.assign(profile, profile + profileSize);
  png_bytep exif = nullptr;
  png_uint_32 exifSize = 0;
  if (png_get_eXIf_1(decoder.png, decoder.info, &exifSize, &exif))
    raw.orientation = exifOrientation({exif, exifSize});
  png_unknown_chunkp animation = nullptr;
  raw.animated = png_get_unknown_chunks(decoder.png, decoder.info, &animation) > 0;
  const std::size_t stride = static_cast<std::size_t>(raw.width) * raw.channels();
  raw.pixels.resize(stride * raw.height);
  std::vector<std::uint8_t*> rows(raw.height);
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = raw.pixels.data() + y * stride;
  if (!decoder.readPixels(rows.data())) return damaged(file, decoder.reader.text);
  return raw;
}

}  // namespace likeness::image
