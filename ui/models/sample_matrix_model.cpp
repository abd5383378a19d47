#include "ui/models/sample_matrix_model.h"

#include <algorithm>

namespace likeness::ui {

SampleMatrixModel::SampleMatrixModel(PictureListModel& samples, QObject* parent)
    : QAbstractTableModel(parent), m_samples(samples) {
  connect(&samples,
          &QAbstractItemModel::rowsInserted,
          this,
          [this](const QModelIndex&, int first, int last) {
            if (last + 1 < m_samples.rowCount()) return refill();  // the numbers of others changed
            for (int picture = first; picture <= last; ++picture) add(picture);
          });
  connect(&samples, &QAbstractItemModel::rowsRemoved, this, &SampleMatrixModel::refill);
  connect(&samples, &QAbstractItemModel::modelReset, this, &SampleMatrixModel::refill);
  for (int picture = 0; picture < samples.rowCount(); ++picture) add(picture);
}

void SampleMatrixModel::refill() {
  beginResetModel();
  m_rows.clear();
  m_prompts.clear();
  endResetModel();
  for (int picture = 0; picture < m_samples.rowCount(); ++picture) add(picture);
}

void SampleMatrixModel::add(int picture) {
  const PictureItem& item = m_samples.at(picture);
  const auto column = static_cast<std::size_t>(std::max(0, item.index));
  if (column >= m_prompts.size()) {
    beginInsertColumns({}, static_cast<int>(m_prompts.size()), static_cast<int>(column));
    m_prompts.resize(column + 1);
    for (Row& row : m_rows) row.pictures.resize(column + 1, -1);
    endInsertColumns();
  }
  m_prompts[column] = item.prompt;
  const auto place =
      std::lower_bound(m_rows.begin(), m_rows.end(), item.step, [](const Row& row, qint64 step) {
        return row.step < step;
      });
  const auto row = static_cast<int>(place - m_rows.begin());
  if (place == m_rows.end() || place->step != item.step) {
    beginInsertRows({}, row, row);
    m_rows.insert(place, {item.step, std::vector<int>(m_prompts.size(), -1)});
    endInsertRows();
  }
  m_rows[static_cast<std::size_t>(row)].pictures[column] = picture;
  const QModelIndex cell = index(row, static_cast<int>(column));
  Q_EMIT dataChanged(cell, cell);
  Q_EMIT headerDataChanged(Qt::Horizontal, cell.column(), cell.column());
}

int SampleMatrixModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int SampleMatrixModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_prompts.size());
}

int SampleMatrixModel::pictureAt(const QModelIndex& index) const {
  if (!index.isValid()) return -1;
  return m_rows[static_cast<std::size_t>(index.row())]
      .pictures[static_cast<std::size_t>(index.column())];
}

QVariant SampleMatrixModel::data(const QModelIndex& index, int role) const {
  const int picture = pictureAt(index);
  if (picture < 0 || role == Qt::DisplayRole) return {};
  const QVariant value = m_samples.data(m_samples.index(picture), role);
  if (role != Qt::ToolTipRole && role != Qt::AccessibleTextRole) return value;
  const qint64 step = m_rows[static_cast<std::size_t>(index.row())].step;
  return step == 0 ? tr("Before training: %1").arg(value.toString())
                   : tr("Step %1: %2").arg(QString::number(step), value.toString());
}

QVariant SampleMatrixModel::headerData(int section, Qt::Orientation orientation, int role) const {
  const auto at = static_cast<std::size_t>(section);
  const bool rows = orientation == Qt::Vertical;
  if (section < 0 || at >= (rows ? m_rows.size() : m_prompts.size())) return {};
  if (role == Qt::TextAlignmentRole)
    return (rows ? Qt::Alignment(Qt::AlignCenter) : Qt::AlignLeading | Qt::AlignVCenter).toInt();
  if (role != Qt::DisplayRole && role != Qt::ToolTipRole) return {};
  if (!rows) return m_prompts[at];
  return m_rows[at].step == 0 ? tr("start") : QString::number(m_rows[at].step);
}

Qt::ItemFlags SampleMatrixModel::flags(const QModelIndex& index) const {
  return pictureAt(index) < 0 ? Qt::NoItemFlags : Qt::ItemIsEnabled | Qt::ItemIsSelectable;
}

QModelIndex SampleMatrixModel::indexOf(qint64 step) const {
  for (int row = 0; row < rowCount(); ++row)
    if (m_rows[static_cast<std::size_t>(row)].step == step)
      for (int column = 0; column < columnCount(); ++column)
        if (pictureAt(index(row, column)) >= 0) return index(row, column);
  return {};
}

}  // namespace likeness::ui
