#include "ui/util/write_file.h"

#include <QBuffer>
#include <QSaveFile>

#include "ui/util/convert.h"

namespace likeness::ui {

api::Result<void> writeWhole(const QString& path, const QByteArray& bytes) {
  QSaveFile file(path);
  if (file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size() && file.commit())
    return {};
  return api::fail(api::ErrorCode::FileUnwritable,
                   {{"file", toStd(path)}, {"reason", "the system refused"}},
                   toStd(file.errorString()));
}

api::Result<void> writePng(const QString& path, const QImage& image) {
  QByteArray png;
  QBuffer buffer(&png);
  buffer.open(QIODevice::WriteOnly);
  image.save(&buffer, "PNG");
  return writeWhole(path, png);
}

}  // namespace likeness::ui
