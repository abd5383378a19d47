// One picture of a view over the whole page, in place of a dialog: arrows flick to its neighbours,
// Escape closes.
#pragma once

#include <QAbstractItemView>
#include <QPersistentModelIndex>
#include <QPointer>
#include <QWidget>
#include <vector>

class QHBoxLayout;
class QLabel;
class QToolButton;

namespace likeness::ui {

class ImageView;

/// Walks through the view's model by its current index, so that the view's actions (given as
/// buttons) mean the picture that is seen. Left and right change the column, up and down the row;
/// of a plain list both pairs go back and forth; Home and End lead to the first and last row.
class Lightbox : public QWidget {
  Q_OBJECT
 public:
  /// Over `page`, which owns it, with the picture at `index`. A further call shows another one.
  static void open(QWidget* page, QAbstractItemView* view, const QModelIndex& index);

 protected:
  void keyPressEvent(QKeyEvent* event) override;
  void paintEvent(QPaintEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;
  bool focusNextPrevChild(bool next) override;

 private:
  Lightbox(QWidget* page, QAbstractItemView* view);
  void addArrow(QHBoxLayout* row,
                const char* name,
                const char* icon,
                const QString& words,
                int rows,
                int columns);
  void display(const QModelIndex& index);
  void showArrows();
  /// The next picture in that direction, over cells without one; invalid at the edge.
  QModelIndex neighbour(int rows, int columns) const;
  void go(const QModelIndex& index);
  /// To the first (-1) or last (1) row.
  void goToEdge(int by);
  /// After the picture was taken away: the one in its place, or nothing more to see.
  void follow();
  void readWhole(const QString& file);
  bool isList() const;

  QPointer<QAbstractItemView> m_view;
  QPersistentModelIndex m_index;
  int m_row = 0;
  ImageView* m_image;
  QLabel* m_caption;
  struct Arrow {
    QToolButton* button;
    int rows, columns;
  };
  std::vector<Arrow> m_arrows;
};

}  // namespace likeness::ui
