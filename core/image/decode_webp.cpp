// WebP by libwebp; of an animation the first frame.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "core/image/decoders.h"

namespace likeness::image {

api::Result<RawImage> decodeWebp(Bytes bytes, const std::string& file) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK)
    return damaged(file, "its header cannot be read");
  if (const auto fits = checkSize(features.width, features.height, file); !fits)
    return api::fail(fits.error());

  RawImage raw;
  raw.width = features.width;
  raw.height = features.height;
  raw.alpha = features.has_alpha;
  raw.animated = features.has_animation;
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data),
                                                                         WebPDemuxDelete);
  if (!demuxer) return damaged(file, "the file ends too early");
  WebPChunkIterator chunk;
  if (WebPDemuxGetChunk(demuxer.get(), "ICCP", 1, &chunk)) {
    raw.icc.assign(chunk.chunk.bytes, chunk.chunk.bytes + chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  if (WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk)) {
    raw.orientation = exifOrientation({chunk.chunk.bytes, chunk.chunk.size});
    WebPDemuxReleaseChunkIterator(&chunk);
  }

  if (raw.animated) {
    raw.alpha = true;
    raw.pixels.resize(static_cast<std::size_t>(raw.width) * raw.height * 4);
    const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
        WebPAnimDecoderNew(&data, nullptr), WebPAnimDecoderDelete);
    std::uint8_t* frame = nullptr;
    int timestamp = 0;
    if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &frame, &timestamp))
      return damaged(file, "its first frame cannot be read");
    std::copy_n(frame, raw.pixels.size(), raw.pixels.data());
    return raw;
  }
  const std::size_t stride = static_cast<std::size_t>(raw.width) * raw.channels();
  raw.pixels.resize(stride * raw.height);
  const auto decode = raw.alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (!decode(bytes.data(),
              bytes.size(),
              raw.pixels.data(),
              raw.pixels.size(),
              static_cast<int>(stride)))
    return damaged(file, "its pixels cannot be read");
  return raw;
}

}  // namespace likeness::image
