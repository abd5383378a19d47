// Whatever editor wrote it: CR, LF or both, blanks around, a mark before.
#include "core/text/lines.h"

#include <algorithm>
#include <cstdint>

#include "core/base/file_system.h"
#include "core/text/unicode.h"

namespace likeness::text {

namespace {
constexpr std::string_view kBlank = " \t\r\n\f\v";
}

std::vector<std::string> linesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find_first_not_of(kBlank);
    if (first != std::string_view::npos)
      lines.emplace_back(line.substr(first, line.find_last_not_of(kBlank) + 1 - first));
  }
  return lines;
}

api::Result<std::vector<std::string>> readLines(const std::filesystem::path& file) {
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  const auto content = base::readFile(file, kMaxBytes);
  if (!content) return api::fail(content.error());
  if (encodeUtf8(decodeUtf8(*content)) != *content)
    return api::fail(
        api::ErrorCode::FileUnreadable,
        {{"file", file.string()}, {"reason", "it is not UTF-8 text"}, {"fix", "Save it as UTF-8"}});
  std::string_view text = *content;
  if (constexpr std::string_view kMark = "\xEF\xBB\xBF"; text.starts_with(kMark))
    text.remove_prefix(kMark.size());
  return linesOf(text);
}

}  // namespace likeness::text
