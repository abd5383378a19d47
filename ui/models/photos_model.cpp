#include "ui/models/photos_model.h"

#include <QFileInfo>
#include <QSize>
#include <algorithm>

#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/texts.h"

namespace likeness::ui {
namespace {
constexpr int kLookSide = 64;
}

PhotosModel::PhotosModel(ProjectModel& project, QObject* parent)
    : QAbstractListModel(parent), m_project(project) {
  connect(&project, &ProjectModel::opened, this, [this] {
    m_reports.clear();
    m_thumbnails.clear();
    sync();
  });
  connect(&project, &ProjectModel::recipeChanged, this, &PhotosModel::sync);
  sync();
}

int PhotosModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_photos.size());
}

QVariant PhotosModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const api::Photo& item = photo(index.row());
  const QString file = fromPath(item.file);
  const auto report = m_reports.constFind(file);
  const bool known = report != m_reports.constEnd();
  switch (role) {
    case Qt::DisplayRole:
      return fromPath(item.file.filename());
    case Qt::DecorationRole: {
      if (!known || report->thumbnail.empty()) return {};
      QPixmap& pixmap = m_thumbnails[file];
      if (pixmap.isNull()) pixmap = QPixmap::fromImage(toQImage(report->thumbnail));
      return pixmap;
    }
    case FileRole:
      return file;
    case FindingsRole: {
      QStringList sentences;
      if (known) {
        for (const auto& finding : findings(*report)) sentences << Texts::forFinding(finding);
      }
      return sentences;
    }
    case ErrorRole:
      return known && report->error ? Texts::forError(*report->error).sentence : QString();
    case ExcludedRole:
      return item.excluded;
    case CaptionRole:
      return fromStd(item.caption);
    case BesideCaptionRole:
      return known ? fromStd(report->caption) : QString();
    case SizeRole:
      return known ? QSize(report->width, report->height) : QSize();
    case Qt::ToolTipRole:
    case Qt::AccessibleDescriptionRole: {
      QStringList lines{data(index, Qt::DisplayRole).toString()};
      const QString error = data(index, ErrorRole).toString();
      if (!error.isEmpty()) lines << error;
      lines << data(index, FindingsRole).toStringList();
      if (item.excluded) lines << tr("Left out of the training");
      return lines.join(QLatin1Char('\n'));
    }
    default:
      return {};
  }
}

void PhotosModel::add(const QStringList& paths) {
  if (!m_project.isOpen() || paths.isEmpty()) return;
  std::vector<std::filesystem::path> dropped;
  for (const QString& path : paths) dropped.push_back(toPath(path));
  struct Imported {
    api::PhotoDrop drop;  ///< of photos that were copied
    QStringList refused;
  };
  ++m_adding;
  Q_EMIT summaryChanged();
  const api::Project project = m_project.project();
  inBackground(
      this,
      [&workspace = m_project.workspace(), project, dropped] {
        Imported result;
        result.drop = workspace.expandDrop(dropped);
        const bool none = result.drop.photos.empty();
        std::erase_if(result.drop.photos, [&](api::Photo& photo) {
          // What is no picture is refused before it is copied.
          const auto looked = workspace.readImage(photo.file, kLookSide);
          const api::Result<std::filesystem::path> copy =
              looked ? workspace.importPhoto(project, photo.file) : api::fail(looked.error());
          if (copy)
            photo.file = *copy;
          else
            result.refused << Texts::forError(copy.error()).sentence;
          return !copy;
        });
        if (none) {
          for (const auto& path : dropped)
            result.refused << Texts::forError(
                                  {api::ErrorCode::NoPhotos, {{"folder", path.string()}}, {}})
                                  .sentence;
        }
        return result;
      },
      [this, folder = project.folder](const Imported& result) {
        --m_adding;
        if (m_project.isOpen() && m_project.project().folder == folder) {
          m_project.edit([&](api::TrainRequest& recipe) {
            for (const api::Photo& photo : result.drop.photos) {
              const auto same = [&](const api::Photo& p) { return p.file == photo.file; };
              if (std::ranges::none_of(recipe.photos, same)) recipe.photos.push_back(photo);
            }
            if (recipe.subject.classWord.empty() && !result.drop.classWord.empty()) {
              recipe.subject.token = result.drop.token;
              recipe.subject.classWord = result.drop.classWord;
            }
          });
        }
        Q_EMIT summaryChanged();
        if (!result.refused.isEmpty())
          Q_EMIT refused(result.refused);
        else if (!result.drop.note.empty())
          Q_EMIT understood(fromStd(result.drop.note));
      });
}

