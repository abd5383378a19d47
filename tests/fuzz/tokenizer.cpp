// A prompt of any bytes becomes ids of the vocabulary.
#include <cstdlib>

#include "core/base/file_system.h"
#include "core/text/clip_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto tokenizer =
      likeness::text::ClipTokenizer::load(likeness::base::findResources() / "starter/tokenizer");
  if (!tokenizer) std::abort();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto id : tokenizer->encode(text))
    if (id < 0 || id >= tokenizer->vocabularySize()) std::abort();
  if (tokenizer->encodePadded(text).size() != 77) std::abort();
  return 0;
}
