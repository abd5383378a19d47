// Widgets beside each other, in as many lines as they need.
#pragma once

#include <QLayout>
#include <vector>

namespace likeness::ui {

class FlowLayout : public QLayout {
 public:
  explicit FlowLayout(int spacing, QWidget* parent = nullptr);  ///< pixels, both ways
  ~FlowLayout() override;

  void addItem(QLayoutItem* item) override;
  int count() const override { return static_cast<int>(m_items.size()); }
  QLayoutItem* itemAt(int index) const override;
  QLayoutItem* takeAt(int index) override;
  Qt::Orientations expandingDirections() const override { return {}; }
  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override { return place({0, 0, width, 0}, false); }
  QSize sizeHint() const override { return minimumSize(); }
  QSize minimumSize() const override;
  void setGeometry(const QRect& rect) override;

 private:
  /// Where the lines end; `move` = the items go there.
  int place(const QRect& rect, bool move) const;
  std::vector<QLayoutItem*> m_items;
};

}  // namespace likeness::ui
