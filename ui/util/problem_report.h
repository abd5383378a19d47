// What somebody who asks for help passes on: without the names of the person and of their folders.
#pragma once

#include <QString>
#include <QStringList>

namespace likeness::ui {

/// `text` with the folder `home` as ~ and the word `user` as USER, wherever they stand.
QString redacted(QString text, const QString& home, const QString& user);
/// Version, system, recipe (YAML; empty = no project) and the last lines of the log, redacted for
/// the person who runs the program.
QString problemReport(const QString& recipe, const QStringList& logLines);

}  // namespace likeness::ui
