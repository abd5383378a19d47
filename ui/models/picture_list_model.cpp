#include "ui/models/picture_list_model.h"

namespace likeness::ui {
namespace {
constexpr int kThumbnailSide = 256;  // pixels; larger pictures are scaled down once
}

int PictureListModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_items.size());
}

QVariant PictureListModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Entry& entry = m_items[static_cast<std::size_t>(index.row())];
  switch (role) {
    case Qt::DisplayRole:
      return entry.item.caption;
    case Qt::DecorationRole:
      if (entry.pixmap.isNull()) {
        const bool large =
            std::max(entry.item.image.width(), entry.item.image.height()) > kThumbnailSide;
        entry.pixmap = QPixmap::fromImage(
            large
                ? entry.item.image.scaled(
                      kThumbnailSide, kThumbnailSide, Qt::KeepAspectRatio, Qt::SmoothTransformation)
                : entry.item.image);
      }
      return entry.pixmap;
    case Qt::ToolTipRole:
    case Qt::AccessibleTextRole:
      return entry.item.prompt.isEmpty()
                 ? entry.item.caption
                 : tr("%1, seed %2").arg(entry.item.prompt).arg(entry.item.seed);
    case FileRole:
      return entry.item.file;
    case PromptRole:
      return entry.item.prompt;
    case SeedRole:
      return entry.item.seed;
    case ImageRole:
      return entry.item.image;
    default:
      return {};
  }
}

void PictureListModel::insert(int row, PictureItem item) {
  beginInsertRows({}, row, row);
  m_items.insert(m_items.begin() + row, {std::move(item), {}});
  endInsertRows();
}

void PictureListModel::remove(int row) {
  beginRemoveRows({}, row, row);
  m_items.erase(m_items.begin() + row);
  endRemoveRows();
}

int PictureListModel::rowOf(const QString& file) const {
  for (int row = 0; row < rowCount(); ++row)
    if (at(row).file == file) return row;
  return -1;
}

void PictureListModel::clear() {
  if (m_items.empty()) return;
  beginResetModel();
  m_items.clear();
  endResetModel();
}

}  // namespace likeness::ui
