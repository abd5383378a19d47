// One shelf of the library as an item model.
#pragma once

#include <QAbstractListModel>
#include <vector>

#include "ui/models/library_scan.h"

namespace likeness::ui {

class Thumbnails;

class LibraryModel : public QAbstractListModel {
  Q_OBJECT
 public:
  enum Role {
    PathRole = Qt::UserRole,  ///< QString
    DetailRole,               ///< QString
    MissingRole,              ///< bool
    IconRole,                 ///< QByteArray, a name of resources/icons: what stands for no picture
    SearchRole                ///< QString: all words of an item
  };
  explicit LibraryModel(Thumbnails& thumbnails, QObject* parent = nullptr);

  int rowCount(const QModelIndex& parent = {}) const override;
  /// DisplayRole title, DecorationRole a QPixmap or nothing yet, ToolTipRole detail and path.
  QVariant data(const QModelIndex& index, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;
  /// The files themselves, for other programs.
  QMimeData* mimeData(const QModelIndexList& indexes) const override;
  QStringList mimeTypes() const override { return {QStringLiteral("text/uri-list")}; }

  const LibraryItem& at(int row) const { return m_items.at(static_cast<std::size_t>(row)); }
  void setItems(std::vector<LibraryItem> items);

 private:
  Thumbnails& m_thumbnails;
  std::vector<LibraryItem> m_items;
};

}  // namespace likeness::ui
