// What views of pictures paint: a picture on its sunken ground, with its caption, if any, below;
// and what will be there, while there is none.
#pragma once

#include <QStyledItemDelegate>

class QAbstractItemView;

namespace likeness::ui {

class PictureDelegate : public QStyledItemDelegate {
  Q_OBJECT
 public:
  PictureDelegate(int side, QObject* parent);  ///< side of a picture, pixels
  QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
  void paint(QPainter* painter,
             const QStyleOptionViewItem& option,
             const QModelIndex& index) const override;

 private:
  int m_side;
};

/// In the middle of a view that has a model without rows; nothing in others. In its paintEvent().
void paintPlaceholder(const QAbstractItemView& view, const QString& text);

}  // namespace likeness::ui
