#include "ui/widgets/queue_list.h"

#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>
#include <QStyledItemDelegate>

#include "ui/models/queue_model.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"

namespace likeness::ui {
namespace {

constexpr int kQueueIcon = 20;
constexpr int kBarWidth = 160;

class QueueDelegate : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;

  QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex&) const override {
    return {240, 2 * option.fontMetrics.height() + 14};
  }
  void paint(QPainter* painter,
             const QStyleOptionViewItem& option,
             const QModelIndex& index) const override {
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    const Colours& c = Palette::colours();
    const auto state = static_cast<QueueEntry::State>(index.data(QueueModel::StateRole).toInt());
    const auto outcome = static_cast<JobState>(index.data(QueueModel::OutcomeRole).toInt());
    const bool ended = state == QueueEntry::State::Ended;
    const bool failed = ended && outcome == JobState::Failed;
    const QRect row = option.rect.adjusted(0, 1, 0, -1);
    if (option.state & QStyle::State_Selected) {
      QPainterPath ground;
      ground.addRoundedRect(row, 6, 6);
      painter->fillPath(ground, c.accentSoft);
    }
    QRect inside = row.adjusted(8, 5, -8, -5);
    const auto place = [&](const QRect& rect) {
      return QStyle::visualRect(option.direction, row, rect);
    };
    const char* name = failed                                   ? "error"
                       : ended && outcome == JobState::Finished ? "check"
                                                                : nullptr;
    icon(name ? name : index.data(QueueModel::IconRole).toByteArray().constData(),
         failed                               ? Tint::Error
         : state == QueueEntry::State::Active ? Tint::Accent
                                              : Tint::Muted)
        .paint(
            painter,
            place({inside.left(), inside.center().y() - kQueueIcon / 2, kQueueIcon, kQueueIcon}));
    inside.setLeft(inside.left() + kQueueIcon + 8);
    if (const double progress = index.data(QueueModel::ProgressRole).toDouble(); progress >= 0) {
      const QRect bar(inside.right() - kBarWidth, inside.center().y() - 3, kBarWidth, 6);
      QRect done = bar;
      done.setWidth(static_cast<int>(kBarWidth * progress));
      painter->setPen(Qt::NoPen);
      painter->setBrush(c.border);
      painter->drawRoundedRect(place(bar), 3, 3);
      painter->setBrush(c.accent);
      if (done.width() > 0) painter->drawRoundedRect(place(done), 3, 3);
      inside.setRight(bar.left() - 12);
    }
    const QFontMetrics& metrics = option.fontMetrics;
    const auto write = [&](int y, const QString& text, const QColor& colour) {
      painter->setPen(colour);
      painter->drawText(place({inside.left(), y, inside.width(), metrics.height()}),
                        Qt::AlignVCenter | QStyle::visualAlignment(option.direction, Qt::AlignLeft),
                        metrics.elidedText(text, Qt::ElideRight, inside.width()));
    };
    write(inside.top(), index.data().toString(), ended ? c.muted : c.text);
    write(inside.bottom() - metrics.height() + 1,
          index.data(QueueModel::DetailRole).toString(),
          failed ? c.error : c.muted);
    painter->restore();
  }
};

}  // namespace

QueueList::QueueList(QWidget* parent) : QListView(parent) {
  setItemDelegate(new QueueDelegate(this));
  setSelectionMode(QAbstractItemView::SingleSelection);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setDragDropMode(QAbstractItemView::InternalMove);
  setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  setUniformItemSizes(true);
  setMinimumHeight(132);
  connect(&Palette::instance(), &Palette::changed, viewport(), qOverload<>(&QWidget::update));
}

void QueueList::paintEvent(QPaintEvent* event) {
  QListView::paintEvent(event);
  if (model() && model()->rowCount() > 0) return;
  QPainter painter(viewport());
  painter.setPen(Palette::colours().muted);
  painter.drawText(viewport()->rect().adjusted(16, 0, -16, 0),
                   Qt::AlignCenter | Qt::TextWordWrap,
                   tr("Nothing runs and nothing waits.\n“Add to queue” on the Train and Create "
                      "pages puts work here; it begins by itself, one after the other."));
}

void QueueList::keyPressEvent(QKeyEvent* event) {
  const bool alt = event->modifiers().testFlag(Qt::AltModifier);
  if (event->key() == Qt::Key_Delete || event->key() == Qt::Key_Backspace) {
    Q_EMIT removeRequested();
  } else if (alt && (event->key() == Qt::Key_Up || event->key() == Qt::Key_Down)) {
    Q_EMIT moveRequested(event->key() == Qt::Key_Up ? -1 : 1);
  } else {
    QListView::keyPressEvent(event);
  }
}

}  // namespace likeness::ui
