// Line icons of resources/icons, drawn in the palette's colours at paint time, so that a theme
// change needs no reload.
#pragma once

#include <QIcon>
#include <QString>

namespace likeness::ui {

enum class Tint { Text, Muted, Accent, OnAccent, Warning, Error, Success };

/// The icon of resources/icons/NAME.svg; disabled states are drawn fainter.
QIcon icon(const char* name, Tint tint = Tint::Text);

}  // namespace likeness::ui