void PhotosModel::remove(QList<int> rows) {
  std::sort(rows.begin(), rows.end(), std::greater<>());
  m_project.edit([&](api::TrainRequest& recipe) {
    for (const int row : rows) recipe.photos.erase(recipe.photos.begin() + row);
  });
}

void PhotosModel::setExcluded(int row, bool excluded) {
  m_project.edit([&](api::TrainRequest& recipe) {
    recipe.photos.at(static_cast<std::size_t>(row)).excluded = excluded;
  });
}

void PhotosModel::setCaption(int row, const QString& caption) {
  m_project.edit([&](api::TrainRequest& recipe) {
    recipe.photos.at(static_cast<std::size_t>(row)).caption = toStd(caption.trimmed());
  });
}

int PhotosModel::usable() const {
  return static_cast<int>(std::count_if(
      m_photos.begin(), m_photos.end(), [](const api::Photo& p) { return !p.excluded; }));
}

int PhotosModel::toCheck() const {
  return static_cast<int>(
      std::count_if(m_photos.begin(), m_photos.end(), [this](const api::Photo& p) {
        const auto report = m_reports.constFind(fromPath(p.file));
        return !p.excluded && report != m_reports.constEnd() &&
               (report->error || !findings(*report).empty());
      }));
}

std::vector<api::PhotoFinding> PhotosModel::findings(const api::PhotoReport& report) const {
  std::vector<api::PhotoFinding> found = report.findings;
  const std::int64_t resolution = m_project.isOpen() ? m_project.recipe().training.resolution : 0;
  const bool largeEnough = resolution > 0 && std::min(report.width, report.height) >= resolution;
  std::erase_if(found, [&](const api::PhotoFinding& finding) {
    return finding.kind == api::FindingKind::Small && largeEnough;
  });
  return found;
}

void PhotosModel::sync() {
  const std::vector<api::Photo> now =
      m_project.isOpen() ? m_project.recipe().photos : std::vector<api::Photo>{};
  if (now == m_photos) return;
  const auto sameFile = [](const api::Photo& a, const api::Photo& b) { return a.file == b.file; };
  if (now.size() == m_photos.size() &&
      std::equal(now.begin(), now.end(), m_photos.begin(), sameFile)) {
    m_photos = now;
    Q_EMIT dataChanged(index(0), index(rowCount() - 1));
  } else if (now.size() > m_photos.size() &&
             std::equal(m_photos.begin(), m_photos.end(), now.begin(), sameFile)) {
    beginInsertRows({}, rowCount(), static_cast<int>(now.size()) - 1);
    m_photos = now;
    endInsertRows();
    check();
  } else {
    beginResetModel();
    m_photos = now;
    endResetModel();
    check();
  }
  Q_EMIT summaryChanged();
}

void PhotosModel::check() {
  std::vector<std::filesystem::path> files;
  for (const api::Photo& p : m_photos) files.push_back(p.file);
  // Ending a check waits for the photo under way, so that happens elsewhere.
  if (m_checking) {
    QThreadPool::globalInstance()->start([old = std::shared_ptr<api::Subscription>(
                                              std::move(m_checking))]() mutable { old.reset(); });
  }
  if (files.empty()) return;
  // Duplicates are found among all photos, so every change of the set is a new check.
  m_checking = m_project.workspace().checkPhotos(
      files, [guard = QPointer<QObject>(this), this](api::PhotoReport report) {
        onGuiThread(guard, [this, report = std::move(report)] { received(report); });
      });
}

void PhotosModel::received(const api::PhotoReport& report) {
  const QString file = fromPath(report.file);
  for (int row = 0; row < rowCount(); ++row) {
    if (photo(row).file != report.file) continue;
    m_reports.insert(file, report);
    m_thumbnails.remove(file);
    Q_EMIT dataChanged(index(row), index(row));
    Q_EMIT summaryChanged();
    return;
  }
}

}  // namespace likeness::ui
