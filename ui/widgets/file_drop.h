// Files that are dropped on a part of a page.
#pragma once

#include <QStringList>
#include <functional>

class QMimeData;
class QWidget;

namespace likeness::ui {

/// Local files and folders of a drop, their paths clean.
QStringList droppedFiles(const QMimeData* data);
/// By name alone.
bool isPicturePath(const QString& path);
bool isTextPath(const QString& path);

/// Lets files be dropped on `target`: `wants` tells by their names, at once; `take` gets them. What
/// is not wanted goes on to the widget around it. While files hover, the property "dropping" is
/// true. The source keeps its files, whatever it proposes.
void acceptFiles(QWidget* target,
                 std::function<bool(const QStringList&)> wants,
                 std::function<void(const QStringList&)> take);

}  // namespace likeness::ui
