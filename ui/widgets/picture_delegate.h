// A picture in a view of pictures: on its sunken ground, with its caption, if any, below.
#pragma once

#include <QStyledItemDelegate>

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

}  // namespace likeness::ui
