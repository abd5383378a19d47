// What the window itself writes outside of projects: whole files or none.
#pragma once

#include <QByteArray>
#include <QImage>
#include <QString>

#include "core/api/result.h"

namespace likeness::ui {

/// Each replaces a file that is there. Errors: FileUnwritable. Any thread.
api::Result<void> writeWhole(const QString& path, const QByteArray& bytes);
api::Result<void> writePng(const QString& path, const QImage& image);

}  // namespace likeness::ui
