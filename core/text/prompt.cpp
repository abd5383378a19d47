// A1111's prompt syntax and its chunks.
#include "core/text/prompt.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "core/text/lines.h"

namespace likeness::text {
namespace {

constexpr double kBracketWeight = 1.1;
constexpr std::size_t kCommaBacktrack = 20;
constexpr std::string_view kBreak = "BREAK";
constexpr std::string_view kBlank = " \t\r\n\f\v";

bool isWordByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || c == '_' || (c >= '0' && c <= '9') ||
         ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/// Position of the next BREAK that is a word of its own.
std::size_t findBreak(std::string_view text) {
  for (std::size_t at = text.find(kBreak); at != std::string_view::npos;
       at = text.find(kBreak, at + 1)) {
    const std::size_t end = at + kBreak.size();
    if ((at == 0 || !isWordByte(text[at - 1])) && (end == text.size() || !isWordByte(text[end])))
      return at;
  }
  return std::string_view::npos;
}

/// ":1.3)" at the start of `rest`: the number, and how many characters it takes.
struct WeightMark {
  double weight;
  std::size_t length;
};
std::optional<WeightMark> weightMark(std::string_view rest) {
  const std::size_t begin = rest.find_first_not_of(kBlank, 1);
  if (rest.front() != ':' || begin == std::string_view::npos) return std::nullopt;
  // from_chars takes no plus.
  const char* first = rest.data() + begin + (rest[begin] == '+' ? 1 : 0);
  const char* last = rest.data() + rest.size();
  double weight = 0;
  const auto [end, error] = std::from_chars(first, last, weight, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  // Neither "inf" nor "+-1".
  const std::string_view number(first, static_cast<std::size_t>(end - first));
  if (number.find_first_not_of("0123456789.", number.front() == '-' ? 1 : 0) != number.npos ||
      (number.front() == '-' && rest[begin] == '+'))
    return std::nullopt;
  const std::size_t close =
      rest.find_first_not_of(kBlank, static_cast<std::size_t>(end - rest.data()));
  if (close == std::string_view::npos || rest[close] != ')') return std::nullopt;
  return WeightMark{weight, close + 1};
}

/// The bracket stack of parseAttention.
class AttentionParser {
 public:
  std::vector<PromptPiece> operator()(std::string_view rest) {
    while (!rest.empty()) rest.remove_prefix(take(rest));
    for (const std::size_t open : m_round) weigh(open, kBracketWeight);
    for (const std::size_t open : m_square) weigh(open, 1 / kBracketWeight);
    std::vector<PromptPiece> joined;
    for (PromptPiece& piece : m_pieces) {
      if (joined.empty() || piece.breaks || piece.weight != joined.back().weight)
        joined.push_back(std::move(piece));
      else
        joined.back().text += piece.text;
    }
    if (joined.empty()) joined.emplace_back();
    return joined;
  }

 private:
  /// Handles what `rest` begins with; how many characters that was.
  std::size_t take(std::string_view rest) {
    const char c = rest.front();
    if (c == '\\') return takeEscape(rest);
    if (c == '(' || c == '[') {
      (c == '(' ? m_round : m_square).push_back(m_pieces.size());
      return 1;
    }
    if (c == ')' && !m_round.empty()) return close(m_round, kBracketWeight), 1;
    if (c == ']' && !m_square.empty()) return close(m_square, 1 / kBracketWeight), 1;
    if (c == ':' && !m_round.empty()) {
      if (const auto mark = weightMark(rest)) return close(m_round, mark->weight), mark->length;
    }
    // At least this character, then up to the next that may mean something.
    const std::size_t length = std::min(rest.find_first_of("\\()[]:", 1), rest.size());
    takeText(rest.substr(0, length));
    return length;
  }

  /// A backslash is dropped, whatever follows it.
  std::size_t takeEscape(std::string_view rest) {
    const bool known = rest.size() > 1 && std::string_view("()[]\\").find(rest[1]) != rest.npos;
    m_pieces.push_back({std::string(rest.substr(1, known ? 1 : 0))});
    return known ? 2 : 1;
  }

  void takeText(std::string_view text) {
    bool breaks = false;
    for (std::size_t at = findBreak(text); at != std::string_view::npos; at = findBreak(text)) {
      m_pieces.push_back({std::string(text.substr(0, at)), 1, breaks});
      text.remove_prefix(at + kBreak.size());
      breaks = true;
    }
    m_pieces.push_back({std::string(text), 1, breaks});
  }

  void close(std::vector<std::size_t>& brackets, double weight) {
    weigh(brackets.back(), weight);
    brackets.pop_back();
  }
  void weigh(std::size_t from, double weight) {
    for (std::size_t i = from; i < m_pieces.size(); ++i) m_pieces[i].weight *= weight;
  }

  std::vector<PromptPiece> m_pieces;
  std::vector<std::size_t> m_round, m_square;  ///< pieces before each bracket that is open
};

/// Fills chunks token by token.
class Chunker {
 public:
  Chunker(const ClipTokenizer& tokenizer, std::size_t length, std::span<const LearnedWord> learned)
      : m_tokenizer(tokenizer), m_room(length - 2) {
    if (const auto comma = tokenizer.encode(","); comma.size() == 1) m_comma = comma.front();
    for (const LearnedWord& word : learned)
      m_learned.push_back({tokenizer.encode(word.word), word});
    std::ranges::stable_sort(
        m_learned, std::ranges::greater(), [](const auto& word) { return word.first.size(); });
  }

  PromptTokens operator()(std::string_view prompt) {
    for (const PromptPiece& piece : parseAttention(prompt)) {
      if (piece.breaks) endChunk(m_room);
      const auto ids = m_tokenizer.encode(piece.text);
      for (std::span<const std::int64_t> rest = ids; !rest.empty();)
        rest = rest.subspan(add(rest, static_cast<float>(piece.weight)));
    }
    if (!m_open.ids.empty() || m_out.chunks.empty()) endChunk(m_open.ids.size());
    return std::move(m_out);
  }

  /// The first chunk alone, without syntax.
  PromptTokens plain(std::string_view prompt) {
    m_comma = -1;
    const auto ids = m_tokenizer.encode(prompt);
    for (std::span<const std::int64_t> rest = ids; !rest.empty();)
      rest = rest.subspan(add(rest, 1));
    endChunk(m_open.ids.size());
    m_out.chunks.resize(1);
    m_out.limit = static_cast<std::int64_t>(m_room);
    return std::move(m_out);
  }

  /// Closes the open chunk, which counts as `used` tokens: start, its tokens, end, padding.
  void endChunk(std::size_t used) {
    m_out.used += static_cast<std::int64_t>(used);
    m_out.limit += static_cast<std::int64_t>(m_room);
    m_open.ids.insert(m_open.ids.begin(), m_tokenizer.startId());
    m_open.weights.insert(m_open.weights.begin(), 1);
    m_open.ids.push_back(m_tokenizer.endId());
    m_open.ids.resize(m_room + 2, m_tokenizer.padId());
    m_open.weights.resize(m_room + 2, 1);
    m_out.chunks.push_back(std::move(m_open));
    m_open = {};
    m_afterComma.reset();
  }

 private:
  /// Adds the token or learned word at the start of `rest`; how many tokens of it that was.
  std::size_t add(std::span<const std::int64_t> rest, float weight) {
    auto& ids = m_open.ids;
    if (rest.front() == m_comma)
      m_afterComma = ids.size() + 1;
    else if (ids.size() == m_room && m_afterComma && ids.size() - *m_afterComma < kCommaBacktrack)
      moveWhatFollowsComma();
    if (ids.size() == m_room) endChunk(m_room);

    const auto word = std::ranges::find_if(m_learned, [rest](const auto& candidate) {
      const auto& tokens = candidate.first;
      return !tokens.empty() && tokens.size() <= rest.size() &&
             std::ranges::equal(tokens, rest.first(tokens.size()));
    });
    if (word == m_learned.end()) {
      push(rest.front(), weight);
      return 1;
    }
    const LearnedWord& learned = word->second;
    const auto count = std::min(static_cast<std::size_t>(learned.count), m_room);
    if (ids.size() + count > m_room) endChunk(m_room);
    for (std::size_t i = 0; i < count; ++i)
      push(-1 - (learned.first + static_cast<std::int64_t>(i)), weight);
    return word->first.size();
  }

  void push(std::int64_t id, float weight) {
    m_open.ids.push_back(id);
    m_open.weights.push_back(weight);
  }

  void moveWhatFollowsComma() {
    const auto from = static_cast<std::ptrdiff_t>(*m_afterComma);
    PromptChunk moved{{m_open.ids.begin() + from, m_open.ids.end()},
                      {m_open.weights.begin() + from, m_open.weights.end()}};
    m_open.ids.resize(*m_afterComma);
    m_open.weights.resize(*m_afterComma);
    endChunk(m_room);
    m_open = std::move(moved);
  }

  const ClipTokenizer& m_tokenizer;
  std::size_t m_room;
  std::int64_t m_comma = -1;  ///< no id
  std::vector<std::pair<std::vector<std::int64_t>, LearnedWord>> m_learned;
  PromptTokens m_out;
  PromptChunk m_open;                       ///< without start and end
  std::optional<std::size_t> m_afterComma;  ///< place behind the open chunk's last comma
};

/// {a|b}: where it opens, its bars, where it closes.
using Group = std::vector<std::size_t>;

/// The closed groups of braces with a bar of their own, by the place of the opening one.
std::map<std::size_t, Group> findGroups(std::string_view text) {
  std::map<std::size_t, Group> groups;
  std::vector<Group> open;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') ++at;
    if (c == '{') open.push_back({at});
    if (open.empty()) continue;
    if (c == '|' || c == '}') open.back().push_back(at);
    if (c != '}') continue;
    if (open.back().size() > 2) groups.emplace(open.back().front(), std::move(open.back()));
    open.pop_back();
  }
  return groups;
}

std::string chosen(std::string_view prompt,
                   api::PromptSyntax syntax,
                   std::int64_t seed,
                   std::uint64_t stream) {
  if (syntax == api::PromptSyntax::Plain) return std::string(prompt);
  return chooseAlternatives(
      prompt, base::Random(static_cast<std::uint64_t>(seed), base::Purpose::Alternative, stream));
}

}  // namespace

std::vector<PromptPiece> parseAttention(std::string_view prompt) {
  return AttentionParser()(prompt);
}

bool PromptChunk::isWeighted() const {
  return std::ranges::any_of(weights, [](float weight) { return weight != 1; });
}

PromptTokens tokenizePrompt(const ClipTokenizer& tokenizer,
                            std::string_view prompt,
                            api::PromptSyntax syntax,
                            std::size_t length,
                            std::span<const LearnedWord> learned) {
  if (syntax == api::PromptSyntax::A1111) return Chunker(tokenizer, length, learned)(prompt);
  if (!learned.empty()) return Chunker(tokenizer, length, learned).plain(prompt);
  return {{{tokenizer.encodePadded(prompt, length), std::vector<float>(length, 1)}},
          static_cast<std::int64_t>(tokenizer.encode(prompt).size()),
          static_cast<std::int64_t>(length - 2)};
}

std::string chooseAlternatives(std::string_view prompt, const base::Random& random) {
  struct Entered {
    std::size_t end, resume;  ///< of the alternative, and behind its group
  };
  const auto groups = findGroups(prompt);
  std::vector<Entered> entered;
  std::string out;
  std::uint64_t draw = 0;
  for (std::size_t at = 0; at < prompt.size() || !entered.empty();) {
    if (!entered.empty() && at == entered.back().end) {
      at = entered.back().resume;
      entered.pop_back();
    } else if (const auto found = groups.find(at); found != groups.end()) {
      const Group& group = found->second;
      const auto choice = random.below(group.size() - 1, draw++);
      entered.push_back({group[choice + 1], group.back() + 1});
      at = group[choice] + 1;
    } else {
      out += prompt[at++];
    }
  }
  return out;
}

std::string promptOfPicture(std::string_view prompt, api::PromptSyntax syntax, std::int64_t seed) {
  return chosen(prompt, syntax, seed, 0);
}
std::string negativeOfPicture(std::string_view prompt,
                              api::PromptSyntax syntax,
                              std::int64_t seed) {
  return chosen(prompt, syntax, seed, 1);
}

api::Result<std::vector<std::string>> readPromptFile(const std::filesystem::path& file) {
  auto prompts = readLines(file);
  if (!prompts) return prompts;
  std::erase_if(*prompts, [](const std::string& line) { return line.front() == '#'; });
  if (prompts->empty())
    return api::fail(api::ErrorCode::FileUnreadable,
                     {{"file", file.string()}, {"reason", "it holds no prompt"}});
  return prompts;
}

}  // namespace likeness::text
