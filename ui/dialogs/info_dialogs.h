// Dialogs that only tell: about the program, one picture enlarged. None blocks.
#pragma once

#include <QImage>
#include <QString>

class QWidget;

namespace likeness::ui {

class DialogService;

void showAbout(QWidget* parent, DialogService& dialogs, const QString& logFolder);
void showPicture(QWidget* parent, const QImage& image, const QString& caption);

}  // namespace likeness::ui
