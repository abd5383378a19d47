// What a person may write in a prompt, and the chunks of tokens that a text encoder reads.
//
// Syntax (api::PromptSyntax::A1111), as AUTOMATIC1111's web UI reads it:
//   (word) weighs 1.1, ((word)) 1.21, (word:1.3) 1.3, [word] 1 / 1.1; nested weights multiply;
//   \( \) \[ \] \\ are the characters themselves; an opening bracket that is never closed acts to
//   the end, a closing one without an opening is text; BREAK ends a chunk;
//   {a|b} becomes one of its alternatives per picture, chosen by the seed; alternatives nest.
//
// Chunks: an encoder reads 77 tokens: start, 75 of the prompt, end. Longer prompts are cut into
// chunks, each with its own start and end, padded as a short prompt is; the encoded chunks [77, D]
// stand one behind the other, [77 k, D]. Where a chunk is full and its last comma is at most 20
// tokens back, what follows the comma moves to the next chunk.
//
// Weights act on the encoded tokens of a chunk, z [77, D] with weights w [77] (start, end and
// padding weigh 1):
//   z' = z * w,  z'' = z' * mean(z) / mean(z'),
// the means over all values of the chunk. A chunk whose weights are all 1 is left as it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/options.h"
#include "core/base/random.h"
#include "core/text/clip_tokenizer.h"

namespace likeness::text {

/// Text of one weight. `breaks`: a new chunk begins before it.
struct PromptPiece {
  std::string text;
  double weight = 1;
  bool breaks = false;
  bool operator==(const PromptPiece&) const = default;
};

/// A prompt cut at its weights and breaks; at least one piece. A number that is none ("1.2.3", one
/// beyond the range of double) is text. BREAK also acts within brackets, where the web UI takes it
/// for a word.
std::vector<PromptPiece> parseAttention(std::string_view prompt);

/// A word that stands for vectors learned by textual inversion, numbered over all words of a model:
/// it takes `count` places of a chunk, never divided between two chunks.
struct LearnedWord {
  std::string word;
  std::int64_t first = 0, count = 1;
};

/// What the encoder reads at once.
struct PromptChunk {
  /// Of the vocabulary; a negative one is the learned vector number -1 - id.
  std::vector<std::int64_t> ids;
  std::vector<float> weights;
  bool isWeighted() const;
};

struct PromptTokens {
  std::vector<PromptChunk> chunks;  ///< at least one
  std::int64_t used =
      0;  ///< without start and end; a chunk that BREAK or a comma ended counts full
  std::int64_t limit = 0;  ///< what the chunks hold
};

/// Chunks of `length` tokens. Plain: one chunk, `used` may exceed `limit` (the rest is cut off),
/// the ids of ClipTokenizer::encodePadded. A prompt without syntax that fits gives the same chunk
/// under both. Words of `learned` are found by their tokens, the one with most tokens first.
PromptTokens tokenizePrompt(const ClipTokenizer& tokenizer,
                            std::string_view prompt,
                            api::PromptSyntax syntax,
                            std::size_t length = 77,
                            std::span<const LearnedWord> learned = {});

/// Every {a|b} replaced by one of its alternatives, each as likely as the others, drawn in the
/// order in which they stand. Braces without | stay, and so does what a backslash precedes.
std::string chooseAlternatives(std::string_view prompt, const base::Random& random);

/// The prompt of the picture of `seed`: chooseAlternatives under A1111's syntax, else as it is.
/// Prompt and negative prompt draw apart.
std::string promptOfPicture(std::string_view prompt, api::PromptSyntax syntax, std::int64_t seed);
std::string negativeOfPicture(std::string_view prompt, api::PromptSyntax syntax, std::int64_t seed);

/// The lines of a text file, trimmed, without empty ones and those that begin with #. Errors:
/// FileNotFound; FileUnreadable, also when it is not UTF-8 or holds no prompt.
api::Result<std::vector<std::string>> readPromptFile(const std::filesystem::path& file);

}  // namespace likeness::text
