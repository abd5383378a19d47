#include "ui/util/picture_file.h"

#include <QFile>
#include <QGuiApplication>
#include <QPainter>
#include <QSaveFile>
#include <algorithm>
#include <cmath>

#include "ui/util/convert.h"
#include "ui/util/palette.h"

namespace likeness::ui {
namespace {

constexpr int kSheetGap = 8;           // pixels
constexpr double kCaptionPart = 0.09;  // height of the letters by the side of a picture

api::Result<void> refused(api::ErrorCode code, const QString& file, const QString& why) {
  return api::fail(code, {{"file", toStd(file)}, {"reason", "the system refused"}}, toStd(why));
}

}  // namespace

api::Result<void> writePicture(const QString& target, const QImage& image, const QString& source) {
  QSaveFile file(target);
  const auto unwritable = [&] {
    return refused(api::ErrorCode::FileUnwritable, target, file.errorString());
  };
  if (!file.open(QIODevice::WriteOnly)) return unwritable();
  if (source.isEmpty()) {
    if (!image.save(&file, "PNG")) return unwritable();
  } else {
    QFile from(source);
    if (!from.open(QIODevice::ReadOnly))
      return refused(api::ErrorCode::FileUnreadable, source, from.errorString());
    const QByteArray bytes = from.readAll();
    if (file.write(bytes) != bytes.size()) return unwritable();
  }
  if (!file.commit()) return unwritable();
  return {};
}

QImage drawSheet(const QStringList& rows,
                 const QStringList& columns,
                 const std::vector<QImage>& images) {
  QSizeF tile;
  for (const QImage& image : images) tile = tile.expandedTo(image.size());
  if (tile.isEmpty()) return {};
  const int across = static_cast<int>(columns.size()), down = static_cast<int>(rows.size());
  const double scale = std::min({1.0,
                                 kMostSheetSide / ((across + 1) * (tile.width() + kSheetGap)),
                                 kMostSheetSide / ((down + 1) * (tile.height() + kSheetGap))});
  tile *= scale;
  const double side = std::max(64.0, std::min(tile.width(), tile.height()));
  QFont font = QGuiApplication::font();
  font.setPixelSize(std::max(9, static_cast<int>(side * kCaptionPart)));
  const QFontMetricsF metrics(font);
  const QSizeF names(std::max(96.0, std::ceil(side * 0.6)),
                     std::ceil(metrics.lineSpacing() * 3) + kSheetGap);
  const QSizeF whole(names.width() + across * (tile.width() + kSheetGap),
                     names.height() + down * (tile.height() + kSheetGap));
  const Colours& c = Palette::set(Theme::Light);
  QImage sheet(whole.toSize(), QImage::Format_RGB32);
  sheet.fill(c.surface);
  QPainter painter(&sheet);
  painter.setRenderHint(QPainter::SmoothPixmapTransform);
  painter.setFont(font);
  painter.setPen(c.text);
  const auto write = [&](const QRectF& box, const QString& text, int alignment) {
    const QRectF inside = box.adjusted(kSheetGap / 2.0, 0, -kSheetGap / 2.0, 0);
    // Three lines, then the rest is left out.
    const QString shown =
        metrics.elidedText(text, Qt::ElideRight, inside.width() * 2.6, Qt::TextWordWrap);
    painter.drawText(inside, alignment | Qt::TextWordWrap, shown);
  };
  for (int column = 0; column < across; ++column)
    write(QRectF(
              names.width() + column * (tile.width() + kSheetGap), 0, tile.width(), names.height()),
          columns[column],
          Qt::AlignCenter);
  for (int row = 0; row < down; ++row) {
    const double top = names.height() + row * (tile.height() + kSheetGap);
    write(
        QRectF(0, top, names.width(), tile.height()), rows[row], Qt::AlignLeft | Qt::AlignVCenter);
    for (int column = 0; column < across; ++column) {
      const QImage& image = images[static_cast<std::size_t>(row * across + column)];
      const QRectF box(QPointF(names.width() + column * (tile.width() + kSheetGap), top), tile);
      if (image.isNull())
        painter.fillRect(box, c.sunken);
      else
        painter.drawImage(box, image);
    }
  }
  return sheet;
}

}  // namespace likeness::ui
