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

void PictureListModel::append(PictureItem item) {
  const int row = rowCount();
  beginInsertRows({}, row, row);
  m_items.push_back({std::move(item), {}});
  endInsertRows();
}

void PictureListModel::clear() {
  if (m_items.empty()) return;
  beginResetModel();
  m_items.clear();
  endResetModel();
}

}  // namespace likeness::ui
