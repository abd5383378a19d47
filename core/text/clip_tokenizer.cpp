// CLIP's byte-pair encoding: normalize, split into words, spell each in bytes, merge by rank.
#include "core/text/clip_tokenizer.h"

#include <algorithm>
#include <array>
#include <queue>
#include <tuple>
#include <unordered_map>

#include "core/text/unicode.h"
#include "core/text/vocabulary_files.h"

namespace likeness::text {
namespace {

using api::ErrorCode;
using api::fail;
using api::Result;

constexpr std::string_view kEndOfWord = "</w>";

/// Byte -> printable character, as GPT-2 and CLIP write bytes in their vocabularies.
std::array<std::string, 256> byteAlphabet() {
  std::array<std::string, 256> alphabet;
  char32_t next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    const char32_t c = printable ? static_cast<char32_t>(b) : next++;
    alphabet[b] = encodeUtf8(std::u32string_view(&c, 1));
  }
  return alphabet;
}

/// NFC, every run of white space as one space, lower case.
std::u32string normalized(std::u32string_view raw) {
  std::u32string text;
  for (const char32_t c : normalizeNfc(raw)) {
    if (!isWhiteSpace(c))
      appendLower(c, text);
    else if (text.empty() || text.back() != U' ')
      text.push_back(U' ');
  }
  return text;
}

/// Appends the ids of the special tokens in `text`, of several at one place the longest, and calls
/// `plain` for what stands before, between and behind them.
template <class Specials, class Plain>
void encodeAround(const Specials& specials,
                  std::u32string_view text,
                  std::vector<std::int64_t>& ids,
                  const Plain& plain) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const typename Specials::value_type* special = nullptr;
    for (const auto& candidate : specials)
      if (text.substr(at).starts_with(candidate.first) &&
          (!special || candidate.first.size() > special->first.size()))
        special = &candidate;
    if (!special) {
      ++at;
      continue;
    }
    plain(text.substr(begin, at - begin));
    ids.push_back(special->second);
    begin = at += special->first.size();
  }
  plain(text.substr(begin));
}

std::uint64_t pairKey(std::int64_t left, std::int64_t right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right);
}

}  // namespace

struct ClipTokenizer::Vocabulary {
  struct Merge {
    std::int64_t rank = 0, id = 0;
  };
  using Specials = std::vector<std::pair<std::u32string, std::int64_t>>;
  std::vector<std::string> pieces;                  ///< by id, in the byte alphabet
  std::unordered_map<std::uint64_t, Merge> merges;  ///< by pair of ids
  std::array<std::int64_t, 256> byteIds{},
      lastByteIds{};                         ///< a byte inside and at the end of a word
  Specials rawSpecials, normalizedSpecials;  ///< looked for before and after normalization
  std::int64_t start = 0, end = 0, pad = 0;

  void encodeWord(std::u32string_view word, std::vector<std::int64_t>& out) const;
  void encodeWords(std::u32string_view normalized, std::vector<std::int64_t>& out) const;
};

ClipTokenizer::ClipTokenizer() : m_vocabulary(std::make_shared<Vocabulary>()) {}

Result<ClipTokenizer> ClipTokenizer::load(const std::filesystem::path& folder,
                                          const std::string& pad) {
  auto files = readVocabularyFiles(folder, pad);
  if (!files) return fail(files.error());
  auto v = std::make_shared<Vocabulary>();
  const auto alphabet = byteAlphabet();
  for (std::size_t b = 0; b < alphabet.size(); ++b) {
    const auto inside = files->ids.find(alphabet[b]);
    const auto last = files->ids.find(alphabet[b] + std::string(kEndOfWord));
    if (inside == files->ids.end() || last == files->ids.end())
      return fail(ErrorCode::BadTokenizer,
                  {{"file", files->vocabulary.string()},
                   {"reason", "the piece for byte " + std::to_string(b) + " is missing"}});
    v->byteIds[b] = inside->second;
    v->lastByteIds[b] = last->second;
  }
  for (std::size_t rank = 0; rank < files->merges.size(); ++rank) {
    const auto& merge = files->merges[rank];
    v->merges[pairKey(merge.left, merge.right)] = {static_cast<std::int64_t>(rank), merge.joined};
  }
  for (const auto& special : files->specials) {
    const std::u32string text = decodeUtf8(special.text);
    (special.normalized ? v->normalizedSpecials : v->rawSpecials)
        .emplace_back(special.normalized ? normalized(text) : text, special.id);
  }
  v->pieces = std::move(files->pieces);
  v->start = files->start;
  v->end = files->end;
  v->pad = files->pad;

  ClipTokenizer tokenizer;
  tokenizer.m_vocabulary = std::move(v);
  return tokenizer;
}

