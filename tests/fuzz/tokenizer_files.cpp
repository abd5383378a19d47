// Tokenizer files of any bytes are a vocabulary whose ids lie in it, or a reason. Before the first
// zero byte vocab.json, after it merges.txt; without one tokenizer.json.
#include <cstdlib>

#include "core/text/clip_tokenizer.h"
#include "tests/support/temp_folder.h"

using namespace likeness;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const support::TempFolder two, one;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto zero = input.find('\0');
  const bool isOne = zero == std::string_view::npos;
  if (isOne) {
    support::put(one / "tokenizer.json", std::string(input));
  } else {
    support::put(two / "vocab.json", std::string(input.substr(0, zero)));
    support::put(two / "merges.txt", std::string(input.substr(zero + 1)));
  }
  const auto tokenizer = text::ClipTokenizer::load(isOne ? one.path() : two.path());
  if (!tokenizer) return api::message(tokenizer.error()).empty() ? (std::abort(), 0) : 0;
  for (const auto id : tokenizer->encodePadded("a photo of two cats, 1990 \xc3\xa9"))
    if (id < 0 || id >= tokenizer->vocabularySize()) std::abort();
  return 0;
}
