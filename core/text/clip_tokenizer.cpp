// CLIP's byte-pair encoding: normalize, split into words, spell each in bytes, merge by rank.
#include "core/text/clip_tokenizer.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <queue>
#include <tuple>
#include <unordered_map>

#include "core/base/file_system.h"
#include "core/text/unicode.h"

namespace likeness::text {
namespace {

using api::ErrorCode;
using api::fail;
using api::Result;

constexpr std::size_t kMaxVocabulary = 1u << 20;
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

std::uint64_t pairKey(std::int64_t left, std::int64_t right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right);
}

auto bad(const std::filesystem::path& file, std::string reason) {
  return fail(ErrorCode::BadTokenizer, {{"file", file.string()}, {"reason", std::move(reason)}});
}

}  // namespace

struct ClipTokenizer::Vocabulary {
  struct Merge {
    std::int64_t rank = 0, id = 0;
  };
  std::vector<std::string> pieces;                    ///< by id, in the byte alphabet
  std::unordered_map<std::string, std::int64_t> ids;  ///< by piece
  std::unordered_map<std::uint64_t, Merge> merges;    ///< by pair of ids
  std::array<std::int64_t, 256> byteIds{},
      lastByteIds{};  ///< a byte inside and at the end of a word
  std::vector<std::pair<std::u32string, std::int64_t>> specials;
  std::int64_t start = 0, end = 0, pad = 0;

  void encodeWord(std::u32string_view word, std::vector<std::int64_t>& out) const;
  void encodePlain(std::u32string_view text, std::vector<std::int64_t>& out) const;
};

namespace {

using Ids = std::unordered_map<std::string, std::int64_t>;

Result<void> readVocabulary(const std::filesystem::path& file,
                            Ids& ids,
                            std::vector<std::string>& pieces) {
  const auto content = base::readFile(file);
  if (!content) return fail(content.error());
  const auto json = nlohmann::json::parse(*content, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.empty()) return bad(file, "it is not a JSON object of pieces");
  if (json.size() > kMaxVocabulary) return bad(file, "it has too many pieces");
  pieces.resize(json.size());
  std::vector<bool> used(json.size());
  for (const auto& [piece, id] : json.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= json.size())
      return bad(file, "the number of “" + piece + "” is out of range");
    const auto index = id.get<std::size_t>();
    if (used[index]) return bad(file, "number " + std::to_string(index) + " stands twice");
    used[index] = true;
    pieces[index] = piece;
    ids.emplace(piece, static_cast<std::int64_t>(index));
  }
  return {};
}

template <class Merges>
Result<void> readMerges(const std::filesystem::path& file, const Ids& ids, Merges& merges) {
  const auto content = base::readFile(file);
  if (!content) return fail(content.error());
  std::int64_t rank = 0;
  for (std::size_t at = 0, line = 1; at < content->size(); ++line) {
    const std::size_t stop = std::min(content->find('\n', at), content->size());
    std::string_view text(content->data() + at, stop - at);
    at = stop + 1;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty() || (line == 1 && text.starts_with("#version"))) continue;
    const std::size_t space = text.find(' ');
    const std::string where = "line " + std::to_string(line);
    if (space == std::string_view::npos) return bad(file, where + " is not a pair of pieces");
    const std::string left(text.substr(0, space)), right(text.substr(space + 1));
    const auto l = ids.find(left), r = ids.find(right), both = ids.find(left + right);
    if (l == ids.end() || r == ids.end() || both == ids.end())
      return bad(file, where + " joins pieces that are not in vocab.json");
    merges[pairKey(l->second, r->second)] = {rank++, both->second};
  }
  return {};
}

/// "pad_token": "x" or {"content": "x"}; the fall-back when the file or the entry is absent.
std::string specialToken(const nlohmann::json& map, const char* key, std::string fallback) {
  const auto entry = map.is_object() ? map.find(key) : map.end();
  if (!map.is_object() || entry == map.end()) return fallback;
  if (entry->is_string()) return *entry;
  if (entry->is_object() && entry->contains("content") && (*entry)["content"].is_string())
    return (*entry)["content"];
  return fallback;
}

}  // namespace

ClipTokenizer::ClipTokenizer() : m_vocabulary(std::make_shared<Vocabulary>()) {}

Result<ClipTokenizer> ClipTokenizer::load(const std::filesystem::path& folder) {
  auto v = std::make_shared<Vocabulary>();
  const auto vocabFile = folder / "vocab.json";
  if (const auto read = readVocabulary(vocabFile, v->ids, v->pieces); !read)
    return fail(read.error());
  if (const auto read = readMerges(folder / "merges.txt", v->ids, v->merges); !read)
    return fail(read.error());

  const auto alphabet = byteAlphabet();
  for (std::size_t b = 0; b < alphabet.size(); ++b) {
    const auto inside = v->ids.find(alphabet[b]);
    const auto last = v->ids.find(alphabet[b] + std::string(kEndOfWord));
    if (inside == v->ids.end() || last == v->ids.end())
      return bad(vocabFile, "the piece for byte " + std::to_string(b) + " is missing");
    v->byteIds[b] = inside->second;
    v->lastByteIds[b] = last->second;
  }

  nlohmann::json map;
  const auto mapFile = folder / "special_tokens_map.json";
  if (std::filesystem::exists(mapFile)) {
    const auto content = base::readFile(mapFile, 1 << 20);
    if (!content) return fail(content.error());
    map = nlohmann::json::parse(*content, nullptr, /*allow_exceptions=*/false);
    if (!map.is_object()) return bad(mapFile, "it is not a JSON object");
  }
  const std::string start = specialToken(map, "bos_token", "<|startoftext|>");
  const std::string end = specialToken(map, "eos_token", "<|endoftext|>");
  const std::string pad = specialToken(map, "pad_token", end);
  for (const auto& [token, id] : {std::pair{start, &v->start}, {end, &v->end}, {pad, &v->pad}}) {
    const auto found = v->ids.find(token);
    if (found == v->ids.end())
      return bad(vocabFile, "the special token “" + token + "” is missing");
    *id = found->second;
  }
  v->specials = {{decodeUtf8(start), v->start}, {decodeUtf8(end), v->end}};

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

void ClipTokenizer::Vocabulary::encodePlain(std::u32string_view raw,
                                            std::vector<std::int64_t>& out) const {
  std::u32string text;
  for (const char32_t c : normalizeNfc(raw)) {
    if (!isWhiteSpace(c))
      appendLower(c, text);
    else if (text.empty() || text.back() != U' ')
      text.push_back(U' ');
  }
  for (std::u32string_view rest(text); !rest.empty();) {
    const std::size_t length = wordLength(rest);
    if (length > 0) encodeWord(rest.substr(0, length), out);
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

std::vector<std::int64_t> ClipTokenizer::encode(std::string_view text) const {
  const Vocabulary& v = *m_vocabulary;
  const std::u32string decoded = decodeUtf8(text);
  std::vector<std::int64_t> ids;
  // Special tokens are found in the raw text; what stands between them is ordinary.
  for (std::u32string_view rest(decoded); !rest.empty();) {
    std::size_t at = std::u32string_view::npos;
    const std::pair<std::u32string, std::int64_t>* special = nullptr;
    for (const auto& candidate : v.specials)
      if (const auto found = rest.find(candidate.first); found < at) {
        at = found;
        special = &candidate;
      }
    v.encodePlain(rest.substr(0, at), ids);
    if (!special) break;
    ids.push_back(special->second);
    rest.remove_prefix(at + special->first.size());
  }
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
