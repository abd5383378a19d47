// Reading what may come from anyone: every number and every reference between the files is checked
// here.
#include "core/text/vocabulary_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "core/base/file_system.h"

namespace likeness::text {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using api::Result;
using nlohmann::json;

constexpr std::size_t kMaxVocabulary = 1u << 20;

auto bad(const fs::path& file, std::string reason) {
  return fail(ErrorCode::BadTokenizer, {{"file", file.string()}, {"reason", std::move(reason)}});
}

/// Pieces are shown in errors, which travel as JSON: bytes that are no UTF-8 must not get there.
std::string shown(const std::string& piece) {
  const std::string text =
      json(piece.substr(0, 40)).dump(-1, ' ', false, json::error_handler_t::replace);
  return "“" + text.substr(1, text.size() - 2) + "”";
}

Result<json> readObject(const fs::path& file) {
  const auto content = base::readFile(file);
  if (!content) return fail(content.error());
  auto object = json::parse(*content, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return bad(file, "it is not a JSON object");
  return object;
}

Result<void> takePieces(const json& vocabulary, VocabularyFiles& files) {
  const auto& file = files.vocabulary;
  if (!vocabulary.is_object() || vocabulary.empty()) return bad(file, "it holds no pieces");
  if (vocabulary.size() > kMaxVocabulary) return bad(file, "it has too many pieces");
  files.pieces.resize(vocabulary.size());
  std::vector<bool> used(vocabulary.size());
  for (const auto& [piece, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= vocabulary.size())
      return bad(file, "the number of " + shown(piece) + " is out of range");
    const auto index = id.get<std::size_t>();
    if (used[index]) return bad(file, "number " + std::to_string(index) + " stands twice");
    used[index] = true;
    files.pieces[index] = piece;
    files.ids.emplace(piece, static_cast<std::int64_t>(index));
  }
  return {};
}

/// `where` names the place for the error.
Result<void> takeMerge(std::string_view left,
                       std::string_view right,
                       const fs::path& file,
                       const std::string& where,
                       VocabularyFiles& files) {
  const auto l = files.ids.find(std::string(left)), r = files.ids.find(std::string(right));
  const auto joined = files.ids.find(std::string(left) + std::string(right));
  if (l == files.ids.end() || r == files.ids.end() || joined == files.ids.end())
    return bad(file, where + " joins pieces that are not in the vocabulary");
  files.merges.push_back({l->second, r->second, joined->second});
  return {};
}

Result<void> takeMergeText(std::string_view text,
                           const fs::path& file,
                           const std::string& where,
                           VocabularyFiles& files) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return bad(file, where + " is not a pair of pieces");
  return takeMerge(text.substr(0, space), text.substr(space + 1), file, where, files);
}

Result<void> readMerges(const fs::path& file, VocabularyFiles& files) {
  const auto content = base::readFile(file);
  if (!content) return fail(content.error());
  for (std::size_t at = 0, line = 1; at < content->size(); ++line) {
    const std::size_t stop = std::min(content->find('\n', at), content->size());
    std::string_view text(content->data() + at, stop - at);
    at = stop + 1;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty() || (line == 1 && text.starts_with("#version"))) continue;
    if (auto taken = takeMergeText(text, file, "line " + std::to_string(line), files); !taken)
      return taken;
  }
  return {};
}

/// Both forms of tokenizer.json: "left right" and ["left", "right"].
Result<void> takeMerges(const json& merges, VocabularyFiles& files) {
  const auto& file = files.vocabulary;
  if (!merges.is_array()) return bad(file, "it holds no merges");
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto& merge = merges[i];
    const std::string where = "merge " + std::to_string(i + 1);
    Result<void> taken;
    if (merge.is_string())
      taken = takeMergeText(merge.get_ref<const std::string&>(), file, where, files);
    else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      taken = takeMerge(merge[0].get_ref<const std::string&>(),
                        merge[1].get_ref<const std::string&>(),
                        file,
                        where,
                        files);
    else
      return bad(file, where + " is not a pair of pieces");
    if (!taken) return taken;
  }
  return {};
}

