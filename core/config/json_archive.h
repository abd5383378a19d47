// Values as JSON and back. A struct says its members once, in a function members() that serves both
// directions (json_members.h); options say them in their field tables.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/api/field.h"
#include "core/api/result.h"
#include "core/config/config.h"
#include "core/config/field_text.h"

namespace likeness::config {

using Json = nlohmann::ordered_json;

/// T is S, or const S: `template <class A, As<api::Photo> P> void members(A& a, P& photo)`.
template <class T, class S>
concept As = std::same_as<std::remove_const_t<T>, S>;

/// How many values an enum has that travels as a number; specialised for each.
template <class E>
inline constexpr int kEnumSize = 0;

namespace detail {

template <class T>
concept Named = requires {
  api::EnumNames<T>::names;
};
template <class T, template <class...> class Template>
inline constexpr bool isA = false;
template <template <class...> class Template, class... Arguments>
inline constexpr bool isA<Template<Arguments...>, Template> = true;

/// Whether it is a whole number that T can hold.
template <class T>
bool holds(const Json& value) {
  if (value.is_number_unsigned()) return std::in_range<T>(value.get<std::uint64_t>());
  return value.is_number_integer() && std::in_range<T>(value.get<std::int64_t>());
}

inline std::optional<api::FieldValue> fieldValue(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (holds<std::int64_t>(value)) return value.get<std::int64_t>();
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  std::vector<std::string> list;
  for (const Json& item : value) {
    if (!item.is_string()) return std::nullopt;
    list.push_back(item.get<std::string>());
  }
  return list;
}

template <std::size_t I = 0, class... T>
void emplaceAt(std::variant<T...>& variant, std::size_t index) {
  if constexpr (I < sizeof...(T)) {
    if (index == I)
      variant.template emplace<I>();
    else
      emplaceAt<I + 1>(variant, index);
  }
}

}  // namespace detail

/// Bytes that are no UTF-8 become U+FFFD.
inline std::string textOf(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <class T>
Json jsonOf(const T& value);

/// What members() writes into.
class JsonWriter {
 public:
  template <class T>
  JsonWriter& operator()(const char* key, const T& value) {
    object[key] = jsonOf(value);
    return *this;
  }
  /// The rows of the field table of S, as an object of their own.
  template <class S>
  JsonWriter& table(const char* key, const S& options) {
    Json rows = Json::object();
    for (const api::Field<S>& row : api::fields<S>())
      rows[std::string(row.key)] = jsonOf(row.get(options));
    object[key] = std::move(rows);
    return *this;
  }
  Json object = Json::object();
};

/// Enums by name where they have names, variants as [index, value], pairs as [first, second].
template <class T>
Json jsonOf(const T& value) {
  if constexpr (std::is_same_v<T, api::FieldValue>) {
    return std::visit([](const auto& held) { return Json(held); }, value);
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return value.string();
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (detail::Named<T>) {
    return std::string(api::enumName(value));
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<int>(value);
  } else if constexpr (detail::isA<T, std::optional>) {
    return value ? jsonOf(*value) : Json();
  } else if constexpr (detail::isA<T, std::vector>) {
    Json list = Json::array();
    for (const auto& item : value) list.push_back(jsonOf(item));
    return list;
  } else if constexpr (detail::isA<T, std::pair>) {
    return Json::array({jsonOf(value.first), jsonOf(value.second)});
  } else if constexpr (detail::isA<T, std::variant>) {
    return std::visit(
        [&](const auto& held) {
          return Json::array({value.index(), jsonOf(held)});
        },
        value);
  } else if constexpr (requires(JsonWriter & writer) { members(writer, value); }) {
    JsonWriter writer;
    members(writer, value);
    return std::move(writer.object);
  } else {
    return std::move(JsonWriter().table("", value).object[""]);
  }
}

/// What members() reads from: every key must be there, of its type, and known. The first error
/// stays and ends the reading.
class JsonReader {
 public:
  /// `where` is the dotted path of the object, `file` what errors name; both stay for its life.
  JsonReader(Json object,
             std::string where,
             const std::string& file,
             std::optional<api::Error>& error)
      : m_object(std::move(object)), m_where(std::move(where)), m_file(file), m_error(error) {
    expect(m_object.is_object(), m_object, m_where.empty() ? "request" : m_where, "an object");
  }

  template <class T>
  JsonReader& operator()(const char* key, T& out) {
    const Json value = take(key);
    read(value, name(key), out);
    return *this;
  }
  template <class S>
  JsonReader& table(const char* key, S& options) {
    const Json value = take(key);
    readTable(value, name(key), options);
    return *this;
  }
  /// What has not been taken is unknown.
  void end() {
    if (m_error || m_object.empty()) return;
    const std::string& key = m_object.begin().key();
    note(api::fail(api::ErrorCode::UnknownKey,
                   {{"key", name(key)}, {"file", m_file}, {"nearest", nearestName(key, m_known)}}));
  }
  /// A value that is no member of an object.
  template <class T>
  static api::Result<T> whole(const Json& json, const std::string& file) {
    std::optional<api::Error> error;
    T out{};
    JsonReader(Json::object(), "", file, error).read(json, "", out);
    if (error) return api::fail(std::move(*error));
    return out;
  }

 private:
  template <class T>
  void read(const Json& value, const std::string& where, T& out);

  template <class S>
  void readTable(const Json& value, const std::string& where, S& options) {
    if (m_error) return;
    JsonReader object(value, where, m_file, m_error);
    for (const api::Field<S>& row : api::fields<S>()) {
      const Json entry = object.take(std::string(row.key));
      if (m_error) return;
      const auto typed = detail::fieldValue(entry);
      expect(typed && row.set(options, *typed),
             entry,
             object.name(std::string(row.key)),
             expectedText(row));
    }
    object.end();
  }

  Json take(const std::string& key) {
    m_known.push_back(key);
    if (m_error) return {};
    const auto entry = m_object.find(key);
    if (entry == m_object.end()) {
      note(api::fail(api::ErrorCode::MissingValue, {{"key", name(key)}, {"file", m_file}}));
      return {};
    }
    Json value = std::move(*entry);
    m_object.erase(entry);
    return value;
  }
  std::string name(const std::string& key) const {
    return m_where.empty() ? key : m_where + "." + key;
  }
  bool expect(bool fits, const Json& value, const std::string& where, std::string expected) {
    if (!fits) note(wrongType(m_file, where, textOf(value), std::move(expected)));
    return fits;
  }
  void note(tl::unexpected<api::Error> error) {
    if (!m_error) m_error = std::move(error.value());
  }

  Json m_object;
  std::string m_where;
  const std::string& m_file;
  std::optional<api::Error>& m_error;
  std::vector<std::string> m_known;
};

template <class T>
void JsonReader::read(const Json& value, const std::string& where, T& out) {
  if (m_error) return;
  const auto fits = [&](bool good, std::string expected) {
    return expect(good, value, where, std::move(expected));
  };
  if constexpr (std::is_same_v<T, api::FieldValue>) {
    auto held = detail::fieldValue(value);
    if (fits(held.has_value(), "a plain value")) out = std::move(*held);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (fits(value.is_boolean(), "true or false")) out = value.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (fits(detail::holds<T>(value), "a whole number")) out = value.get<T>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (fits(value.is_number(), "a number")) out = value.get<T>();
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    if (fits(value.is_string(), "text")) out = value.get<std::string>();
  } else if constexpr (detail::Named<T>) {
    fits(value.is_string() && api::parseEnum(value.get<std::string>(), out),
         oneOf(api::EnumNames<T>::names));
  } else if constexpr (std::is_enum_v<T>) {
    static_assert(kEnumSize<T> > 0);
    if (fits(detail::holds<int>(value) && value.get<int>() >= 0 && value.get<int>() < kEnumSize<T>,
             "a number below " + std::to_string(kEnumSize<T>)))
      out = static_cast<T>(value.get<int>());
  } else if constexpr (detail::isA<T, std::optional>) {
    if (value.is_null())
      out.reset();
    else
      read(value, where, out.emplace());
  } else if constexpr (detail::isA<T, std::vector>) {
    if (!fits(value.is_array(), "a list")) return;
    out.clear();
    for (const Json& item : value)
      read(item, where + "[" + std::to_string(out.size()) + "]", out.emplace_back());
  } else if constexpr (detail::isA<T, std::pair>) {
    if (!fits(value.is_array() && value.size() == 2, "a list of two")) return;
    read(value[0], where + "[0]", out.first);
    read(value[1], where + "[1]", out.second);
  } else if constexpr (detail::isA<T, std::variant>) {
    if (!fits(value.is_array() && value.size() == 2 && detail::holds<std::size_t>(value[0]) &&
                  value[0].get<std::size_t>() < std::variant_size_v<T>,
              "a list of a kind and what it holds"))
      return;
    detail::emplaceAt(out, value[0].get<std::size_t>());
    std::visit([&](auto& held) { read(value[1], where + "[1]", held); }, out);
  } else if constexpr (requires(JsonReader & reader) { members(reader, out); }) {
    JsonReader object(value, where, m_file, m_error);
    members(object, out);
    object.end();
  } else {
    readTable(value, where, out);
  }
}

}  // namespace likeness::config