/// Merges the pair of lowest rank, the leftmost first, until none is left.
void ClipTokenizer::Vocabulary::encodeWord(std::u32string_view word,
                                           std::vector<std::int64_t>& out) const {
  struct Symbol {
    std::int64_t id;
    int previous, next;
  };
  struct Candidate {
    std::int64_t rank;
    int left;
    std::int64_t leftId, rightId, id;
    bool operator<(const Candidate& other) const {
      return std::tie(rank, left) > std::tie(other.rank, other.left);
    }
  };
  const std::string bytes = encodeUtf8(word);
  std::vector<Symbol> symbols;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const int at = static_cast<int>(i);
    const bool last = i + 1 == bytes.size();
    symbols.push_back({last ? lastByteIds[byte] : byteIds[byte], at - 1, last ? -1 : at + 1});
  }

  std::priority_queue<Candidate> queue;
  const auto consider = [&](int left) {
    if (left < 0 || symbols[left].next < 0) return;
    const std::int64_t a = symbols[left].id, b = symbols[symbols[left].next].id;
    if (const auto merge = merges.find(pairKey(a, b)); merge != merges.end())
      queue.push({merge->second.rank, left, a, b, merge->second.id});
  };
  for (int i = 0; i < static_cast<int>(symbols.size()); ++i) consider(i);
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    Symbol& left = symbols[c.left];
    // Merged away or changed since it was queued.
    if (left.id != c.leftId || left.next < 0 || symbols[left.next].id != c.rightId) continue;
    Symbol& right = symbols[left.next];
    left.id = c.id;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = c.left;
    consider(left.previous);
    consider(c.left);
  }
  for (const Symbol& symbol : symbols)
    if (symbol.id >= 0) out.push_back(symbol.id);
}

namespace {

/// Length of the word at the start of `rest`, 0 for a space. Words are, in this order:
/// contractions, letters+, one number, anything else but space+.
std::size_t wordLength(std::u32string_view rest) {
  static constexpr std::array<std::u32string_view, 7> contractions{
      U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};
  for (const auto contraction : contractions)
    if (rest.starts_with(contraction)) return contraction.size();
  const auto run = [rest](auto&& belongs) {
    return static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), belongs) -
                                    rest.begin());
  };
  if (isLetter(rest[0])) return run(isLetter);
  if (isNumber(rest[0])) return 1;
  return run([](char32_t c) { return !isWhiteSpace(c) && !isLetter(c) && !isNumber(c); });
}

}  // namespace

void ClipTokenizer::Vocabulary::encodeWords(std::u32string_view rest,
                                            std::vector<std::int64_t>& out) const {
  // In the pattern these stand whole; byte-level splitting then takes their brackets off again.
  static constexpr std::array<std::u32string_view, 2> kBracketed{U"<|startoftext|>",
                                                                 U"<|endoftext|>"};
  while (!rest.empty()) {
    std::size_t length = wordLength(rest);
    const auto bracketed = std::find_if(
        kBracketed.begin(), kBracketed.end(), [rest](auto text) { return rest.starts_with(text); });
    if (bracketed != kBracketed.end()) {
      length = bracketed->size();
      encodeWord(rest.substr(0, 2), out);
      encodeWord(rest.substr(2, length - 4), out);
      encodeWord(rest.substr(length - 2, 2), out);
    } else if (length > 0) {
      encodeWord(rest.substr(0, length), out);
    }
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

std::vector<std::int64_t> ClipTokenizer::encode(std::string_view text) const {
  const Vocabulary& v = *m_vocabulary;
  std::vector<std::int64_t> ids;
  encodeAround(v.rawSpecials, decodeUtf8(text), ids, [&](std::u32string_view raw) {
    encodeAround(v.normalizedSpecials, normalized(raw), ids, [&](std::u32string_view plain) {
      v.encodeWords(plain, ids);
    });
  });
  return ids;
}

std::vector<std::int64_t> ClipTokenizer::encodePadded(std::string_view text,
                                                      std::size_t length) const {
  std::vector<std::int64_t> ids = encode(text);
  ids.resize(std::min(ids.size(), length - 2));
  ids.insert(ids.begin(), startId());
  ids.push_back(endId());
  ids.resize(length, padId());
  return ids;
}

std::string ClipTokenizer::piece(std::int64_t id) const {
  const Vocabulary& v = *m_vocabulary;
  if (id < 0 || id >= vocabularySize()) return {};
  std::string_view text = v.pieces[static_cast<std::size_t>(id)];
  const bool last = text.ends_with(kEndOfWord);
  if (last) text.remove_suffix(kEndOfWord.size());
  static const auto bytes = [] {
    std::unordered_map<std::string, char> map;
    const auto alphabet = byteAlphabet();
    for (std::size_t b = 0; b < alphabet.size(); ++b)
      map.emplace(alphabet[b], static_cast<char>(b));
    return map;
  }();
  std::string out;
  for (const char32_t c : decodeUtf8(text)) {
    const std::string symbol = encodeUtf8(std::u32string_view(&c, 1));
    const auto byte = bytes.find(symbol);
    if (byte != bytes.end())
      out.push_back(byte->second);
    else
      out += symbol;
  }
  return last ? out + " " : out;
}

std::int64_t ClipTokenizer::vocabularySize() const {
  return static_cast<std::int64_t>(m_vocabulary->pieces.size());
}
std::int64_t ClipTokenizer::startId() const { return m_vocabulary->start; }
std::int64_t ClipTokenizer::endId() const { return m_vocabulary->end; }
std::int64_t ClipTokenizer::padId() const { return m_vocabulary->pad; }

}  // namespace likeness::text
