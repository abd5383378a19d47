// Pictures as files that a person asked for.
#pragma once

#include <QImage>
#include <QStringList>
#include <vector>

#include "core/api/result.h"

namespace likeness::ui {

/// Writes a PNG; what was there before is replaced when all of it is written. With `source`, a PNG
/// that holds the picture and its request, a copy of that. Errors: FileUnreadable, FileUnwritable.
/// Any thread.
api::Result<void> writePicture(const QString& target,
                               const QImage& image,
                               const QString& source = {});

/// A contact sheet with its captions on white, `images` row by row; where one is null its place
/// stays empty. Pictures are scaled down when the whole would not fit into kMostSheetSide. Any
/// thread.
QImage drawSheet(const QStringList& rows,
                 const QStringList& columns,
                 const std::vector<QImage>& images);
inline constexpr int kMostSheetSide = 8192;  // pixels

}  // namespace likeness::ui
