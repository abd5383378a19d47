// A prompt of any bytes becomes chunks of whole length with finite weights.
#include <cmath>
#include <cstdlib>

#include "core/base/file_system.h"
#include "core/text/prompt.h"

using namespace likeness;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto tokenizer =
      text::ClipTokenizer::load(base::findResources() / "starter/tokenizer");
  if (!tokenizer) std::abort();
  const std::string_view prompt(reinterpret_cast<const char*>(data), size);
  const std::string chosen = text::promptOfPicture(prompt, api::PromptSyntax::A1111, 7);
  if (chosen.size() > size) std::abort();
  const text::LearnedWord word{"cat", 0, 3};
  const auto tokens =
      text::tokenizePrompt(*tokenizer, chosen, api::PromptSyntax::A1111, 77, {&word, 1});
  if (tokens.chunks.empty() || tokens.used > tokens.limit) std::abort();
  for (const text::PromptChunk& chunk : tokens.chunks) {
    if (chunk.ids.size() != 77 || chunk.weights.size() != 77) std::abort();
    for (const auto id : chunk.ids)
      if (id < -word.count || id >= tokenizer->vocabularySize()) std::abort();
    for (const float weight : chunk.weights)
      if (!std::isfinite(weight)) std::abort();
  }
  return 0;
}
