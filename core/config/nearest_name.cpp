// Which known name a mistyped one was meant to be.
#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

#include "core/config/config.h"

namespace likeness::config {
namespace {

/// Levenshtein distance, case aside.
std::size_t editDistance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearestName(std::string_view name, std::span<const std::string> candidates) {
  if (name.size() > 64) return {};
  // Keys of a section are compared by their own name; the answer shows the section too.
  const auto leaf = [](std::string_view candidate) {
    return candidate.substr(candidate.rfind('.') + 1);
  };
  std::string best;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance =
        std::min(editDistance(name, candidate), editDistance(leaf(name), leaf(candidate)));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace likeness::config
