// A tokenizer folder as its files say it: vocab.json and merges.txt, or the one tokenizer.json that
// transformers 5 writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/api/result.h"

namespace likeness::text {

struct VocabularyFiles {
  /// Two pieces that become one, all three by id; earlier ones go first.
  struct Merge {
    std::int64_t left = 0, right = 0, joined = 0;
  };
  /// Text that is an id of its own wherever it stands.
  struct Special {
    std::string text;
    std::int64_t id = 0;
    bool normalized = false;  ///< looked for after normalization, so that case does not matter
  };
  std::filesystem::path vocabulary;  ///< the file that the pieces came from
  std::vector<std::string> pieces;   ///< by id
  std::unordered_map<std::string, std::int64_t> ids;
  std::vector<Merge> merges;
  std::vector<Special> specials;
  std::int64_t start = 0, end = 0, pad = 0;
};

/// Every id lies in 0..pieces-1 and is used once. Errors: BadTokenizer, FileNotFound,
/// FileUnreadable.
/// `pad` names the pad token in place of the folder's.
api::Result<VocabularyFiles> readVocabularyFiles(const std::filesystem::path& folder,
                                                 const std::string& pad = {});

}  // namespace likeness::text
