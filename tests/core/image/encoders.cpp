// Encoders of the image tests.
#include "tests/core/image/encoders.h"

#include <cstdio>
#include <cstdlib>
// jpeglib.h needs FILE and size_t declared before it.
#include <jpeglib.h>
#include <lcms2.h>
#include <png.h>
#include <webp/encode.h>
#include <webp/mux.h>

namespace likeness::image::test {

Pixels paint(int width, int height, int channels, const Paint& value) {
  Pixels pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) pixels.push_back(value(x, y, c));
  return pixels;
}

std::string exif(int orientation) {
  // TIFF, little-endian, one IFD of one entry: tag 0x0112, SHORT, count 1.
  std::string block("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18);
  block += static_cast<char>(orientation);
  return block + std::string(7, '\0');
}

std::string progressiveJpeg(const Pixels& pixels, int width, int height, bool everyBit) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = 1;
  info.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_simple_progression(&info);
  std::vector<jpeg_scan_info> scans{{1, {0}, 0, 0, 0, 0}};
  for (int coefficient = 1; coefficient < 64; ++coefficient)
    for (int bit = 3; bit >= 0; --bit)
      scans.push_back({1, {0}, coefficient, coefficient, bit == 3 ? 0 : bit + 1, bit});
  if (everyBit) {
    info.scan_info = scans.data();
    info.num_scans = static_cast<int>(scans.size());
  }
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(pixels.data()) +
                   static_cast<std::size_t>(info.next_scanline) * static_cast<std::size_t>(width);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string file(reinterpret_cast<char*>(buffer), size);
  std::free(buffer);
  return file;
}

std::string jpeg(const Pixels& pixels, int width, int height, int channels, const Pixels& icc) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  for (int c = 0; c < info.num_components; ++c)
    info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  jpeg_start_compress(&info, TRUE);
  if (!icc.empty()) jpeg_write_icc_profile(&info, icc.data(), static_cast<unsigned>(icc.size()));
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(pixels.data()) +
                   static_cast<std::size_t>(info.next_scanline) * width * channels;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string file(reinterpret_cast<char*>(buffer), size);
  std::free(buffer);
  return file;
}

std::string withOrientation(const std::string& jpegFile, int orientation) {
  const std::string segment = std::string("Exif\0\0", 6) + exif(orientation);
  const auto length = static_cast<char>(segment.size() + 2);
  return jpegFile.substr(0, 2) + std::string("\xFF\xE1\0", 3) + length + segment +
         jpegFile.substr(2);
}

std::string png(
    const Pixels& pixels, int width, int height, int channels, const PngOptions& options) {
  std::string file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png,
      &file,
      [](png_structp p, png_bytep data, png_size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))
            ->append(reinterpret_cast<const char*>(data), size);
      },
      nullptr);
  static constexpr int types[] = {
      0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGBA};
  png_set_IHDR(png,
               info,
               static_cast<png_uint_32>(width),
               static_cast<png_uint_32>(height),
               options.bitDepth,
               options.palette ? PNG_COLOR_TYPE_PALETTE : types[channels],
               PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (options.palette) {
    const png_color colours[] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {0, 0, 0}};
    png_byte alphas[] = {255, 255, 255, 0};
    png_set_PLTE(png, info, colours, 4);
    png_set_tRNS(png, info, alphas, 4, nullptr);
  }
  if (!options.icc.empty())
    png_set_iCCP(png,
                 info,
                 "profile",
                 PNG_COMPRESSION_TYPE_BASE,
                 options.icc.data(),
                 static_cast<png_uint_32>(options.icc.size()));
  if (options.orientation != 0) {
    std::string block = exif(options.orientation);
    png_set_eXIf_1(png,
                   info,
                   static_cast<png_uint_32>(block.size()),
                   reinterpret_cast<png_bytep>(block.data()));
  }
  std::string key = "parameters", value = options.parameters;
  png_text text{};
  text.compression = PNG_TEXT_COMPRESSION_NONE;
  text.key = key.data();
  text.text = value.data();
  if (!value.empty()) png_set_text(png, info, &text, 1);
  png_byte frames[8] = {0, 0, 0, 2, 0, 0, 0, 0};  // two, for ever
  png_unknown_chunk animation{{'a', 'c', 'T', 'L', 0}, frames, sizeof frames, PNG_HAVE_IHDR};
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_ALWAYS, nullptr, 0);
  if (options.animated) png_set_unknown_chunks(png, info, &animation, 1);
  png_write_info(png, info);
  const std::size_t stride =
      static_cast<std::size_t>(width) * channels * (options.bitDepth == 16 ? 2 : 1);
  for (int y = 0; y < height; ++y) png_write_row(png, pixels.data() + y * stride);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

