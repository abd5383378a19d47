// PNG files with text chunks.
#include <png.h>

#include <algorithm>
#include <cstring>

#include "core/base/file_system.h"
#include "core/image/photo.h"

namespace likeness::image {
namespace {

using Text = std::vector<std::pair<std::string, std::string>>;
constexpr std::uint64_t kMaxFile = 256u << 20;

struct Output {
  std::vector<std::byte> bytes;
  char text[256] = "";
};

void onError(png_structp png, png_const_charp message) {
  std::strncpy(static_cast<char*>(png_get_error_ptr(png)), message, 255);
  png_longjmp(png, 1);
}
void onWarning(png_structp, png_const_charp) {}
void onWrite(png_structp png, png_bytep data, png_size_t size) {
  auto* output = static_cast<Output*>(png_get_io_ptr(png));
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  output->bytes.insert(output->bytes.end(), bytes, bytes + size);
}
void onFlush(png_structp) {}

std::string latin1ToUtf8(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) out += static_cast<char>(0xC0 | byte >> 6);
    out += byte < 0x80 ? c : static_cast<char>(0x80 | (byte & 0x3F));
  }
  return out;
}

bool isAscii(std::string_view text) {
  return std::all_of(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 128; });
}

/// Plain C between setjmp and the end: longjmp must not pass a destructor.
bool encode(png_structp png,
            png_infop info,
            const api::Image& image,
            std::uint8_t** rows,
            png_text* text,
            int texts) {
  if (setjmp(png_jmpbuf(png))) return false;
  const int type = image.channels() == 1   ? PNG_COLOR_TYPE_GRAY
                   : image.channels() == 3 ? PNG_COLOR_TYPE_RGB
                                           : PNG_COLOR_TYPE_RGBA;
  png_set_IHDR(png,
               info,
               static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height),
               8,
               type,
               PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
  if (texts > 0) png_set_text(png, info, text, texts);
  png_write_info(png, info);
  png_write_image(png, rows);
  png_write_end(png, nullptr);
  return true;
}

struct Input {
  std::string_view bytes;
  std::size_t at = 0;
};
void onRead(png_structp png, png_bytep out, png_size_t size) {
  auto* input = static_cast<Input*>(png_get_io_ptr(png));
  if (size > input->bytes.size() - input->at) png_error(png, "the file ends too early");
  std::memcpy(out, input->bytes.data() + input->at, size);
  input->at += size;
}
bool readInfo(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_info(png, info);
  return true;
}

}  // namespace

api::Result<void> writePng(const std::filesystem::path& file,
                           const api::Image& image,
                           const Text& text) {
  std::vector<png_text> chunks;
  for (const auto& [key, value] : text) {
    png_text chunk{};
    // tEXt is Latin-1; everything that is not plain ASCII goes into iTXt, which is UTF-8.
    chunk.compression =
        isAscii(value) && key != "likeness" ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    chunk.key = const_cast<char*>(key.c_str());
    chunk.text = const_cast<char*>(value.c_str());
    chunk.text_length = value.size();
    chunk.itxt_length = value.size();
    chunks.push_back(chunk);
  }
  std::vector<std::uint8_t*> rows(static_cast<std::size_t>(image.height));
  const std::size_t stride = static_cast<std::size_t>(image.width) * image.channels();
  for (std::size_t y = 0; y < rows.size(); ++y)
    rows[y] = const_cast<std::uint8_t*>(image.data()) + y * stride;

  Output output;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, output.text, onError, onWarning);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &output, onWrite, onFlush);
  const bool done =
      encode(png, info, image, rows.data(), chunks.data(), static_cast<int>(chunks.size()));
  png_destroy_write_struct(&png, &info);
  if (!done) return api::fail(api::ErrorCode::Internal, {{"file", file.string()}}, output.text);
  return base::writeFile(file, std::span<const std::byte>(output.bytes));
}

api::Result<Text> readPngText(const std::filesystem::path& file) {
  const auto content = base::readFile(file, kMaxFile);
  if (!content) return api::fail(content.error());
  if (!content->starts_with("\x89PNG\r\n\x1A\n"))
    return api::fail(api::ErrorCode::UnsupportedImage,
                     {{"file", file.string()}, {"reason", "only PNG pictures carry text"}});
  Input input{*content};
  char message[256] = "the file is damaged";
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, onError, onWarning);
  png_infop info = png_create_info_struct(png);
  png_set_read_fn(png, &input, onRead);
  png_set_chunk_malloc_max(png, 16u << 20);
  Text text;
  const bool done = readInfo(png, info);
  if (done) {
    png_textp chunks = nullptr;
    int count = 0;
    png_get_text(png, info, &chunks, &count);
    for (int i = 0; i < count; ++i) {
      const png_text& chunk = chunks[i];
      if (chunk.compression >= PNG_ITXT_COMPRESSION_NONE)
        text.emplace_back(latin1ToUtf8(chunk.key), std::string(chunk.text, chunk.itxt_length));
      else
        text.emplace_back(latin1ToUtf8(chunk.key), latin1ToUtf8({chunk.text, chunk.text_length}));
    }
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (!done)
    return api::fail(api::ErrorCode::DamagedImage, {{"file", file.string()}, {"reason", message}});
  return text;
}

}  // namespace likeness::image
