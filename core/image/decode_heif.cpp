// HEIC and AVIF by libheif, where it is built in. libheif applies rotation and mirroring itself.
#include "core/image/decoders.h"

#ifdef LIKENESS_HAVE_HEIF
#include <libheif/heif.h>

#include <algorithm>
#include <memory>
#endif

namespace likeness::image {

#ifdef LIKENESS_HAVE_HEIF
api::Result<RawImage> decodeHeif(Bytes bytes, const std::string& file) {
  const std::unique_ptr<heif_context, decltype(&heif_context_free)> context(heif_context_alloc(),
                                                                            heif_context_free);
  const auto failure = [&](const heif_error& error) -> tl::unexpected<api::Error> {
    if (error.code == heif_error_Unsupported_filetype ||
        error.code == heif_error_Unsupported_feature ||
        error.code == heif_error_Decoder_plugin_error)
      return unsupported(file, error.message);
    return damaged(file, error.message);
  };
  if (const auto e = heif_context_read_from_memory_without_copy(
          context.get(), bytes.data(), bytes.size(), nullptr);
      e.code)
    return failure(e);
  heif_image_handle* handlePointer = nullptr;
  if (const auto e = heif_context_get_primary_image_handle(context.get(), &handlePointer); e.code)
    return failure(e);
  const std::unique_ptr<heif_image_handle, decltype(&heif_image_handle_release)> handle(
      handlePointer, heif_image_handle_release);
  if (const auto fits = checkSize(heif_image_handle_get_width(handle.get()),
                                  heif_image_handle_get_height(handle.get()),
                                  file);
      !fits)
    return api::fail(fits.error());

  RawImage raw;
  raw.alpha = heif_image_handle_has_alpha_channel(handle.get());
  raw.animated = heif_context_get_number_of_top_level_images(context.get()) > 1;
  const std::unique_ptr<heif_decoding_options, decltype(&heif_decoding_options_free)> options(
      heif_decoding_options_alloc(), heif_decoding_options_free);
  options->strict_decoding = 1;
  options->convert_hdr_to_8bit = 1;
  heif_image* imagePointer = nullptr;
  if (const auto e =
          heif_decode_image(handle.get(),
                            &imagePointer,
                            heif_colorspace_RGB,
                            raw.alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB,
                            options.get());
      e.code)
    return failure(e);
  const std::unique_ptr<heif_image, decltype(&heif_image_release)> image(imagePointer,
                                                                         heif_image_release);
  int stride = 0;
  const std::uint8_t* plane =
      heif_image_get_plane_readonly(image.get(), heif_channel_interleaved, &stride);
  if (!plane) return damaged(file, "its pixels cannot be read");
  raw.width = heif_image_get_width(image.get(), heif_channel_interleaved);
  raw.height = heif_image_get_height(image.get(), heif_channel_interleaved);
  const std::size_t row = static_cast<std::size_t>(raw.width) * raw.channels();
  raw.pixels.resize(row * raw.height);
  for (int y = 0; y < raw.height; ++y)
    std::copy_n(plane + static_cast<std::ptrdiff_t>(y) * stride, row, raw.pixels.data() + y * row);
  if (const auto size = heif_image_handle_get_raw_color_profile_size(handle.get()); size > 0) {
    raw.icc.resize(size);
    if (heif_image_handle_get_raw_color_profile(handle.get(), raw.icc.data()).code) raw.icc.clear();
  }
  return raw;
}
#else
api::Result<RawImage> decodeHeif(Bytes, const std::string& file) {
  return unsupported(file, "this build cannot read HEIC or AVIF");
}
#endif

}  // namespace likeness::image
