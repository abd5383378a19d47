#include "ui/models/compare_model.h"

#include <QPainter>
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/api/comparison.h"
#include "ui/util/convert.h"
#include "ui/util/texts.h"

namespace likeness::ui {
namespace {

constexpr std::int64_t kRoughSteps = 8;
constexpr std::int64_t kFormingLooks = 5;          // per picture, at most
constexpr int kCellSide = 384;                     // pixels; larger pictures are scaled down once
constexpr qsizetype kMostBytesMade = 512LL << 20;  // of cells that are on no sheet any more

/// Several pictures of one cell in near-square rows.
QImage together(const std::vector<QImage>& pictures) {
  if (pictures.size() == 1) return pictures.front();
  QSize tile;
  for (const QImage& picture : pictures) tile = tile.expandedTo(picture.size());
  const int columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(pictures.size()))));
  const int rows = (static_cast<int>(pictures.size()) + columns - 1) / columns;
  QImage image(tile.width() * columns, tile.height() * rows, QImage::Format_ARGB32_Premultiplied);
  image.fill(Qt::transparent);
  QPainter painter(&image);
  painter.setRenderHint(QPainter::SmoothPixmapTransform);
  for (int i = 0; i < static_cast<int>(pictures.size()); ++i)
    painter.drawImage(QRect(QPoint(i % columns * tile.width(), i / columns * tile.height()), tile),
                      pictures[static_cast<std::size_t>(i)]);
  return image;
}

}  // namespace

CompareModel::CompareModel(EngineBridge& bridge, QObject* parent)
    : QAbstractTableModel(parent), m_job(bridge) {
  connect(&m_job, &Job::picture, this, &CompareModel::receive);
  connect(&m_job, &Job::ended, this, &CompareModel::finishTask);
  connect(&m_job, &Job::changed, this, [this] {
    if (m_job.state() == JobState::Running && !m_clock.isValid()) m_clock.start();
    Q_EMIT changed();
  });
}

// ---- what is there

int CompareModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_rowNames.size());
}

int CompareModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_columnNames.size());
}

const CompareModel::Cell* CompareModel::at(const QModelIndex& index) const {
  if (!index.isValid() || !checkIndex(index)) return nullptr;
  return &m_cells[static_cast<std::size_t>(index.row() * columnCount() + index.column())];
}

QVariant CompareModel::data(const QModelIndex& index, int role) const {
  const Cell* cell = at(index);
  if (!cell) return {};
  switch (role) {
    case Qt::DisplayRole:
      return cell->sentence;
    case Qt::DecorationRole:
      if (cell->pixmap.isNull() && !cell->image.isNull()) {
        const bool large = std::max(cell->image.width(), cell->image.height()) > kCellSide;
        cell->pixmap = QPixmap::fromImage(
            large ? cell->image.scaled(
                        kCellSide, kCellSide, Qt::KeepAspectRatio, Qt::SmoothTransformation)
                  : cell->image);
      }
      return cell->pixmap;
    case Qt::ToolTipRole:
    case Qt::AccessibleTextRole: {
      const QString what = cell->state == CellState::Failed    ? cell->sentence
                           : cell->state == CellState::Rough   ? tr("rough look")
                           : cell->state == CellState::Forming ? tr("forming")
                           : cell->state == CellState::Waiting ? tr("not made yet")
                                                               : QString();
      return what.isEmpty() ? caption(index) : tr("%1: %2").arg(caption(index), what);
    }
    case ImageRole:
      return cell->image;
    case StateRole:
      return static_cast<int>(cell->state);
    case FileRole:
      return cell->files.size() == 1 ? cell->files.first() : QString();
    default:
      return {};
  }
}

QVariant CompareModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole && role != Qt::ToolTipRole) return {};
  return (orientation == Qt::Horizontal ? m_columnNames : m_rowNames).value(section);
}

QString CompareModel::caption(const QModelIndex& index) const {
  if (!at(index)) return {};
  return tr("%1 · %2").arg(m_rowNames[index.row()], m_columnNames[index.column()]);
}

const api::GenerateRequest* CompareModel::request(const QModelIndex& index) const {
  const Cell* cell = at(index);
  return cell && cell->request ? &*cell->request : nullptr;
}

int CompareModel::count(CellState state) const {
  return static_cast<int>(std::ranges::count(m_cells, state, &Cell::state));
}

qint64 CompareModel::stepsDone() const {
  const api::Progress& progress = m_job.progress();
  const bool making = m_current && progress.stage == api::Stage::Generate;
  return m_stepsDone + (making ? std::min<qint64>(progress.done, stepsOf(*m_current)) : 0);
}

double CompareModel::secondsLeft() const {
  const double perStep = m_stepsDone > 0 ? m_seconds / static_cast<double>(m_stepsDone)
                                         : m_job.progress().secondsPerUnit;
  return running() ? perStep * static_cast<double>(m_steps - stepsDone()) : 0;
}

// ---- making it

void CompareModel::start(CompareSheet sheet, bool roughFirst) {
  if (running()) return;
  beginResetModel();
  m_cells.clear();
  for (api::Result<api::GenerateRequest>& request : sheet.cells) {
    Cell cell{std::move(request)};
    if (!cell.request) {
      cell.state = CellState::Failed;
      cell.sentence = Texts::forError(cell.request.error()).sentence;
    } else {
      takeMade(cell);
    }
    m_cells.push_back(std::move(cell));
  }
  m_rowNames = std::move(sheet.rows);
  m_columnNames = std::move(sheet.columns);
  endResetModel();
  boundMade();

  std::vector<std::size_t> cells;
  std::vector<api::GenerateRequest> requests;
  for (std::size_t i = 0; i < m_cells.size(); ++i) {
    if (m_cells[i].state != CellState::Waiting) continue;
    cells.push_back(i);
    requests.push_back(*m_cells[i].request);
  }
  m_steps = m_stepsDone = 0;
  m_seconds = 0;
  for (const bool rough : {true, false}) {
    for (const std::size_t i : api::orderByWeights(requests)) {
      if (rough && (!roughFirst || requests[i].sampling.steps <= kRoughSteps)) continue;
      m_queue.push_back({cells[i], rough});
      m_steps += stepsOf(m_queue.back());
    }
  }
  next();
}

