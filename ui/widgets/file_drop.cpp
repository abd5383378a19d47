#include "ui/widgets/file_drop.h"

#include <QDir>
#include <QDragEnterEvent>
#include <QFileInfo>
#include <QMimeData>
#include <QUrl>
#include <QWidget>

namespace likeness::ui {
namespace {

class FileDrop : public QObject {
 public:
  FileDrop(QWidget* target,
           std::function<bool(const QStringList&)> wants,
           std::function<void(const QStringList&)> take)
      : QObject(target), m_target(target), m_wants(std::move(wants)), m_take(std::move(take)) {
    target->setAcceptDrops(true);
    target->installEventFilter(this);
  }

  bool eventFilter(QObject* watched, QEvent* event) override {
    switch (event->type()) {
      case QEvent::DragEnter:
      case QEvent::DragMove: {
        auto* drag = static_cast<QDragMoveEvent*>(event);
        const QStringList files = droppedFiles(drag->mimeData());
        if (files.isEmpty()) return false;  // words, which a field may take
        if (!m_wants(files)) {
          event->ignore();
        } else {
          drag->acceptProposedAction();
          mark(true);
        }
        return true;
      }
      case QEvent::DragLeave:
        mark(false);
        return false;
      case QEvent::Drop: {
        auto* drop = static_cast<QDropEvent*>(event);
        const QStringList files = droppedFiles(drop->mimeData());
        if (files.isEmpty()) return false;
        drop->setDropAction(Qt::CopyAction);
        drop->accept();
        mark(false);
        m_take(files);
        return true;
      }
      default:
        return QObject::eventFilter(watched, event);
    }
  }

 private:
  void mark(bool dropping) {
    m_target->setProperty("dropping", dropping);
    m_target->update();
  }
  QWidget* m_target;
  std::function<bool(const QStringList&)> m_wants;
  std::function<void(const QStringList&)> m_take;
};

}  // namespace

QStringList droppedFiles(const QMimeData* data) {
  QStringList files;
  for (const QUrl& url : data->urls())
    if (url.isLocalFile()) files << QDir::cleanPath(url.toLocalFile());
  return files;
}

bool isPicturePath(const QString& path) {
  static const QStringList suffixes{"png", "jpg", "jpeg", "webp", "heic", "heif"};
  return suffixes.contains(QFileInfo(path).suffix().toLower());
}

bool isTextPath(const QString& path) {
  return QFileInfo(path).suffix().compare(QLatin1String("txt"), Qt::CaseInsensitive) == 0;
}

void acceptFiles(QWidget* target,
                 std::function<bool(const QStringList&)> wants,
                 std::function<void(const QStringList&)> take) {
  new FileDrop(target, std::move(wants), std::move(take));
}

}  // namespace likeness::ui
