// Things as cards in rows: a picture or an icon, a name, two lines. Only what is seen is drawn.
#pragma once

#include <QListView>

namespace likeness::ui {

class LibraryGrid : public QListView {
  Q_OBJECT
 public:
  explicit LibraryGrid(QWidget* parent = nullptr);
  /// Shown while it is empty: what will be there, and an icon of it.
  void setPlaceholder(const QString& text, const char* icon);
  QModelIndexList selected() const;  ///< in the order of the rows

 Q_SIGNALS:
  void selectionMoved();
  void removeRequested();  ///< Delete key

 protected:
  void paintEvent(QPaintEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void selectionChanged(const QItemSelection& chosen, const QItemSelection& left) override;

 private:
  QString m_placeholder;
  QByteArray m_icon;
};

}  // namespace likeness::ui
