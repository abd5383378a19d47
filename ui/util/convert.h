// Between the boundary's standard types and Qt's.
#pragma once

#include <QImage>
#include <QString>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/api/image.h"

namespace likeness::ui {

inline QString fromStd(std::string_view text) {
  return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}
inline std::string toStd(const QString& text) { return text.toUtf8().toStdString(); }
inline QString fromPath(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return QString::fromUtf8(reinterpret_cast<const char*>(text.data()),
                           static_cast<qsizetype>(text.size()));
}
inline std::filesystem::path toPath(const QString& text) {
  const QByteArray bytes = text.toUtf8();
  return std::filesystem::path(std::u8string(bytes.begin(), bytes.end()));
}
/// Shares the bytes: no pixel is copied, and they live as long as any copy of the QImage.
QImage toQImage(const api::Image& image);

}  // namespace likeness::ui
