// Field tables: one constexpr row per option feeds YAML, validation, command-line flags, the form
// and the docs page.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace likeness::api {

enum class FieldKind { Boolean, Integer, Number, Text, Path, Choice, TextList };

/// An option's value without its type. Choice and Path travel as text.
using FieldValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// What a person needs to know of an option; all texts English, translated by the window.
struct FieldInfo {
  std::string_view key;        ///< YAML leaf, camelCase; the flag is its kebab-case form
  std::string_view label;      ///< plain words, for the form
  std::string_view help = "";  ///< one or two sentences: what it does, when to change it
  std::string_view unit = "";
  double min = std::numeric_limits<double>::lowest();  ///< inclusive; numbers only
  double max = std::numeric_limits<double>::max();     ///< inclusive; numbers only
  double step = 0;                                     ///< of a spin box; 0 lets the form choose
  bool advanced = false;                               ///< hidden behind "Expert"
  FieldKind kind = FieldKind::Text;                    ///< set by field()
  std::span<const std::string_view> choices = {};      ///< of a Choice; set by field()
  std::span<const std::string_view> labels =
      {};  ///< names of the choices where keys are not readable
};

/// Names of an enum's values in declaration order: specialise for every enum in an option struct.
template <class E>
struct EnumNames;

template <class E>
constexpr std::string_view enumName(E value) {
  return EnumNames<E>::names[static_cast<std::size_t>(value)];
}
template <class E>
constexpr bool parseEnum(std::string_view text, E& out) {
  for (std::size_t i = 0; i < EnumNames<E>::names.size(); ++i) {
    if (EnumNames<E>::names[i] == text) {
      out = static_cast<E>(i);
      return true;
    }
  }
  return false;
}

/// A row of the table of struct S.
template <class S>
struct Field : FieldInfo {
  FieldValue (*get)(const S&) = nullptr;
  /// False when the value has another type or names no choice; ranges are checked by validate().
  bool (*set)(S&, const FieldValue&) = nullptr;
};

namespace detail {
template <class T>
struct MemberOf;
template <class S, class M>
struct MemberOf<M S::*> {
  using Struct = S;
  using Member = M;
};
template <class M>
constexpr FieldKind kindOf() {
  if constexpr (std::is_same_v<M, bool>)
    return FieldKind::Boolean;
  else if constexpr (std::is_integral_v<M>)
    return FieldKind::Integer;
  else if constexpr (std::is_floating_point_v<M>)
    return FieldKind::Number;
  else if constexpr (std::is_enum_v<M>)
    return FieldKind::Choice;
  else if constexpr (std::is_same_v<M, std::filesystem::path>)
    return FieldKind::Path;
  else if constexpr (std::is_same_v<M, std::vector<std::string>>)
    return FieldKind::TextList;
  else
    return FieldKind::Text;
}
template <auto First, auto... Rest>
constexpr auto& reach(auto& object) {
  if constexpr (sizeof...(Rest) == 0)
    return object.*First;
  else
    return reach<Rest...>(object.*First);
}
}  // namespace detail

/// `field<&LoraOptions::rank>({.key = "rank", .label = "Rank", ...})`. Further pointers reach into
/// nested structs: `field<&PriorOptions::sampling, &SamplingOptions::steps>(...)` is a row of
/// PriorOptions.
template <auto First, auto... Rest>
constexpr auto field(FieldInfo info) {
  using S = typename detail::MemberOf<decltype(First)>::Struct;
  using M = std::remove_cvref_t<decltype(detail::reach<First, Rest...>(std::declval<S&>()))>;
  Field<S> row{info};
  row.kind = detail::kindOf<M>();
  if constexpr (std::is_enum_v<M>) row.choices = EnumNames<M>::names;
  if constexpr (requires { EnumNames<M>::labels; }) row.labels = EnumNames<M>::labels;
  row.get = [](const S& object) -> FieldValue {
    const M& member = detail::reach<First, Rest...>(object);
    if constexpr (std::is_same_v<M, bool>)
      return member;
    else if constexpr (std::is_integral_v<M>)
      return static_cast<std::int64_t>(member);
    else if constexpr (std::is_floating_point_v<M>)
      return static_cast<double>(member);
    else if constexpr (std::is_enum_v<M>)
      return std::string(enumName(member));
    else if constexpr (std::is_same_v<M, std::filesystem::path>)
      return member.string();
    else
      return member;
  };
  row.set = [](S& object, const FieldValue& value) -> bool {
    M& member = detail::reach<First, Rest...>(object);
    if constexpr (std::is_same_v<M, bool>) {
      if (const auto* v = std::get_if<bool>(&value)) return member = *v, true;
    } else if constexpr (std::is_integral_v<M>) {
      if (const auto* v = std::get_if<std::int64_t>(&value)) {
        if (static_cast<std::int64_t>(static_cast<M>(*v)) != *v) return false;
        return member = static_cast<M>(*v), true;
      }
    } else if constexpr (std::is_floating_point_v<M>) {
      if (const auto* v = std::get_if<double>(&value)) return member = static_cast<M>(*v), true;
      if (const auto* v = std::get_if<std::int64_t>(&value))
        return member = static_cast<M>(*v), true;
    } else if constexpr (std::is_enum_v<M>) {
      if (const auto* v = std::get_if<std::string>(&value)) return parseEnum(*v, member);
    } else if constexpr (std::is_same_v<M, std::vector<std::string>>) {
      if (const auto* v = std::get_if<std::vector<std::string>>(&value)) return member = *v, true;
      if (const auto* v = std::get_if<std::string>(&value)) return member = {*v}, true;
    } else {
      if (const auto* v = std::get_if<std::string>(&value)) return member = *v, true;
    }
    return false;
  };
  return row;
}

/// The table of an option struct; specialised in options.cpp for each.
template <class S>
std::span<const Field<S>> fields();

/// "at least 1", "between 0 and 1": the limits of a numeric row in words.
std::string rangeText(const FieldInfo& info);
/// "passesPerPhoto" -> "passes-per-photo"
std::string kebabCase(std::string_view key);

}  // namespace likeness::api
