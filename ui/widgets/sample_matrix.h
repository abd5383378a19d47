// Samples as a table, steps down and prompts across; says what will be there while it is empty.
#pragma once

#include <QTableView>

namespace likeness::ui {

class SampleMatrix : public QTableView {
  Q_OBJECT
 public:
  explicit SampleMatrix(int side, QWidget* parent = nullptr);  ///< side of a picture, pixels
  void setPlaceholder(const QString& text);
  /// Scrolls to the latest step unless the person has scrolled away.
  void setModel(QAbstractItemModel* model) override;

 Q_SIGNALS:
  /// Click or Enter.
  void opened(const QModelIndex& index);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  void open(const QModelIndex& index);
  QString m_placeholder;
};

}  // namespace likeness::ui
