#include "ui/models/library_scan.h"

#include <QCoreApplication>
#include <QDateTime>
#include <QDir>
#include <QDirIterator>
#include <QFileInfo>
#include <QLocale>
#include <QStorageInfo>
#include <algorithm>
#include <numeric>

#include "ui/util/convert.h"
#include "ui/util/model_words.h"
#include "ui/util/texts.h"

namespace likeness::ui {
namespace {

struct LibraryTr {
  Q_DECLARE_TR_FUNCTIONS(Library)
};

const QString kDot = QStringLiteral(" · ");

quint64 bytesOf(const QString& path) {
  const QFileInfo info(path);
  if (!info.isDir()) return info.exists() ? static_cast<quint64>(info.size()) : 0;
  quint64 bytes = 0;
  QDirIterator files(path,
                     QDir::Files | QDir::Hidden | QDir::System | QDir::NoSymLinks,
                     QDirIterator::Subdirectories);
  while (files.hasNext()) {
    files.next();
    bytes += static_cast<quint64>(files.fileInfo().size());
  }
  return bytes;
}

LibraryItem missingItem(Shelf shelf, const QString& path) {
  LibraryItem item{shelf, path, QFileInfo(path).fileName(), {}, {}, 0, true, {}};
  item.detail = LibraryTr::tr("Not found any more in %1").arg(QFileInfo(path).absolutePath());
  return item;
}

/// What a file of weights says of itself, or why it says nothing.
LibraryItem inspected(api::Workspace& workspace, Shelf shelf, const QString& path) {
  LibraryItem item{shelf, path, ModelWords::name(path), {}, {}, 0, false, {}};
  const auto report = workspace.inspect(toPath(path));
  if (!report) {
    item.detail = Texts::forError(report.error()).sentence;
    return item;
  }
  QStringList words{Texts::bytes(report->bytes), fromStd(report->dtype)};
  words.removeAll(QString());
  item.detail = fromStd(shelf == Shelf::Models ? report->family : report->kind) +
                QLatin1Char('\n') + words.join(kDot);
  return item;
}

/// The first picture of the latest sample.
QFileInfo latestSample(const QString& run) {
  const QFileInfoList samples =
      QDir(run + QStringLiteral("/samples")).entryInfoList({"*.png"}, QDir::Files, QDir::Name);
  if (samples.isEmpty()) return {};
  const QString step = samples.last().fileName().section(QLatin1Char('-'), 0, 0);
  const auto first = std::find_if(samples.begin(), samples.end(), [&](const QFileInfo& sample) {
    return sample.fileName().startsWith(step);
  });
  return *first;
}

LibraryItem runItem(const api::RunSummary& run, const QString& project) {
  LibraryItem item{Shelf::Runs, fromPath(run.folder), {}, {}, {}, 0, false, project};
  item.title = QFileInfo(project).completeBaseName() + kDot + fromStd(run.name);
  const QLocale locale;
  const qint64 done = run.checkpoints.empty() ? 0 : run.checkpoints.back();
  const QString steps = run.finished
                            ? LibraryTr::tr("%n step(s)", nullptr, static_cast<int>(run.steps))
                            : LibraryTr::tr("stopped at %1 of %2")
                                  .arg(locale.toString(done), locale.toString(qint64{run.steps}));
  QStringList words;
  using enum api::Method;
  const api::Method method = run.request.training.method;
  words << (method == Full   ? LibraryTr::tr("whole model")
            : method == Lora ? LibraryTr::tr("adapter")
                             : LibraryTr::tr("word"));
  if (run.best) words << LibraryTr::tr("best at %1").arg(locale.toString(qint64{*run.best}));
  const QString base = fromStd(run.request.base.path);
  if (base != QLatin1String("starter") && !QFileInfo::exists(base))
    words << LibraryTr::tr("its base model %1 is not found").arg(ModelWords::name(base));
  item.detail = steps + QLatin1Char('\n') + words.join(kDot);
  if (const QFileInfo sample = latestSample(item.path); sample.exists()) {
    item.thumbnail = sample.filePath();
    item.time = sample.lastModified().toMSecsSinceEpoch();
  }
  return item;
}

}  // namespace

std::vector<LibraryItem> findModels(api::Workspace& workspace, const QStringList& bases) {
  std::vector<LibraryItem> items;
  for (const QString& base : bases)
    items.push_back(base != QLatin1String("starter") && !QFileInfo::exists(base)
                        ? missingItem(Shelf::Models, base)
                        : inspected(workspace, Shelf::Models, base));
  return items;
}

std::vector<LibraryItem> findRuns(api::Workspace& workspace, const QStringList& projects) {
  std::vector<LibraryItem> items;
  for (const QString& project : projects) {
    const auto runs = workspace.runs(api::Project{toPath(project), {}});
    for (auto run = runs.rbegin(); run != runs.rend(); ++run)
      items.push_back(runItem(*run, project));
  }
  return items;
}

std::vector<LibraryItem> findAdapters(api::Workspace& workspace,
                                      const QStringList& files,
                                      const QStringList& projects) {
  QStringList paths = files;
  for (const QString& project : projects) {
    const QDir exports(project + QStringLiteral("/exports"));
    for (const QFileInfo& file :
         exports.entryInfoList(QDir::Files | QDir::Dirs | QDir::NoDotAndDotDot, QDir::Time))
      if (isModelPath(file.filePath())) paths << file.filePath();
  }
  paths.removeDuplicates();
  std::vector<LibraryItem> items;
  for (const QString& path : paths)
    items.push_back(QFileInfo::exists(path) ? inspected(workspace, Shelf::Adapters, path)
                                            : missingItem(Shelf::Adapters, path));
  return items;
}

std::vector<LibraryItem> findOutputs(const QString& project) {
  const QFileInfoList files =
      QDir(project + QStringLiteral("/outputs"))
          .entryInfoList({"*.png", "*.jpg", "*.jpeg", "*.webp"}, QDir::Files, QDir::Time);
  const QLocale locale;
  std::vector<LibraryItem> items;
  items.reserve(static_cast<std::size_t>(files.size()));
  for (const QFileInfo& file : files) {
    LibraryItem item{Shelf::Outputs, file.filePath(), file.fileName(), {}, {}, 0, false, {}};
    item.detail = locale.toString(file.lastModified(), QLocale::ShortFormat);
    item.thumbnail = item.path;
    item.time = file.lastModified().toMSecsSinceEpoch();
    items.push_back(std::move(item));
  }
  return items;
}

quint64 DiskUse::total() const { return std::accumulate(bytes, bytes + kKinds, quint64{0}); }

DiskUse findDiskUse(api::Workspace& workspace, const QString& project) {
  DiskUse use;
  use.freeBytes = static_cast<quint64>(std::max<qint64>(0, QStorageInfo(project).bytesAvailable()));
  const auto inside = [&](const char* name) {
    return project + QLatin1Char('/') + QLatin1String(name);
  };
  use.bytes[DiskUse::Photos] = bytesOf(inside("photos"));
  use.bytes[DiskUse::ClassPictures] = bytesOf(inside("class-images"));
  use.bytes[DiskUse::Outputs] = bytesOf(inside("outputs"));
  use.bytes[DiskUse::Exports] = bytesOf(inside("exports"));
  const auto addCache = [&](const QString& folder) {
    const quint64 bytes = bytesOf(folder);
    if (bytes == 0) return bytes;
    use.caches.paths << folder;
    use.caches.bytes += bytes;
    return bytes;
  };
  use.bytes[DiskUse::Caches] = addCache(inside("cache"));
  for (const api::RunSummary& run : workspace.runs(api::Project{toPath(project), {}})) {
    const QString folder = fromPath(run.folder);
    const quint64 cache = addCache(folder + QStringLiteral("/cache"));
    const QString checkpoints = folder + QStringLiteral("/checkpoints");
    const quint64 weights = bytesOf(checkpoints);
    use.bytes[DiskUse::Caches] += cache;
    use.bytes[DiskUse::Checkpoints] += weights;
    use.bytes[DiskUse::RunFiles] += bytesOf(folder) - cache - weights;
    for (const QFileInfo& checkpoint :
         QDir(checkpoints).entryInfoList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name)) {
      bool isStep = false;
      const qint64 step = checkpoint.fileName().toLongLong(&isStep);
      const bool whole =
          isStep &&
          std::find(run.checkpoints.begin(), run.checkpoints.end(), step) != run.checkpoints.end();
      if (!whole || step == run.checkpoints.back() || run.best == step) continue;
      use.checkpoints.paths << checkpoint.filePath();
      use.checkpoints.bytes += bytesOf(checkpoint.filePath());
    }
  }
  return use;
}

}  // namespace likeness::ui
