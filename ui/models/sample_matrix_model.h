// The samples of a run as a table: a row for each step, a column for each prompt.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "ui/models/picture_list_model.h"

namespace likeness::ui {

class SampleMatrixModel : public QAbstractTableModel {
  Q_OBJECT
 public:
  /// Follows `samples`, which may come in any order; of one step and prompt the latest counts.
  explicit SampleMatrixModel(PictureListModel& samples, QObject* parent = nullptr);

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  /// As PictureListModel, without captions; where nothing was made yet nothing.
  QVariant data(const QModelIndex& index, int role) const override;
  /// Vertical the step, "start" for the untrained model; horizontal the prompt.
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

  /// Invalid when nothing was made at that step.
  QModelIndex indexOf(qint64 step) const;

 private:
  struct Row {
    qint64 step = 0;
    std::vector<int> pictures;  ///< row in the samples for each prompt, -1 = none
  };
  void add(int picture);
  void refill();
  /// Row in the samples, -1 = none.
  int pictureAt(const QModelIndex& index) const;

  PictureListModel& m_samples;
  std::vector<Row> m_rows;  ///< by rising step
  std::vector<QString> m_prompts;
};

}  // namespace likeness::ui
