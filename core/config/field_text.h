// Words about fields that YAML and JSON share.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>

#include "core/api/field.h"
#include "core/api/result.h"

namespace likeness::config {

/// A value as it stands in YAML: true, 0.5, lora, [to_q, "a b"].
std::string yamlText(const api::FieldValue& value);
/// "one of full, lora".
inline std::string oneOf(std::span<const std::string_view> names) {
  std::string text = "one of ";
  for (std::size_t i = 0; i < names.size(); ++i) text.append(i ? ", " : "").append(names[i]);
  return text;
}

/// "a whole number", "one of full, lora".
inline std::string expectedText(const api::FieldInfo& info) {
  switch (info.kind) {
    case api::FieldKind::Boolean:
      return "true or false";
    case api::FieldKind::Integer:
      return "a whole number";
    case api::FieldKind::Number:
      return "a number";
    case api::FieldKind::TextList:
      return "a list of texts";
    case api::FieldKind::Choice:
      break;
    case api::FieldKind::Text:
    case api::FieldKind::Path:
      return "text";
  }
  return oneOf(info.choices);
}

inline auto wrongType(const std::string& file,
                      const std::string& key,
                      std::string value,
                      std::string expected) {
  return api::fail(api::ErrorCode::WrongType,
                   {{"key", key},
                    {"file", file},
                    {"value", std::move(value)},
                    {"expected", std::move(expected)}});
}

}  // namespace likeness::config
