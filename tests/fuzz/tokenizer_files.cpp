// Tokenizer files of any bytes are a vocabulary whose ids lie in it, or a reason. Before the first
// zero byte vocab.json, after it merges.txt; without one tokenizer.json.
#include <cstdlib>

#include "core/text/clip_tokenizer.h"
#include "tests/fuzz/scratch_folder.h"

using namespace likeness;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder two, one;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto zero = input.find('\0');
  const bool isOne = zero == std::string_view::npos;
  if (isOne) {
    one.write("tokenizer.json", input);
  } else {
    two.write("vocab.json", input.substr(0, zero));
    two.write("merges.txt", input.substr(zero + 1));
  }
  const auto tokenizer = text::ClipTokenizer::load(isOne ? one.path() : two.path());
  if (!tokenizer) return api::message(tokenizer.error()).empty() ? (std::abort(), 0) : 0;
  for (const auto id : tokenizer->encodePadded("a photo of two cats, 1990 \xc3\xa9"))
    if (id < 0 || id >= tokenizer->vocabularySize()) std::abort();
  return 0;
}
