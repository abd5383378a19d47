#include "ui/models/stored_pictures.h"

#include <QCoreApplication>
#include <QDir>
#include <QRegularExpression>
#include <optional>

#include "ui/util/convert.h"

namespace likeness::ui {
namespace {

constexpr int kStoredSide = 256;        // pixels; a picture that is opened is read again, whole
constexpr qsizetype kMostStored = 600;  // of each kind: some 100 MB
constexpr const char* kStoredContext = "likeness::ui::TrainingModel";

std::optional<PictureItem> readItem(api::Workspace& workspace, const QString& file) {
  const auto image = workspace.readImage(toPath(file), kStoredSide);
  if (!image) return {};
  PictureItem item{toQImage(*image), file, {}, {}, 0};
  if (const auto request = workspace.readRequest(toPath(file))) {
    item.prompt = fromStd(api::renderPrompt(request->prompt, request->subject));
    item.seed = request->seed;
  }
  return item;
}

}  // namespace

std::vector<PictureItem> storedSamples(api::Workspace& workspace,
                                       const std::filesystem::path& run,
                                       qint64 lastStep) {
  static const QRegularExpression name(QStringLiteral("^(\\d{6,})-(\\d{2,})\\.png$"));
  const QDir folder(fromPath(run / "samples"));
  const QStringList files = folder.entryList(QDir::Files, QDir::Name);
  std::vector<PictureItem> items;
  for (qsizetype i = 0; i < files.size(); ++i) {
    const auto match = name.match(files[i]);
    const qint64 step = match.captured(1).toLongLong();
    if (!match.hasMatch() || step > lastStep) continue;
    if (step > 0 && i + kMostStored < files.size()) continue;
    auto item = readItem(workspace, folder.filePath(files[i]));
    if (!item) continue;
    item->step = step;
    item->index = match.captured(2).toInt();
    item->caption = QCoreApplication::translate(kStoredContext, "step %1").arg(step);
    items.push_back(std::move(*item));
  }
  return items;
}

std::vector<PictureItem> storedClassPictures(api::Workspace& workspace,
                                             const std::filesystem::path& store,
                                             const std::string& prompt) {
  static const QRegularExpression name(QStringLiteral("^(\\d{4,})\\.png$"));
  const QDir folders(fromPath(store));
  for (const QFileInfo& key :
       folders.entryInfoList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Time)) {
    std::vector<PictureItem> items;
    const QDir folder(key.filePath());
    for (const QString& file : folder.entryList(QDir::Files, QDir::Name).mid(0, kMostStored)) {
      const auto match = name.match(file);
      if (!match.hasMatch()) continue;
      auto item = readItem(workspace, folder.filePath(file));
      if (!item) continue;
      if (item->prompt != fromStd(prompt)) break;  // another class
      item->index = match.captured(1).toInt();
      item->caption = QString::number(item->index + 1);
      items.push_back(std::move(*item));
    }
    if (!items.empty()) return items;
  }
  return {};
}

}  // namespace likeness::ui
