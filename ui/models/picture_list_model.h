// Pictures in a row, as strips and the history show them: class pictures, samples, results.
#pragma once

#include <QAbstractListModel>
#include <QImage>
#include <QPixmap>
#include <vector>

#include "core/api/events.h"

namespace likeness::ui {

struct PictureItem {
  QImage image;  ///< shares the engine's bytes
  QString file;  ///< empty when it was not written
  QString caption;
  QString prompt;
  qint64 seed = 0;
  qint64 step = 0;  ///< of a sample: the training step
  int index = 0;    ///< of a sample: its prompt; of a class picture: its number
};

class PictureListModel : public QAbstractListModel {
  Q_OBJECT
 public:
  enum Role { FileRole = Qt::UserRole, PromptRole, SeedRole, ImageRole };
  using QAbstractListModel::QAbstractListModel;

  int rowCount(const QModelIndex& parent = {}) const override;
  /// DisplayRole caption, DecorationRole a QPixmap, ToolTipRole and AccessibleTextRole the prompt.
  QVariant data(const QModelIndex& index, int role) const override;

  const PictureItem& at(int row) const { return m_items.at(static_cast<std::size_t>(row)).item; }
  void append(PictureItem item) { insert(rowCount(), std::move(item)); }
  void insert(int row, PictureItem item);
  void remove(int row);
  /// -1 = it is not here.
  int rowOf(const QString& file) const;
  void clear();

 private:
  struct Entry {
    PictureItem item;
    mutable QPixmap pixmap;  ///< made when it is first shown
  };
  std::vector<Entry> m_items;
};

}  // namespace likeness::ui