void CompareModel::cancel() {
  m_queue.clear();
  m_job.stop();
}

void CompareModel::clear() {
  m_current.reset();  // what the job still tells is no longer ours
  cancel();
  beginResetModel();
  m_rowNames.clear();
  m_columnNames.clear();
  m_cells.clear();
  m_made.clear();
  m_steps = m_stepsDone = 0;
  endResetModel();
  Q_EMIT changed();
}

qint64 CompareModel::stepsOf(const Task& task) const {
  const std::int64_t steps = m_cells[task.cell].request->sampling.steps;
  return task.rough ? std::min(steps, kRoughSteps) : steps;
}

void CompareModel::next() {
  while (!m_queue.empty()) {
    const Task task = m_queue.front();
    m_queue.pop_front();
    Cell& cell = m_cells[task.cell];
    // Two cells may ask for the same.
    if (!takeMade(cell)) return launch(task);
    m_steps -= stepsOf(task);
    show(cell);
  }
  Q_EMIT changed();
  Q_EMIT ended();
}

void CompareModel::launch(const Task& task) {
  Cell& cell = m_cells[task.cell];
  cell.state = CellState::Forming;
  cell.pictures.resize(static_cast<std::size_t>(api::pictureCount(*cell.request)));
  cell.files.clear();
  show(cell);
  api::GenerateRequest request = *cell.request;
  if (task.rough) {
    request.sampling.steps = stepsOf(task);
    request.hiresScale = 1;
    request.outFolder.clear();
  } else if (!cell.rough) {
    request.previewEvery = std::max<std::int64_t>(1, request.sampling.steps / kFormingLooks);
  }
  m_current = task;
  m_clock.invalidate();
  m_job.start(std::move(request));
}

void CompareModel::receive(const api::PictureReady& picture) {
  const bool result = picture.kind == api::PictureKind::Result;
  if (!m_current || (!result && picture.kind != api::PictureKind::Preview)) return;
  Cell& cell = m_cells[m_current->cell];
  const auto index = static_cast<std::size_t>(picture.index);
  if (index >= cell.pictures.size()) return;
  cell.pictures[index] = toQImage(picture.image);
  cell.image = together(cell.pictures);
  if (result && !picture.file.empty()) cell.files << fromPath(picture.file);
  show(cell);
}

void CompareModel::finishTask() {
  if (!m_current) return Q_EMIT changed();
  const Task task = *std::exchange(m_current, std::nullopt);
  m_stepsDone += stepsOf(task);
  if (m_clock.isValid()) m_seconds += static_cast<double>(m_clock.elapsed()) / 1000;
  Cell& cell = m_cells[task.cell];
  const bool goOn = finishCell(cell, task);
  show(cell);
  if (!goOn) m_queue.clear();
  next();
}

bool CompareModel::finishCell(Cell& cell, const Task& task) {
  const bool whole =
      std::ranges::none_of(cell.pictures, [](const QImage& image) { return image.isNull(); });
  if (m_job.state() == JobState::Finished && whole) {
    cell.rough = task.rough;
    cell.state = task.rough ? CellState::Rough : CellState::Made;
    if (!task.rough) m_made.push_back({*cell.request, cell.image, cell.files});
    return true;
  }
  if (m_job.state() == JobState::Cancelled) {
    cell.state = cell.rough ? CellState::Rough : CellState::Waiting;
    if (!cell.rough) cell.image = QImage();
    return false;
  }
  const api::Error error = m_job.error().value_or(api::Error{});
  cell.state = CellState::Failed;
  cell.sentence = Texts::forError(error).sentence;
  std::erase_if(m_queue, [&](const Task& later) {
    if (later.cell != task.cell) return false;
    m_steps -= stepsOf(later);
    return true;
  });
  // The others would fail one by one.
  if (error.code != api::ErrorCode::EngineMissing) return true;
  Q_EMIT stopped(error);
  return false;
}

bool CompareModel::takeMade(Cell& cell) const {
  const auto made = std::ranges::find(m_made, *cell.request, &Made::request);
  if (made == m_made.end()) return false;
  cell.state = CellState::Made;
  cell.image = made->image;
  cell.files = made->files;
  return true;
}

void CompareModel::boundMade() {
  const auto shown = [this](const Made& made) {
    return std::ranges::any_of(
        m_cells, [&](const Cell& cell) { return cell.request && *cell.request == made.request; });
  };
  qsizetype bytes = 0;
  // From the latest on: the oldest go.
  for (auto made = m_made.rbegin(); made != m_made.rend(); ++made) {
    if (shown(*made)) continue;
    bytes += made->image.sizeInBytes();
    if (bytes > kMostBytesMade) made->image = QImage();
  }
  std::erase_if(m_made, [](const Made& made) { return made.image.isNull(); });
}

void CompareModel::show(const Cell& cell) {
  cell.pixmap = QPixmap();
  const int i = static_cast<int>(&cell - m_cells.data());
  const QModelIndex changedCell = index(i / columnCount(), i % columnCount());
  Q_EMIT dataChanged(changedCell, changedCell);
  Q_EMIT changed();
}

}  // namespace likeness::ui
