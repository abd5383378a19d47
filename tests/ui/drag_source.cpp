// drag_source FILE...: a small window; dragging from it drags the files, as from a file manager.
#include <QApplication>
#include <QDrag>
#include <QFileInfo>
#include <QLabel>
#include <QMimeData>
#include <QMouseEvent>
#include <QPixmap>
#include <QUrl>
#include <QVBoxLayout>

class DragSource : public QWidget {
 public:
  explicit DragSource(const QStringList& files) {
    setWindowTitle("Photos");
    auto* column = new QVBoxLayout(this);
    for (const QString& file : files) {
      m_urls << QUrl::fromLocalFile(QFileInfo(file).absoluteFilePath());
      auto* label = new QLabel;
      label->setPixmap(QPixmap(file).scaled(96, 72, Qt::KeepAspectRatio, Qt::SmoothTransformation));
      label->setAttribute(Qt::WA_TransparentForMouseEvents);
      column->addWidget(label);
    }
  }

 protected:
  void mousePressEvent(QMouseEvent* event) override { m_pressed = event->pos(); }
  void mouseMoveEvent(QMouseEvent* event) override {
    if (!(event->buttons() & Qt::LeftButton)) return;
    if ((event->pos() - m_pressed).manhattanLength() < QApplication::startDragDistance()) return;
    auto* files = new QMimeData;
    files->setUrls(m_urls);
    auto* drag = new QDrag(this);
    drag->setMimeData(files);
    if (auto* label = findChild<QLabel*>()) drag->setPixmap(label->pixmap(Qt::ReturnByValue));
    drag->exec(Qt::CopyAction);
  }

 private:
  QList<QUrl> m_urls;
  QPoint m_pressed;
};

int main(int argc, char** argv) {
  QApplication application(argc, argv);
  DragSource source(QApplication::arguments().mid(1));
  source.show();
  return QApplication::exec();
}
