#include "ui/util/text_file.h"

#include <QFile>
#include <QStringDecoder>

#include "ui/util/convert.h"

namespace likeness::ui {

api::Result<QString> readTextFile(const QString& path) {
  constexpr qint64 mostBytes = 1 << 20;
  const auto bad = [&](const char* reason) {
    return api::fail(api::ErrorCode::FileUnreadable, {{"file", toStd(path)}, {"reason", reason}});
  };
  QFile file(path);
  if (!file.exists()) return api::fail(api::ErrorCode::FileNotFound, {{"file", toStd(path)}});
  if (!file.open(QIODevice::ReadOnly)) return bad("the system refused");
  const QByteArray bytes = file.read(mostBytes + 1);
  if (bytes.size() > mostBytes) return bad("it is longer than 1 MiB");
  QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
  QString text = decoder(bytes);
  if (decoder.hasError()) return bad("it is not UTF-8 text");
  return text.replace(QLatin1String("\r\n"), QLatin1String("\n"))
      .replace(QLatin1Char('\r'), QLatin1Char('\n'));
}

}  // namespace likeness::ui
