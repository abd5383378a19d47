// Dialogs that only tell: about the program, what a model is, one picture enlarged. None blocks.
#pragma once

#include <QImage>
#include <QString>

#include "core/api/workspace.h"

class QWidget;

namespace likeness::ui {

class DialogService;

void showAbout(QWidget* parent, DialogService& dialogs, const QString& logFolder);
void showModel(QWidget* parent, const QString& name, const api::ModelReport& report);
void showPicture(QWidget* parent, const QImage& image, const QString& caption);

}  // namespace likeness::ui
