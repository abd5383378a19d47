// The inner text of an error, for whoever wants it, with a button that copies all of it.
#pragma once

#include <QString>

class QWidget;

namespace likeness::ui {

/// Opens without blocking.
void showErrorDetails(QWidget* parent,
                      const QString& sentence,
                      const QString& hint,
                      const QString& detail);

}  // namespace likeness::ui