std::string webp(const Pixels& pixels, int width, int height, int channels) {
  std::uint8_t* buffer = nullptr;
  const std::size_t size =
      channels == 4 ? WebPEncodeLosslessRGBA(pixels.data(), width, height, width * 4, &buffer)
                    : WebPEncodeLosslessRGB(pixels.data(), width, height, width * 3, &buffer);
  std::string file(reinterpret_cast<char*>(buffer), size);
  WebPFree(buffer);
  return file;
}

std::string withWebpOrientation(const std::string& webpFile, int orientation) {
  const WebPData picture{reinterpret_cast<const std::uint8_t*>(webpFile.data()), webpFile.size()};
  const std::string block = exif(orientation);
  const WebPData metadata{reinterpret_cast<const std::uint8_t*>(block.data()), block.size()};
  WebPMux* mux = WebPMuxCreate(&picture, 1);
  WebPMuxSetChunk(mux, "EXIF", &metadata, 1);
  WebPData data;
  WebPMuxAssemble(mux, &data);
  std::string file(reinterpret_cast<const char*>(data.bytes), data.size);
  WebPDataClear(&data);
  WebPMuxDelete(mux);
  return file;
}

std::string animatedWebp(const std::vector<Pixels>& rgbaFrames, int width, int height) {
  WebPAnimEncoder* encoder = WebPAnimEncoderNew(width, height, nullptr);
  WebPConfig config;
  WebPConfigInit(&config);
  config.lossless = 1;
  int time = 0;
  for (const Pixels& frame : rgbaFrames) {
    WebPPicture picture;
    WebPPictureInit(&picture);
    picture.use_argb = 1;
    picture.width = width;
    picture.height = height;
    WebPPictureImportRGBA(&picture, frame.data(), width * 4);
    WebPAnimEncoderAdd(encoder, &picture, time += 100, &config);
    WebPPictureFree(&picture);
  }
  WebPAnimEncoderAdd(encoder, nullptr, time + 100, nullptr);
  WebPData data;
  WebPAnimEncoderAssemble(encoder, &data);
  std::string file(reinterpret_cast<const char*>(data.bytes), data.size);
  WebPDataClear(&data);
  WebPAnimEncoderDelete(encoder);
  return file;
}

Pixels adobeRgbProfile() {
  const cmsCIExyY white{0.3127, 0.3290, 1};
  const cmsCIExyYTRIPLE primaries{{0.64, 0.33, 1}, {0.21, 0.71, 1}, {0.15, 0.06, 1}};
  cmsToneCurve* gamma = cmsBuildGamma(nullptr, 563.0 / 256);
  cmsToneCurve* curves[] = {gamma, gamma, gamma};
  cmsHPROFILE profile = cmsCreateRGBProfile(&white, &primaries, curves);
  cmsUInt32Number size = 0;
  cmsSaveProfileToMem(profile, nullptr, &size);
  Pixels bytes(size);
  cmsSaveProfileToMem(profile, bytes.data(), &size);
  cmsCloseProfile(profile);
  cmsFreeToneCurve(gamma);
  return bytes;
}

}  // namespace likeness::image::test
