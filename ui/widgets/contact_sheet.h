// The contact sheet as a table of pictures, with captions at its edges.
#pragma once

#include <QPersistentModelIndex>
#include <QTableView>

namespace likeness::ui {

class CompareModel;

class ContactSheet : public QTableView {
  Q_OBJECT
 public:
  explicit ContactSheet(CompareModel& sheet, QWidget* parent = nullptr);
  /// The cell that others are compared with; invalid = none.
  void setMarked(const QModelIndex& index);
  /// The current cell shows the marked cell's picture.
  void setFlicked(bool flicked);
  /// What the cell draws: its own place, or that of the marked one.
  QModelIndex drawn(const QModelIndex& index) const;
  bool isMarked(const QModelIndex& index) const { return m_marked == index; }

 protected:
  void resizeEvent(QResizeEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 Q_SIGNALS:
  void opened(const QModelIndex& index);  ///< a click, or Enter

 private:
  /// Cells as large as all of them fit, within limits.
  void fit();
  void fitShape(const QModelIndex& index);

  CompareModel& m_sheet;
  QPersistentModelIndex m_marked;
  bool m_flicked = false;
  double m_shape = 1;  ///< height of the pictures by their width
};

}  // namespace likeness::ui
