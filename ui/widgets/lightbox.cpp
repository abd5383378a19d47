#include "ui/widgets/lightbox.h"

#include <QAction>
#include <QApplication>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/models/picture_list_model.h"
#include "ui/util/background.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {

void Lightbox::open(QWidget* page, QAbstractItemView* view, const QModelIndex& index) {
  delete page->findChild<Lightbox*>(QString(), Qt::FindDirectChildrenOnly);
  auto* box = new Lightbox(page, view);
  box->display(index);
  box->show();
  box->raise();
  box->setFocus();
}

Lightbox::Lightbox(QWidget* page, QAbstractItemView* view)
    : QWidget(page), m_view(view), m_image(new ImageView), m_caption(makeHint()) {
  setObjectName("lightbox");
  setAccessibleName(tr("Picture"));
  setFocusPolicy(Qt::StrongFocus);
  setGeometry(page->rect());
  m_image->setObjectName("lightboxImage");
  m_caption->setObjectName("lightboxCaption");
  auto* row = new QHBoxLayout;
  row->setSpacing(kGrid);
  if (isList()) {
    addArrow(row, "lightboxPrevious", "arrow-left", tr("Picture before (left)"), -1, 0);
    addArrow(row, "lightboxNext", "arrow-right", tr("Picture after (right)"), 1, 0);
  } else {
    addArrow(row, "lightboxEarlier", "arrow-up", tr("Step before (up)"), -1, 0);
    addArrow(row, "lightboxLater", "arrow-down", tr("Step after (down)"), 1, 0);
    addArrow(row, "lightboxPrevious", "arrow-left", tr("Prompt before (left)"), 0, -1);
    addArrow(row, "lightboxNext", "arrow-right", tr("Prompt after (right)"), 0, 1);
  }
  row->addWidget(m_caption, 1);
  for (QAction* action : view->actions()) {
    auto* button = new QToolButton;
    button->setDefaultAction(action);
    button->setObjectName(QStringLiteral("lightbox-") + action->objectName());
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    row->addWidget(button);
  }
  QToolButton* close = makeTool("lightboxClose", "close", tr("Close (Escape)"));
  connect(close, &QToolButton::clicked, this, &QObject::deleteLater);
  row->addWidget(close);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  column->setSpacing(kGrid);
  column->addWidget(m_image, 1);
  column->addLayout(row);
  page->installEventFilter(this);
  connect(view->model(), &QAbstractItemModel::rowsInserted, this, &Lightbox::showArrows);
  connect(view->model(), &QAbstractItemModel::dataChanged, this, &Lightbox::showArrows);
  connect(view->model(), &QAbstractItemModel::rowsRemoved, this, &Lightbox::follow);
  connect(view->model(), &QAbstractItemModel::modelReset, this, &QObject::deleteLater);
  connect(view, &QObject::destroyed, this, &QObject::deleteLater);
  connect(this, &QObject::destroyed, view, [view] { view->setFocus(); });
}

void Lightbox::addArrow(QHBoxLayout* row,
                        const char* name,
                        const char* iconName,
                        const QString& words,
                        int rows,
                        int columns) {
  QToolButton* button = makeTool(name, iconName, words);
  row->addWidget(button);
  m_arrows.push_back({button, rows, columns});
  connect(
      button, &QToolButton::clicked, this, [this, rows, columns] { go(neighbour(rows, columns)); });
}

bool Lightbox::isList() const { return m_view->model()->columnCount() < 2; }

void Lightbox::display(const QModelIndex& index) {
  m_index = index;
  m_row = index.row();
  m_view->setCurrentIndex(index);
  m_view->scrollTo(index);
  m_image->setImage(index.data(PictureListModel::ImageRole).value<QImage>());
  const QString words = index.data(Qt::AccessibleTextRole).toString();
  m_image->setAccessibleName(words);
  m_caption->setText(words);
  setAccessibleDescription(words);
  showArrows();
  readWhole(index.data(PictureListModel::FileRole).toString());
}

void Lightbox::showArrows() {
  for (const Arrow& arrow : m_arrows)
    arrow.button->setEnabled(neighbour(arrow.rows, arrow.columns).isValid());
}

void Lightbox::readWhole(const QString& file) {
  if (file.isEmpty()) return;
  inBackground(
      this,
      [file] { return QImage(file); },
      [this, file](const QImage& image) {
        const bool still = m_index.data(PictureListModel::FileRole).toString() == file;
        if (still && image.width() > m_image->image().width()) m_image->setImage(image);
      });
}

QModelIndex Lightbox::neighbour(int rows, int columns) const {
  QModelIndex at = m_index;
  do {
    at = at.sibling(at.row() + rows, at.column() + columns);
  } while (at.isValid() && !(at.flags() & Qt::ItemIsEnabled));
  return at;
}

void Lightbox::go(const QModelIndex& index) {
  if (index.isValid()) display(index);
}

void Lightbox::goToEdge(int by) {
  const int rows = m_view->model()->rowCount();
  QModelIndex at = m_index;
  for (int row = by < 0 ? 0 : rows - 1; row != m_index.row(); row -= by)
    if ((at = m_index.sibling(row, m_index.column())).flags() & Qt::ItemIsEnabled) break;
  go(at);
}

void Lightbox::follow() {
  if (m_index.isValid()) return display(m_index);  // its neighbours changed
  const int last = m_view->model()->rowCount() - 1;
  if (last < 0) return deleteLater();
  display(m_view->model()->index(std::min(m_row, last), 0));
}

void Lightbox::keyPressEvent(QKeyEvent* event) {
  const bool mirrored = layoutDirection() == Qt::RightToLeft;
  const auto aside = [&](int by) {
    by = mirrored ? -by : by;
    go(isList() ? neighbour(by, 0) : neighbour(0, by));
  };
  switch (event->key()) {
    case Qt::Key_Escape:
      return deleteLater();
    case Qt::Key_Up:
      return go(neighbour(-1, 0));
    case Qt::Key_Down:
      return go(neighbour(1, 0));
    case Qt::Key_Left:
      return aside(-1);
    case Qt::Key_Right:
      return aside(1);
    case Qt::Key_Home:
      return goToEdge(-1);
    case Qt::Key_End:
      return goToEdge(1);
    default:
      QWidget::keyPressEvent(event);
  }
}

void Lightbox::paintEvent(QPaintEvent*) {
  QPainter(this).fillRect(rect(), Palette::colours().window);
}

bool Lightbox::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() == QEvent::Resize) setGeometry(parentWidget()->rect());
  return QWidget::eventFilter(watched, event);
}

/// The page behind is out of reach while it is covered.
bool Lightbox::focusNextPrevChild(bool next) {
  QList<QWidget*> stops{this};
  for (QToolButton* button : findChildren<QToolButton*>())
    if (button->isVisible() && button->isEnabled()) stops << button;
  const qsizetype at = std::max<qsizetype>(0, stops.indexOf(QApplication::focusWidget()));
  stops[(at + (next ? 1 : stops.size() - 1)) % stops.size()]->setFocus(
      next ? Qt::TabFocusReason : Qt::BacktabFocusReason);
  return true;
}

}  // namespace likeness::ui
