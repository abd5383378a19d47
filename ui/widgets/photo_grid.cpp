#include "ui/widgets/photo_grid.h"

#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>
#include <QStyledItemDelegate>

#include "ui/models/photos_model.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"

namespace likeness::ui {
namespace {

constexpr int kPhotoSide = 144;

class PhotoDelegate : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;

  QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex&) const override {
    return {kPhotoSide + 16, kPhotoSide + 16 + option.fontMetrics.height() + 4};
  }

  void paint(QPainter* painter,
             const QStyleOptionViewItem& option,
             const QModelIndex& index) const override {
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setRenderHint(QPainter::SmoothPixmapTransform);
    const Colours& c = Palette::colours();
    const QRectF box(option.rect.x() + 8, option.rect.y() + 8, kPhotoSide, kPhotoSide);
    QPainterPath path;
    path.addRoundedRect(box, 6, 6);
    painter->fillPath(path, c.sunken);
    const bool excluded = index.data(PhotosModel::ExcludedRole).toBool();
    const QString error = index.data(PhotosModel::ErrorRole).toString();
    const QStringList findings = index.data(PhotosModel::FindingsRole).toStringList();
    const QPixmap pixmap = index.data(Qt::DecorationRole).value<QPixmap>();
    if (!pixmap.isNull()) {
      const double side = std::min(pixmap.width(), pixmap.height());
      const QRectF centre((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side);
      painter->setClipPath(path);
      if (excluded) painter->setOpacity(0.3);
      painter->drawPixmap(box, pixmap, centre);
      painter->setOpacity(1);
      painter->setClipping(false);
    } else {
      icon(error.isEmpty() ? "photos" : "error", error.isEmpty() ? Tint::Muted : Tint::Error)
          .paint(painter, box.adjusted(56, 56, -56, -56).toRect());
    }
    if (excluded) {
      icon("eye-off", Tint::Text)
          .paint(painter, QRectF(box.center() - QPointF(14, 14), QSizeF(28, 28)).toRect());
    } else if (!error.isEmpty() || !findings.isEmpty()) {
      const QRectF badge(box.right() - 32, box.top() + 6, 26, 26);
      painter->setPen(Qt::NoPen);
      painter->setBrush(c.surface);
      painter->drawEllipse(badge);
      icon(error.isEmpty() ? "warning" : "error", error.isEmpty() ? Tint::Warning : Tint::Error)
          .paint(painter, badge.adjusted(4, 4, -4, -4).toRect());
    }
    if (option.state & QStyle::State_Selected) {
      painter->setBrush(Qt::NoBrush);
      painter->setPen(QPen(c.accent, 2.5));
      painter->drawPath(path);
    }
    drawCaption(painter, option, index, box, error, findings, excluded);
    painter->restore();
  }

 private:
  static void drawCaption(QPainter* painter,
                          const QStyleOptionViewItem& option,
                          const QModelIndex& index,
                          const QRectF& box,
                          const QString& error,
                          const QStringList& findings,
                          bool excluded) {
    const Colours& c = Palette::colours();
    const QSize size = index.data(PhotosModel::SizeRole).toSize();
    QString caption = size.isValid() && !size.isEmpty()
                          ? PhotosModel::tr("%1 × %2").arg(size.width()).arg(size.height())
                          : index.data(Qt::DisplayRole).toString();
    QColor colour = c.muted;
    if (excluded) {
      caption = PhotosModel::tr("left out");
    } else if (!error.isEmpty()) {
      caption = error, colour = c.error;
    } else if (!findings.isEmpty()) {
      caption = findings.first(), colour = c.warning;
    }
    painter->setPen(colour);
    painter->drawText(QRectF(box.left(), box.bottom() + 4, kPhotoSide, option.fontMetrics.height()),
                      Qt::AlignCenter,
                      option.fontMetrics.elidedText(caption, Qt::ElideRight, kPhotoSide));
  }
};

}  // namespace

PhotoGrid::PhotoGrid(QWidget* parent) : QListView(parent) {
  setViewMode(QListView::IconMode);
  setResizeMode(QListView::Adjust);
  setMovement(QListView::Static);
  setSelectionMode(QAbstractItemView::ExtendedSelection);
  setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  setUniformItemSizes(true);
  setSpacing(0);
  setItemDelegate(new PhotoDelegate(this));
  setTextRole(this, TextRole::Hint);
  setAcceptDrops(false);  // the main window takes every drop
  setMinimumSize(kPhotoSide + 32, kPhotoSide + 48);
  connect(&Palette::instance(), &Palette::changed, viewport(), qOverload<>(&QWidget::update));
}

bool PhotoGrid::isEmpty() const { return !model() || model()->rowCount() == 0; }

void PhotoGrid::setDropHighlight(bool on) {
  m_highlight = on;
  viewport()->update();
}

QList<int> PhotoGrid::selectedRows() const {
  QList<int> rows;
  for (const QModelIndex& index : selectionModel()->selectedIndexes()) rows << index.row();
  return rows;
}

void PhotoGrid::paintEvent(QPaintEvent* event) {
  const Colours& c = Palette::colours();
  if (isEmpty() || m_highlight) {
    QPainter painter(viewport());
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF frame = QRectF(viewport()->rect()).adjusted(4, 4, -4, -4);
    painter.setPen(QPen(m_highlight ? c.accent : c.border, 2, Qt::DashLine));
    painter.setBrush(m_highlight ? QBrush(c.accentSoft) : QBrush(Qt::NoBrush));
    painter.drawRoundedRect(frame, 6, 6);
    if (isEmpty()) {
      const QPoint centre = viewport()->rect().center();
      icon("photos", m_highlight ? Tint::Accent : Tint::Muted)
          .paint(&painter, QRect(centre.x() - 28, centre.y() - 76, 56, 56));
      painter.setPen(c.text);
      QFont section = font();
      section.setWeight(QFont::DemiBold);
      section.setPointSizeF(section.pointSizeF() * 1.15);
      painter.setFont(section);
      painter.drawText(QRect(0, centre.y() - 8, viewport()->width(), 28),
                       Qt::AlignCenter,
                       tr("Drop 3 to 5 photos here"));
      painter.setFont(font());
      painter.setPen(c.muted);
      painter.drawText(
          QRect(24, centre.y() + 24, viewport()->width() - 48, 60),
          Qt::AlignHCenter | Qt::AlignTop | Qt::TextWordWrap,
          tr("Sharp, well lit, from different sides, with nothing else like it in the picture.\n"
             "Or click to choose them."));
    }
  }
  QListView::paintEvent(event);
}

void PhotoGrid::keyPressEvent(QKeyEvent* event) {
  if (event->key() == Qt::Key_Delete || event->key() == Qt::Key_Backspace) {
    Q_EMIT removeRequested();
  } else if (event->key() == Qt::Key_Space) {
    Q_EMIT excludeRequested();
  } else {
    QListView::keyPressEvent(event);
  }
}

void PhotoGrid::mouseReleaseEvent(QMouseEvent* event) {
  QListView::mouseReleaseEvent(event);
  if (isEmpty() && event->button() == Qt::LeftButton) Q_EMIT addRequested();
}

}  // namespace likeness::ui
