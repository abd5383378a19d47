// Colour management by lcms2: whatever the file says -> sRGB.
#include <lcms2.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/image/decoders.h"

namespace likeness::image {
namespace {

constexpr std::size_t kMaxProfile = 8u << 20;

struct CloseProfile {
  void operator()(void* profile) const { cmsCloseProfile(profile); }
};
using Profile = std::unique_ptr<void, CloseProfile>;

/// Colours of `raw` through its profile; false when there is none that fits.
bool convertByProfile(const RawImage& raw, std::vector<std::uint8_t>& rgb) {
  if (raw.icc.empty() || raw.icc.size() > kMaxProfile) return false;
  const std::unique_ptr<_cmsContext_struct, decltype(&cmsDeleteContext)> context(
      cmsCreateContext(nullptr, nullptr), cmsDeleteContext);
  const Profile from(cmsOpenProfileFromMemTHR(
      context.get(), raw.icc.data(), static_cast<cmsUInt32Number>(raw.icc.size())));
  if (!from) return false;
  const auto expected = raw.model == RawImage::Model::Gray  ? cmsSigGrayData
                        : raw.model == RawImage::Model::Rgb ? cmsSigRgbData
                                                            : cmsSigCmykData;
  if (cmsGetColorSpace(from.get()) != expected) return false;
  const cmsUInt32Number colours = raw.model == RawImage::Model::Gray  ? TYPE_GRAY_8
                                  : raw.model == RawImage::Model::Rgb ? TYPE_RGB_8
                                  : raw.inverted                      ? TYPE_CMYK_8_REV
                                                                      : TYPE_CMYK_8;
  const Profile to(cmsCreate_sRGBProfileTHR(context.get()));
  const std::unique_ptr<void, decltype(&cmsDeleteTransform)> transform(
      cmsCreateTransformTHR(context.get(),
                            from.get(),
                            colours | EXTRA_SH(raw.alpha ? 1 : 0),
                            to.get(),
                            TYPE_RGB_8,
                            INTENT_RELATIVE_COLORIMETRIC,
                            cmsFLAGS_BLACKPOINTCOMPENSATION),
      cmsDeleteTransform);
  if (!transform) return false;
  cmsDoTransform(
      transform.get(),
      raw.pixels.data(),
      rgb.data(),
      static_cast<cmsUInt32Number>(raw.width) * static_cast<cmsUInt32Number>(raw.height));
  return true;
}

/// Without a profile: grey and RGB are sRGB already; ink multiplies.
void convertPlainly(const RawImage& raw, std::vector<std::uint8_t>& rgb) {
  const int channels = raw.channels();
  for (std::size_t i = 0, n = rgb.size() / 3; i < n; ++i) {
    const std::uint8_t* in = raw.pixels.data() + i * channels;
    std::uint8_t* out = rgb.data() + i * 3;
    for (int c = 0; c < 3; ++c) {
      if (raw.model != RawImage::Model::Cmyk) {
        out[c] = raw.model == RawImage::Model::Gray ? in[0] : in[c];
        continue;
      }
      const int paper = raw.inverted ? in[c] : 255 - in[c];
      const int black = raw.inverted ? in[3] : 255 - in[3];
      out[c] = static_cast<std::uint8_t>((paper * black + 127) / 255);
    }
  }
}

}  // namespace

std::vector<std::uint8_t> toSrgb(RawImage raw) {
  // Most photos: a copy of 100 megapixels less.
  if (raw.model == RawImage::Model::Rgb && !raw.alpha && raw.icc.empty())
    return std::move(raw.pixels);
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(raw.width) * raw.height * 3);
  if (!convertByProfile(raw, rgb)) convertPlainly(raw, rgb);
  if (raw.alpha) {
    const int channels = raw.channels();
    for (std::size_t i = 0; i < rgb.size(); ++i) {
      const int alpha = raw.pixels[i / 3 * channels + channels - 1];
      rgb[i] = static_cast<std::uint8_t>((rgb[i] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return rgb;
}

}  // namespace likeness::image