/// tokenizer_config.json overlaid by special_tokens_map.json, as transformers reads them; either
/// may be absent.
Result<json> readSpecialsMap(const fs::path& folder) {
  json map = json::object();
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    std::error_code ignored;
    if (!fs::exists(folder / name, ignored)) continue;
    const auto object = readObject(folder / name);
    if (!object) return fail(object.error());
    map.update(*object);
  }
  return map;
}

/// "pad_token": "x" or {"content": "x", "normalized": true}.
Result<std::int64_t> takeSpecial(const json& map,
                                 const char* key,
                                 const std::string& fallback,
                                 VocabularyFiles& files) {
  VocabularyFiles::Special special{fallback, 0, false};
  if (const auto entry = map.find(key); entry != map.end() && entry->is_string()) {
    special.text = *entry;
  } else if (entry != map.end() && entry->is_object()) {
    special.text = entry->value("/content"_json_pointer, json()).is_string() ? (*entry)["content"]
                                                                             : json(fallback);
    special.normalized = entry->value("/normalized"_json_pointer, json()) == true;
  }
  const auto id = files.ids.find(special.text);
  if (special.text.empty() || id == files.ids.end())
    return bad(files.vocabulary, "the special token " + shown(special.text) + " is missing");
  special.id = id->second;
  const auto same = std::ranges::find(files.specials, special.id, &VocabularyFiles::Special::id);
  if (same == files.specials.end())
    files.specials.push_back(special);
  else
    *same = special;  // the later of two entries for one text counts
  return special.id;
}

Result<void> takeSpecials(const fs::path& folder,
                          const std::string& padText,
                          VocabularyFiles& files) {
  auto map = readSpecialsMap(folder);
  if (!map) return fail(map.error());
  if (!padText.empty()) (*map)["pad_token"] = padText;
  const auto start = takeSpecial(*map, "bos_token", "<|startoftext|>", files);
  if (!start) return fail(start.error());
  const auto end = takeSpecial(*map, "eos_token", "<|endoftext|>", files);
  if (!end) return fail(end.error());
  const std::string endText = files.pieces[static_cast<std::size_t>(*end)];
  const auto unknown = takeSpecial(*map, "unk_token", endText, files);
  if (!unknown) return fail(unknown.error());
  const auto pad = takeSpecial(*map, "pad_token", endText, files);
  if (!pad) return fail(pad.error());
  files.start = *start;
  files.end = *end;
  files.pad = *pad;
  return {};
}

/// Says more exactly than the map which tokens are looked for after normalization.
void takeAddedTokens(const json& added, VocabularyFiles& files) {
  if (!added.is_array()) return;
  for (const auto& token : added) {
    if (!token.is_object()) continue;
    for (auto& special : files.specials)
      if (token.value("/content"_json_pointer, json()) == special.text)
        special.normalized = token.value("/normalized"_json_pointer, json()) == true;
  }
}

}  // namespace

Result<VocabularyFiles> readVocabularyFiles(const fs::path& folder, const std::string& pad) {
  VocabularyFiles files;
  std::error_code ignored;
  files.vocabulary = folder / "vocab.json";
  if (fs::exists(files.vocabulary, ignored) || !fs::exists(folder / "tokenizer.json", ignored)) {
    const auto vocabulary = readObject(files.vocabulary);
    if (!vocabulary) return fail(vocabulary.error());
    if (auto taken = takePieces(*vocabulary, files); !taken) return fail(taken.error());
    if (auto read = readMerges(folder / "merges.txt", files); !read) return fail(read.error());
    if (auto taken = takeSpecials(folder, pad, files); !taken) return fail(taken.error());
    return files;
  }
  files.vocabulary = folder / "tokenizer.json";
  const auto all = readObject(files.vocabulary);
  if (!all) return fail(all.error());
  const auto part = [&](const char* pointer) {
    return all->value(json::json_pointer(pointer), json());
  };
  if (part("/model/end_of_word_suffix") != "</w>")
    return bad(files.vocabulary, "it is no tokenizer of CLIP's kind");
  if (auto taken = takePieces(part("/model/vocab"), files); !taken) return fail(taken.error());
  if (auto taken = takeMerges(part("/model/merges"), files); !taken) return fail(taken.error());
  if (auto taken = takeSpecials(folder, pad, files); !taken) return fail(taken.error());
  takeAddedTokens(part("/added_tokens"), files);
  return files;
}

}  // namespace likeness::text
