// The little Unicode that CLIP's tokenizer needs: utf8proc, and where it differs the tables of
// transformers' tokenizer.
#pragma once

#include <string>
#include <string_view>

namespace likeness::text {

/// UTF-8 to code points; every byte that is not part of a valid sequence becomes U+FFFD.
std::u32string decodeUtf8(std::string_view text);
std::string encodeUtf8(std::u32string_view text);
/// Unicode normalization form C.
std::u32string normalizeNfc(std::u32string_view text);
/// Lower case of one character; the only one that grows is U+0130.
void appendLower(char32_t c, std::u32string& out);

bool isLetter(char32_t c);      ///< general categories L*
bool isNumber(char32_t c);      ///< general categories N*
bool isWhiteSpace(char32_t c);  ///< property White_Space

}  // namespace likeness::text
