// A contact sheet that fills cell by cell. What was made in this session is not made again.
#pragma once

#include <QAbstractTableModel>
#include <QElapsedTimer>
#include <QImage>
#include <QPixmap>
#include <QStringList>
#include <deque>
#include <optional>
#include <vector>

#include "ui/models/job.h"

namespace likeness::ui {

/// Rough: a look in few steps is there. Waiting without a running sheet: it was not made.
enum class CellState { Waiting, Forming, Rough, Made, Failed };

struct CompareSheet {
  QStringList rows, columns;                             ///< captions
  std::vector<api::Result<api::GenerateRequest>> cells;  ///< row by row
};

class CompareModel : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Role { ImageRole = Qt::UserRole, StateRole, FileRole };
  explicit CompareModel(EngineBridge& bridge, QObject* parent = nullptr);

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  /// DisplayRole what a failed cell says, DecorationRole a QPixmap, ToolTipRole and
  /// AccessibleTextRole where it stands and what is there; ImageRole the pictures of the cell as
  /// one, FileRole the file of a single one.
  QVariant data(const QModelIndex& index, int role) const override;
  /// The caption, whole also as ToolTipRole.
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  /// "step 320 · guidance 4", whole words.
  QString caption(const QModelIndex& index) const;
  /// Null where there is none: nothing could be asked for.
  const api::GenerateRequest* request(const QModelIndex& index) const;

  /// Replaces the sheet, unless running(). Cells made before are there at once; the others follow
  /// in the order that exchanges weights least, `roughFirst` with all of them in few steps at
  /// first.
  void start(CompareSheet sheet, bool roughFirst);
  /// What is made stays.
  void cancel();
  /// Another project: forgets also what was made.
  void clear();

  Job& job() { return m_job; }
  bool running() const { return m_job.active() || !m_queue.empty(); }
  int total() const { return static_cast<int>(m_cells.size()); }
  int count(CellState state) const;
  /// Sampler steps of the whole sheet, for a progress bar.
  qint64 steps() const { return m_steps; }
  qint64 stepsDone() const;
  double secondsLeft() const;  ///< 0 = not yet known

 Q_SIGNALS:
  void changed();                                   ///< counts, progress, running
  void stopped(const likeness::api::Error& error);  ///< the rest of the sheet cannot be made
  void ended();                                     ///< the sheet is done, cancelled or stopped

 private:
  struct Cell {
    api::Result<api::GenerateRequest> request;
    CellState state = CellState::Waiting;
    QString sentence{};              ///< of a failed cell
    std::vector<QImage> pictures{};  ///< one for each seed
    QStringList files{};
    QImage image{};            ///< the pictures as one
    bool rough = false;        ///< was drawn in few steps
    mutable QPixmap pixmap{};  ///< made when it is first shown
  };
  struct Task {
    std::size_t cell;
    bool rough;
  };
  struct Made {
    api::GenerateRequest request;
    QImage image;
    QStringList files;
  };

  const Cell* at(const QModelIndex& index) const;
  qint64 stepsOf(const Task& task) const;
  void next();
  void launch(const Task& task);
  void receive(const api::PictureReady& picture);
  void finishTask();
  bool finishCell(Cell& cell, const Task& task);
  bool takeMade(Cell& cell) const;
  void boundMade();
  void show(const Cell& cell);

  Job m_job;
  QStringList m_rowNames, m_columnNames;
  std::vector<Cell> m_cells;
  std::vector<Made> m_made;  ///< oldest first
  std::deque<Task> m_queue;
  std::optional<Task> m_current;
  QElapsedTimer m_clock;  ///< of the current task, from when its turn came
  qint64 m_steps = 0, m_stepsDone = 0;
  double m_seconds = 0;  ///< that m_stepsDone took
};

}  // namespace likeness::ui
