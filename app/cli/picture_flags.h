// Flags of the commands that make pictures: what a GenerateRequest holds beside model and places.
#pragma once

#include <charconv>

#include "app/cli/flags.h"

namespace likeness::cli {

/// Text that is a number from its beginning to its end.
template <class T>
bool parseWhole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

class PictureFlags {
 public:
  /// --checkpoint, --adapter, --size and a flag for every option of `request`, which holds the
  /// defaults and outlives the parsing, except for the plain members in `leftOut`.
  PictureFlags(CLI::App& app,
               api::GenerateRequest& request,
               std::vector<std::string_view> leftOut = {});
  /// Lays what was given over `request`. Errors: BadUsage naming the flag.
  api::Result<void> apply(api::GenerateRequest& request) const;

 private:
  Flags m_flags;
  std::vector<std::string> m_adapters;
  std::string m_size;
};

}  // namespace likeness::cli
