// CLIP's byte-pair tokenizer for any vocabulary in its format, semantics of transformers' fast
// tokenizer: NFC, runs of white space to one space, per-character lower case.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/result.h"

namespace likeness::text {

class ClipTokenizer {
 public:
  ClipTokenizer();
  /// `folder` holds vocab.json and merges.txt, or tokenizer.json alone; special_tokens_map.json and
  /// tokenizer_config.json name the special tokens; `pad` names the pad token in their place.
  /// Errors: BadTokenizer, FileNotFound, FileUnreadable.
  static api::Result<ClipTokenizer> load(const std::filesystem::path& folder,
                                         const std::string& pad = {});

  /// Ids without start and end tokens. Any bytes are accepted; invalid UTF-8 becomes U+FFFD.
  /// Special tokens in the text become their ids, the pad token too (SD 2 pads with "!"), as in
  /// transformers.
  std::vector<std::int64_t> encode(std::string_view text) const;
  /// start + ids (cut to length - 2) + end, padded to `length`.
  std::vector<std::int64_t> encodePadded(std::string_view text, std::size_t length = 77) const;
  /// The piece of an id as text, "</w>" shown as a trailing space.
  std::string piece(std::int64_t id) const;
  std::int64_t vocabularySize() const;
  std::int64_t startId() const;
  std::int64_t endId() const;
  std::int64_t padId() const;

 private:
  struct Vocabulary;
  std::shared_ptr<const Vocabulary> m_vocabulary;
};

}  // namespace likeness::text
