#include "ui/models/thumbnails.h"

#include "ui/util/background.h"
#include "ui/util/convert.h"

namespace likeness::ui {
namespace {

constexpr QChar kKeyMark = u'\n';  // between file and time

}  // namespace

Thumbnails::Thumbnails(api::Workspace& workspace, QObject* parent)
    : QObject(parent), m_workspace(workspace), m_kept(kBoundKiB) {}

QPixmap Thumbnails::get(const QString& file, qint64 time) {
  const QString key = QString::number(time) + kKeyMark + file;
  if (const QPixmap* kept = m_kept.object(key)) return *kept;
  m_wanted.removeOne(key);
  m_wanted.append(key);
  if (m_wanted.size() > kMostWanted) m_wanted.removeFirst();
  readNext();
  return {};
}

void Thumbnails::readNext() {
  if (m_reading || m_wanted.isEmpty()) return;
  m_reading = true;
  ++m_reads;
  const QString key = m_wanted.takeLast();
  inBackground(
      this,
      [&workspace = m_workspace, file = key.section(kKeyMark, 1)] {
        const auto image = workspace.readImage(toPath(file), kSide);
        return image ? toQImage(*image).copy() : QImage();
      },
      [this, key](const QImage& image) {
        m_reading = false;
        m_kept.insert(key,
                      new QPixmap(QPixmap::fromImage(image)),
                      1 + image.width() * image.height() * 4 / 1024);
        Q_EMIT ready();
        readNext();
      });
}

}  // namespace likeness::ui
