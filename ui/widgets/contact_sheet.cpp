#include "ui/widgets/contact_sheet.h"

#include <QAbstractButton>
#include <QHeaderView>
#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>
#include <QStyledItemDelegate>
#include <algorithm>

#include "ui/models/compare_model.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kLeast = 112, kMost = 360;  // width of a cell, pixels
constexpr int kRowNames = 132;            // width of the captions at the left
constexpr int kGap = 4;                   // half of what is between two cells

class CellDelegate : public QStyledItemDelegate {
 public:
  explicit CellDelegate(ContactSheet* sheet) : QStyledItemDelegate(sheet), m_sheet(*sheet) {}

  void paint(QPainter* painter,
             const QStyleOptionViewItem& option,
             const QModelIndex& index) const override {
    const Colours& c = Palette::colours();
    const QModelIndex drawn = m_sheet.drawn(index);
    const auto state = static_cast<CellState>(drawn.data(CompareModel::StateRole).toInt());
    const QRect box = option.rect.adjusted(kGap, kGap, -kGap, -kGap);
    painter->save();
    const QPainterPath well = paintWell(*painter, box);
    painter->setClipPath(well);
    const QPixmap pixmap = drawn.data(Qt::DecorationRole).value<QPixmap>();
    if (state == CellState::Failed) {
      icon("warning", Tint::Warning)
          .paint(painter, QRect(box.topLeft() + QPoint(8, 8), QSize(18, 18)));
      painter->setPen(c.muted);
      painter->drawText(box.adjusted(8, 30, -8, -6),
                        Qt::AlignLeft | Qt::AlignTop | Qt::TextWordWrap,
                        breakable(drawn.data(Qt::DisplayRole).toString()));
    } else if (!pixmap.isNull()) {
      const QSizeF size = QSizeF(pixmap.size()).scaled(box.size(), Qt::KeepAspectRatio);
      painter->drawPixmap(
          QRectF(QRectF(box).center() - QPointF(size.width() / 2, size.height() / 2), size),
          pixmap,
          QRectF(pixmap.rect()));
    }
    painter->setClipping(false);
    if (drawn != index)
      paintBadge(painter, box, ContactSheet::tr("marked one"));
    else if (state == CellState::Forming)
      paintBadge(painter, box, ContactSheet::tr("forming"));
    else if (state == CellState::Rough)
      paintBadge(painter, box, ContactSheet::tr("rough look"));
    if (m_sheet.isMarked(index)) {
      const QRect chip(box.topRight() + QPoint(-29, 6), QSize(24, 24));
      paintChip(painter, chip);
      icon("mark", Tint::Accent).paint(painter, chip.adjusted(3, 3, -3, -3));
    }
    if (option.state & QStyle::State_Selected) {
      painter->setPen(QPen(c.accent, 2));
      painter->drawPath(well);
    }
    painter->restore();
  }

 private:
  static void paintChip(QPainter* painter, const QRect& chip) {
    QPainterPath path;
    path.addRoundedRect(chip, 4, 4);
    painter->fillPath(path, Palette::colours().surface);
  }
  static void paintBadge(QPainter* painter, const QRect& box, const QString& text) {
    const QSize size = painter->fontMetrics().size(0, text) + QSize(12, 4);
    const QRect chip(box.bottomLeft() + QPoint(6, -size.height() - 6), size);
    paintChip(painter, chip);
    painter->setPen(Palette::colours().muted);
    painter->drawText(chip, Qt::AlignCenter, text);
  }

  const ContactSheet& m_sheet;
};

/// Captions in as many lines as there is room for.
class CaptionHeader : public QHeaderView {
 public:
  CaptionHeader(Qt::Orientation orientation, QWidget* parent) : QHeaderView(orientation, parent) {
    setSectionResizeMode(QHeaderView::Fixed);
    setSectionsClickable(false);
    setTextRole(this, TextRole::Hint);
  }

