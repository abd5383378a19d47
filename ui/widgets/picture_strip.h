// A row of pictures with small captions; says what will be there while it is empty.
#pragma once

#include <QListView>

namespace likeness::ui {

class PictureStrip : public QListView {
  Q_OBJECT
 public:
  explicit PictureStrip(int side, QWidget* parent = nullptr);  ///< side of a picture, pixels
  void setPlaceholder(const QString& text);
  /// Scrolls to what was added last unless the person has scrolled away.
  void setModel(QAbstractItemModel* model) override;

 Q_SIGNALS:
  /// Double click or Enter.
  void opened(const QModelIndex& index);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;

 private:
  int m_side;
  QString m_placeholder;
};

}  // namespace likeness::ui
