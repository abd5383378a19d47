// Unicode by utf8proc: decoding, NFC, lower case, categories.
#include "core/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "core/text/unicode_newer.h"

namespace likeness::text {
namespace {

/// The row of a table of ranges that holds `c`, or its end.
template <class Table>
auto rowOf(const Table& table, char32_t c) {
  return std::find_if(std::begin(table), std::end(table), [c](const auto& row) {
    return c >= row.first && c <= row.last;
  });
}

bool staysPut(char32_t c) {
  return c >= newer::kStill[0].first && rowOf(newer::kStill, c) != std::end(newer::kStill);
}

/// NFC of text that holds none of newer::kStill.
void appendNfc(std::u32string_view text, std::u32string& out) {
  const std::string source = encodeUtf8(text);
  utf8proc_uint8_t* result = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(source.data()),
                   static_cast<utf8proc_ssize_t>(source.size()),
                   &result,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (size < 0)
    out += text;
  else
    out += decodeUtf8({reinterpret_cast<const char*>(result), static_cast<std::size_t>(size)});
}

}  // namespace

std::u32string decodeUtf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = 0;
    const auto used =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    out.push_back(used > 0 ? static_cast<char32_t>(c) : U'\uFFFD');
    i += used > 0 ? static_cast<std::size_t>(used) : 1;
  }
  return out;
}

std::string encodeUtf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    utf8proc_uint8_t bytes[4];
    const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  return out;
}

std::u32string normalizeNfc(std::u32string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const auto stop = std::find_if(text.begin(), text.end(), staysPut);
    const auto length = static_cast<std::size_t>(stop - text.begin());
    if (length > 0) appendNfc(text.substr(0, length), out);
    if (stop != text.end()) out.push_back(*stop);
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

void appendLower(char32_t c, std::u32string& out) {
  if (c == U'\u0130') {
    out += U"i\u0307";
    return;
  }
  const auto newer = rowOf(newer::kLower, c);
  out.push_back(newer != std::end(newer::kLower)
                    ? static_cast<char32_t>(static_cast<std::int32_t>(c) + newer->by)
                    : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

bool isLetter(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category == UTF8PROC_CATEGORY_CN &&
          rowOf(newer::kLetters, c) != std::end(newer::kLetters));
}

bool isNumber(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) ||
         (category == UTF8PROC_CATEGORY_CN &&
          rowOf(newer::kNumbers, c) != std::end(newer::kNumbers));
}

bool isWhiteSpace(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace likeness::text