 protected:
  void paintSection(QPainter* painter, const QRect& rect, int section) const override {
    const QRect inside = rect.adjusted(6, 2, -6, -2);
    const QFontMetrics metrics = fontMetrics();
    const int lines = std::max(1, inside.height() / metrics.lineSpacing());
    // What words leave open at the ends of lines does not count.
    const double room = inside.width() * (lines > 1 ? lines * 0.8 : 1);
    const QString text = model()->headerData(section, orientation()).toString();
    painter->setPen(Palette::colours().muted);
    painter->drawText(inside,
                      Qt::AlignVCenter | Qt::TextWordWrap |
                          (orientation() == Qt::Horizontal ? Qt::AlignHCenter : Qt::AlignLeft),
                      metrics.elidedText(breakable(text), Qt::ElideRight, static_cast<int>(room)));
  }
};

}  // namespace

ContactSheet::ContactSheet(CompareModel& sheet, QWidget* parent)
    : QTableView(parent), m_sheet(sheet) {
  setModel(&sheet);
  setItemDelegate(new CellDelegate(this));
  setShowGrid(false);
  setSelectionMode(QAbstractItemView::SingleSelection);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setTabKeyNavigation(false);
  setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
  setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  setWordWrap(true);
  setTextRole(this, TextRole::Hint);
  setHorizontalHeader(new CaptionHeader(Qt::Horizontal, this));
  setVerticalHeader(new CaptionHeader(Qt::Vertical, this));
  horizontalHeader()->setFixedHeight(fontMetrics().lineSpacing() * 2 + 8);
  verticalHeader()->setFixedWidth(kRowNames);
  setCornerButtonEnabled(false);
  for (auto* corner : findChildren<QAbstractButton*>()) {  // Qt's own, without a name
    corner->setObjectName("qt_corner");
    corner->setFocusPolicy(Qt::NoFocus);
  }
  connect(this, &QAbstractItemView::clicked, this, &ContactSheet::opened);
  connect(&sheet, &QAbstractItemModel::modelReset, this, [this] {
    m_shape = 1;
    fit();
  });
  connect(&sheet, &QAbstractItemModel::dataChanged, this, &ContactSheet::fitShape);
  connect(&Palette::instance(), &Palette::changed, viewport(), qOverload<>(&QWidget::update));
}

void ContactSheet::setMarked(const QModelIndex& index) {
  m_marked = index;
  viewport()->update();
}

void ContactSheet::setFlicked(bool flicked) {
  m_flicked = flicked;
  viewport()->update();
}

QModelIndex ContactSheet::drawn(const QModelIndex& index) const {
  return m_flicked && index == currentIndex() && m_marked.isValid() ? QModelIndex(m_marked) : index;
}

void ContactSheet::resizeEvent(QResizeEvent* event) {
  QTableView::resizeEvent(event);
  fit();
}

void ContactSheet::keyPressEvent(QKeyEvent* event) {
  const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
  if (enter && currentIndex().isValid()) return Q_EMIT opened(currentIndex());
  QTableView::keyPressEvent(event);
}

void ContactSheet::fitShape(const QModelIndex& index) {
  const QSize size = index.data(CompareModel::ImageRole).value<QImage>().size();
  if (size.isEmpty()) return;
  const double shape = static_cast<double>(size.height()) / size.width();
  if (qFuzzyCompare(shape, m_shape)) return;
  m_shape = shape;
  fit();
}

void ContactSheet::fit() {
  const int rows = m_sheet.rowCount(), columns = m_sheet.columnCount();
  if (rows == 0 || columns == 0) return;
  // The viewport's own size leaves room for scroll bars that may not be needed then.
  const double across = (width() - kRowNames - 2.0) / columns;
  const double down = (height() - horizontalHeader()->height() - 2.0) / rows / m_shape;
  const int side = std::clamp(static_cast<int>(std::min(across, down)), kLeast, kMost);
  horizontalHeader()->setDefaultSectionSize(side);
  verticalHeader()->setDefaultSectionSize(static_cast<int>(side * m_shape));
}

}  // namespace likeness::ui
