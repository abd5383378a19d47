#include "ui/util/convert.h"

namespace likeness::ui {

QImage toQImage(const api::Image& image) {
  if (image.empty()) return {};
  using Bytes = std::shared_ptr<const std::vector<std::uint8_t>>;
  const QImage::Format format = image.format == api::PixelFormat::Rgb8 ? QImage::Format_RGB888
                                : image.format == api::PixelFormat::Rgba8
                                    ? QImage::Format_RGBA8888
                                    : QImage::Format_Grayscale8;
  return QImage(
      image.data(),
      image.width,
      image.height,
      static_cast<qsizetype>(image.width) * image.channels(),
      format,
      [](void* keep) { delete static_cast<Bytes*>(keep); },
      new Bytes(image.bytes));
}

}  // namespace likeness::ui
