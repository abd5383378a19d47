#include "ui/widgets/library_grid.h"

#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>
#include <QStyledItemDelegate>
#include <QTextLayout>
#include <algorithm>

#include "ui/models/library_model.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"

namespace likeness::ui {
namespace {

constexpr int kCardSide = 160;  // of the picture
constexpr int kCardSpace = 8;   // around it
constexpr int kDetailLines = 2;

class CardDelegate : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;

  QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex&) const override {
    return {kCardSide + 2 * kCardSpace,
            kCardSide + 2 * kCardSpace + (1 + kDetailLines) * option.fontMetrics.height() + 6};
  }
  void paint(QPainter* painter,
             const QStyleOptionViewItem& option,
             const QModelIndex& index) const override {
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setRenderHint(QPainter::SmoothPixmapTransform);
    const Colours& c = Palette::colours();
    const QRect card = option.rect;
    const QRectF box(card.x() + kCardSpace, card.y() + kCardSpace, kCardSide, kCardSide);
    QPainterPath well;
    well.addRoundedRect(box, 6, 6);
    const bool missing = index.data(LibraryModel::MissingRole).toBool();
    if (option.state & QStyle::State_Selected) {
      QPainterPath ground;
      ground.addRoundedRect(QRectF(card).adjusted(2, 2, -2, -2), 6, 6);
      painter->fillPath(ground, c.accentSoft);
    }
    painter->fillPath(well, c.sunken);
    const QPixmap pixmap = index.data(Qt::DecorationRole).value<QPixmap>();
    if (!pixmap.isNull()) {
      const QSizeF size = QSizeF(pixmap.size()).scaled(box.size(), Qt::KeepAspectRatio);
      painter->setClipPath(well);
      painter->drawPixmap(QRectF(box.center() - QPointF(size.width() / 2, size.height() / 2), size),
                          pixmap,
                          QRectF(pixmap.rect()));
      painter->setClipping(false);
    } else {
      icon(missing ? "warning" : index.data(LibraryModel::IconRole).toByteArray().constData(),
           missing ? Tint::Warning : Tint::Muted)
          .paint(painter, box.adjusted(56, 56, -56, -56).toRect());
    }
    if (option.state & QStyle::State_HasFocus) {
      painter->setPen(QPen(c.accent, 2));
      painter->drawPath(well);
    }
    const int height = option.fontMetrics.height();
    QRect line(static_cast<int>(box.x()), static_cast<int>(box.bottom()) + 4, kCardSide, height);
    painter->setPen(c.text);
    painter->drawText(
        line,
        Qt::AlignCenter,
        option.fontMetrics.elidedText(index.data().toString(), Qt::ElideMiddle, kCardSide));
    painter->setPen(missing ? c.warning : c.muted);
    for (const QString& part :
         detailLines(index.data(LibraryModel::DetailRole).toString(), option)) {
      line.translate(0, height);
      painter->drawText(line, Qt::AlignCenter, part);
    }
    painter->restore();
  }

 private:
  /// Broken at words; the last line is cut.
  static QStringList detailLines(QString text, const QStyleOptionViewItem& option) {
    text.replace(QLatin1Char('\n'), QChar::LineSeparator);
    QStringList lines;
    QTextLayout layout(text, option.font);
    layout.beginLayout();
    while (lines.size() < kDetailLines) {
      QTextLine line = layout.createLine();
      if (!line.isValid()) break;
      line.setLineWidth(kCardSide);
      const bool last = lines.size() == kDetailLines - 1;
      lines << (last ? option.fontMetrics.elidedText(
                           text.mid(line.textStart()), Qt::ElideRight, kCardSide)
                     : text.mid(line.textStart(), line.textLength()).remove(QChar::LineSeparator));
    }
    layout.endLayout();
    return lines;
  }
};

}  // namespace

LibraryGrid::LibraryGrid(QWidget* parent) : QListView(parent) {
  setFlow(QListView::LeftToRight);
  setWrapping(true);
  setResizeMode(QListView::Adjust);
  setUniformItemSizes(true);
  setSelectionMode(QAbstractItemView::ExtendedSelection);
  setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setDragDropMode(QAbstractItemView::DragOnly);
  setItemDelegate(new CardDelegate(this));
  setTextRole(this, TextRole::Hint);
  setMinimumSize(2 * kCardSide, kCardSide);
  connect(&Palette::instance(), &Palette::changed, viewport(), qOverload<>(&QWidget::update));
}

void LibraryGrid::setPlaceholder(const QString& text, const char* icon) {
  m_placeholder = text;
  m_icon = icon;
  setAccessibleDescription(text);
  viewport()->update();
}

QModelIndexList LibraryGrid::selected() const {
  QModelIndexList rows = selectionModel() ? selectionModel()->selectedIndexes() : QModelIndexList();
  std::sort(rows.begin(), rows.end());
  return rows;
}

void LibraryGrid::paintEvent(QPaintEvent* event) {
  QListView::paintEvent(event);
  if (model() && model()->rowCount() > 0) return;
  QPainter painter(viewport());
  const QPoint centre = viewport()->rect().center();
  icon(m_icon.constData(), Tint::Muted)
      .paint(&painter, QRect(centre.x() - 24, centre.y() - 64, 48, 48));
  painter.setPen(Palette::colours().muted);
  painter.drawText(QRect(24, centre.y(), viewport()->width() - 48, centre.y()),
                   Qt::AlignHCenter | Qt::AlignTop | Qt::TextWordWrap,
                   m_placeholder);
}

void LibraryGrid::keyPressEvent(QKeyEvent* event) {
  if (event->key() == Qt::Key_Delete)
    Q_EMIT removeRequested();
  else
    QListView::keyPressEvent(event);
}

void LibraryGrid::selectionChanged(const QItemSelection& chosen, const QItemSelection& left) {
  QListView::selectionChanged(chosen, left);
  Q_EMIT selectionMoved();
}

}  // namespace likeness::ui
