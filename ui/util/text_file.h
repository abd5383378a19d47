// A text file that a person wrote.
#pragma once

#include <QString>

#include "core/api/result.h"

namespace likeness::ui {

/// A file of at most 1 MiB, without its byte-order mark. Errors: FileNotFound; FileUnreadable, also
/// when it is not UTF-8. Any thread.
api::Result<QString> readTextFile(const QString& path);

}  // namespace likeness::ui
