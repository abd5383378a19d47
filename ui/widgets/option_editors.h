// One editor per kind of option value, for the option form.
#pragma once

#include <QWidget>
#include <functional>

#include "core/api/field.h"

namespace likeness::ui {

struct OptionEditor {
  QWidget* widget = nullptr;
  /// Shows a value without reporting it.
  std::function<void(const api::FieldValue&)> show;
};

/// `report` is called when the person has changed the value.
OptionEditor makeOptionEditor(const api::FieldInfo& info,
                              std::function<void(const api::FieldValue&)> report);

}  // namespace likeness::ui
