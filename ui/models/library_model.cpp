#include "ui/models/library_model.h"

#include <QMimeData>
#include <QUrl>

#include "ui/models/thumbnails.h"

namespace likeness::ui {
namespace {

QByteArray shelfIcon(Shelf shelf) {
  switch (shelf) {
    case Shelf::Models:
      return "model";
    case Shelf::Runs:
      return "train";
    case Shelf::Adapters:
      return "adapter";
    case Shelf::Outputs:
      break;
  }
  return "photos";
}

}  // namespace

LibraryModel::LibraryModel(Thumbnails& thumbnails, QObject* parent)
    : QAbstractListModel(parent), m_thumbnails(thumbnails) {}

int LibraryModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_items.size());
}

QVariant LibraryModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const LibraryItem& item = at(index.row());
  switch (role) {
    case Qt::DisplayRole:
      return item.title;
    case Qt::DecorationRole:
      return item.thumbnail.isEmpty() ? QPixmap() : m_thumbnails.get(item.thumbnail, item.time);
    case Qt::ToolTipRole:
      return item.detail + QLatin1Char('\n') + item.path;
    case Qt::AccessibleTextRole:
      return tr("%1: %2").arg(item.title, item.detail);
    case PathRole:
      return item.path;
    case DetailRole:
      return item.detail;
    case MissingRole:
      return item.missing;
    case IconRole:
      return shelfIcon(item.shelf);
    case SearchRole:
      return QString(item.title + QLatin1Char(' ') + item.detail + QLatin1Char(' ') + item.path);
    default:
      return {};
  }
}

Qt::ItemFlags LibraryModel::flags(const QModelIndex& index) const {
  const Qt::ItemFlags plain = QAbstractListModel::flags(index);
  return index.isValid() && !at(index.row()).missing ? plain | Qt::ItemIsDragEnabled : plain;
}

QMimeData* LibraryModel::mimeData(const QModelIndexList& indexes) const {
  QList<QUrl> urls;
  for (const QModelIndex& index : indexes)
    if (const LibraryItem& item = at(index.row()); !item.missing)
      urls << QUrl::fromLocalFile(item.path);
  auto* data = new QMimeData;
  data->setUrls(urls);
  return data;
}

void LibraryModel::setItems(std::vector<LibraryItem> items) {
  if (items == m_items) return;
  beginResetModel();
  m_items = std::move(items);
  endResetModel();
}

}  // namespace likeness::ui
