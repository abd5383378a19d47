// YAML onto a request: every key is looked up in the field tables, everything else is an error that
// names it.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>
#include <sstream>
#include <stdexcept>

#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/config/field_text.h"

namespace likeness::config {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using api::Result;

namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 8;
constexpr std::string_view kFix =
    "Correct it in a text editor; `likeness-cli train --print-config` shows how such a file looks";
constexpr std::size_t kMaxNodes = 50000;

/// Looks at a document before any tree is built from it: hostile files end here.
class Guard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override { count(); }
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {
    throw std::length_error("it uses aliases, which recipes do not");
  }
  void OnScalar(const YAML::Mark&,
                const std::string&,
                YAML::anchor_t,
                const std::string&) override {
    count();
  }
  void OnSequenceStart(const YAML::Mark&,
                       const std::string&,
                       YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    enter();
  }
  void OnSequenceEnd() override { --m_depth; }
  void OnMapStart(const YAML::Mark&,
                  const std::string&,
                  YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    enter();
  }
  void OnMapEnd() override { --m_depth; }

 private:
  void count() {
    if (++m_nodes > kMaxNodes) throw std::length_error("it holds too many entries");
  }
  void enter() {
    count();
    if (++m_depth > kMaxDepth) throw std::length_error("it is nested too deeply");
  }
  int m_depth = 0;
  std::size_t m_nodes = 0;
};

Result<YAML::Node> load(const std::string& text, const std::string& file) {
  const auto unreadable = [&](std::string reason) {
    return fail(ErrorCode::FileUnreadable,
                {{"file", file}, {"reason", std::move(reason)}, {"fix", std::string(kFix)}});
  };
  if (text.size() > kMaxBytes) return unreadable("it is too large for a recipe");
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Guard guard;
    parser.HandleNextDocument(guard);
    YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return YAML::Node(YAML::NodeType::Map);
    if (!root.IsMap()) return unreadable("it is not a list of \"key: value\" lines");
    return root;
  } catch (const YAML::Exception& error) {
    return unreadable("line " + std::to_string(error.mark.line + 1) + " is not YAML: " + error.msg);
  } catch (const std::length_error& error) {
    return unreadable(error.what());
  }
}

template <class T>
std::optional<T> parseNumber(const std::string& text) {
  T value{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// What a value looks like, for the message.
std::string shown(const YAML::Node& node) {
  if (node.IsScalar())
    return node.Scalar().size() > 60 ? node.Scalar().substr(0, 60) + "..." : node.Scalar();
  return node.IsSequence() ? "a list" : node.IsMap() ? "a section" : "empty";
}

/// The value as the kind of field wants it; nothing when it has another type.
std::optional<api::FieldValue> valueOf(const YAML::Node& node, api::FieldKind kind) {
  if (kind == api::FieldKind::TextList && node.IsSequence()) {
    std::vector<std::string> list;
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) return std::nullopt;
      list.push_back(item.Scalar());
    }
    return list;
  }
  const bool text = kind == api::FieldKind::Text || kind == api::FieldKind::Path;
  if (text && node.IsNull()) return std::string();
  if (!node.IsScalar()) return std::nullopt;
  const std::string& scalar = node.Scalar();
  switch (kind) {
    case api::FieldKind::Boolean: {
      bool value = false;
      if (!YAML::convert<bool>::decode(node, value)) return std::nullopt;
      return value;
    }
    case api::FieldKind::Integer:
      if (const auto value = parseNumber<std::int64_t>(scalar)) return *value;
      return std::nullopt;
    case api::FieldKind::Number:
      if (const auto value = parseNumber<double>(scalar)) return *value;
      return std::nullopt;
    default:
      return scalar;
  }
}

/// Reads one document into one request; the first error ends it.
class Reader {
 public:
  Reader(api::TrainRequest& request, std::string file, fs::path baseFolder)
      : m_request(request), m_file(std::move(file)), m_baseFolder(std::move(baseFolder)) {
    for (const char* key : {"schemaVersion",
                            "base",
                            "base.path",
                            "base.checkpoint",
                            "base.hash",
                            "base.vae",
                            "base.prediction",
                            "photos",
                            "furtherSubjects",
                            "runFolder",
                            "classImageFolder",
                            "cacheFolder",
                            "resume"})
      m_known.emplace_back(key);
    api::forEachSection(m_request, [&]<class S>(const char* section, S&) {
      m_known.emplace_back(section);
      for (const auto& row : api::fields<S>())
        m_known.push_back(section + ("." + std::string(row.key)));
    });
  }

  Result<void> root(const YAML::Node& node) {
    if (auto version = schemaVersion(node["schemaVersion"]); !version) return version;
    return eachKey(node, "", [&](const std::string& key, const YAML::Node& value) -> Result<void> {
      if (key == "schemaVersion") return {};
      if (key == "base") return base(value);
      if (key == "photos") return photos(value, key, m_request.photos);
      if (key == "furtherSubjects") return furtherSubjects(value);
      if (key == "runFolder") return path(value, key, m_request.runFolder);
      if (key == "classImageFolder") return path(value, key, m_request.classImageFolder);
      if (key == "cacheFolder") return path(value, key, m_request.cacheFolder);
      if (key == "resume") return boolean(value, key, m_request.resume);
      return section(key, value);
    });
  }

 private:
  /// Visits the entries of a map; refuses other nodes and doubled keys.
  template <class Visit>
  Result<void> eachKey(const YAML::Node& node, const std::string& where, Visit visit) {
    if (node.IsNull()) return {};
    if (!node.IsMap())
      return wrongType(m_file, where, shown(node), "a section with \"key: value\" lines");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar())
        return wrongType(m_file,
                         where.empty() ? "the outermost level" : where,
                         shown(entry.first),
                         "a section with plain keys");
      const std::string& key = entry.first.Scalar();
      if (!seen.insert(key).second)
        return fail(ErrorCode::FileUnreadable,
                    {{"file", m_file},
                     {"reason", "\"" + dotted(where, key) + "\" stands there twice"},
                     {"fix", std::string(kFix)}});
      if (Result<void> result = visit(key, entry.second); !result) return result;
    }
    return {};
  }
  static std::string dotted(const std::string& where, const std::string& key) {
    return where.empty() ? key : where + "." + key;
  }

  Result<void> unknown(const std::string& key) const {
    return fail(ErrorCode::UnknownKey,
                {{"key", key}, {"file", m_file}, {"nearest", nearestName(key, m_known)}});
  }
  /// Of an entry of a list, which knows `keys`.
  Result<void> unknown(const std::string& where,
                       const std::string& key,
                       const std::vector<std::string>& keys) const {
    return fail(
        ErrorCode::UnknownKey,
        {{"key", dotted(where, key)}, {"file", m_file}, {"nearest", nearestName(key, keys)}});
  }

  Result<void> schemaVersion(const YAML::Node& node) const {
    if (!node) return {};
    const auto version = node.IsScalar() ? parseNumber<std::int64_t>(node.Scalar()) : std::nullopt;
    if (!version || *version < 1)
      return wrongType(m_file, "schemaVersion", shown(node), "a whole number from 1 on");
    if (*version > kSchemaVersion)
      return fail(ErrorCode::NewerSchema,
                  {{"file", m_file}, {"version", std::to_string(*version)}});
    return {};
  }

  Result<void> section(const std::string& name, const YAML::Node& node) {
    bool found = false;
    Result<void> result;
    api::forEachSection(m_request, [&]<class S>(const char* known, S& options) {
      if (name != known) return;
      found = true;
      result = eachKey(node, name, [&](const std::string& key, const YAML::Node& value) {
        return option(options, name, key, value);
      });
    });
    return found ? result : unknown(name);
  }

  template <class S>
  Result<void> option(S& options,
                      const std::string& section,
                      const std::string& key,
                      const YAML::Node& node) {
    for (const api::Field<S>& row : api::fields<S>())
      if (row.key == key) return assign(options, row, dotted(section, key), node);
    if (section.find('[') == std::string::npos) return unknown(dotted(section, key));
    std::vector<std::string> keys;
    for (const api::Field<S>& row : api::fields<S>()) keys.emplace_back(row.key);
    return unknown(section, key, keys);
  }

  template <class S>
  Result<void> assign(S& options,
                      const api::Field<S>& row,
                      const std::string& key,
                      const YAML::Node& node) {
    auto value = valueOf(node, row.kind);
    if (value && row.kind == api::FieldKind::Path)
      value = absolute(std::get<std::string>(*value)).string();
    if (!value || !row.set(options, *value))
      return wrongType(m_file, key, shown(node), expectedText(row));
    double number = row.min;
    if (const auto* integer = std::get_if<std::int64_t>(&*value))
      number = static_cast<double>(*integer);
    if (const auto* real = std::get_if<double>(&*value)) number = *real;
    if (number >= row.min && number <= row.max) return {};
    return fail(ErrorCode::OutOfRange,
                {{"key", key},
                 {"label", std::string(row.label)},
                 {"file", m_file},
                 {"value", shown(node)},
                 {"range", api::rangeText(row)}});
  }

  Result<void> text(const YAML::Node& node, const std::string& key, std::string& out) const {
    const auto value = valueOf(node, api::FieldKind::Text);
    if (!value) return wrongType(m_file, key, shown(node), "text");
    out = std::get<std::string>(*value);
    return {};
  }
  Result<void> boolean(const YAML::Node& node, const std::string& key, bool& out) const {
    const auto value = valueOf(node, api::FieldKind::Boolean);
    if (!value) return wrongType(m_file, key, shown(node), "true or false");
    out = std::get<bool>(*value);
    return {};
  }
  Result<void> whole(const YAML::Node& node, const std::string& key, std::int64_t& out) const {
    const auto value = valueOf(node, api::FieldKind::Integer);
    if (!value) return wrongType(m_file, key, shown(node), "a whole number");
    out = std::get<std::int64_t>(*value);
    return {};
  }
  Result<void> path(const YAML::Node& node, const std::string& key, fs::path& out) const {
    std::string value;
    if (auto result = text(node, key, value); !result) return result;
    out = absolute(value);
    return {};
  }
  template <class E>
  Result<void> choice(const YAML::Node& node, const std::string& key, E& out) {
    std::string value;
    if (auto result = text(node, key, value); !result) return result;
    if (api::parseEnum(value, out)) return {};
    return wrongType(m_file, key, shown(node), oneOf(api::EnumNames<E>::names));
  }
  fs::path absolute(const fs::path& path) const {
    if (path.empty() || path.is_absolute() || m_baseFolder.empty()) return path;
    return (m_baseFolder / path).lexically_normal();
  }

  Result<void> base(const YAML::Node& node) {
    std::string path;
    if (!node.IsMap()) {
      if (auto result = text(node, "base", path); !result) return result;
      m_request.base = {};
    } else {
      api::ModelRef& base = m_request.base;
      path = base.path;
      auto result = eachKey(node, "base", [&](const std::string& key, const YAML::Node& value) {
        if (key == "path") return text(value, "base.path", path);
        if (key == "checkpoint") return text(value, "base.checkpoint", base.checkpoint);
        if (key == "hash") return text(value, "base.hash", base.hash);
        if (key == "vae") return this->path(value, "base.vae", base.vae);
        if (key == "prediction") return choice(value, "base.prediction", base.prediction);
        return unknown("base." + key);
      });
      if (!result) return result;
    }
    // `starter` is a name, not a folder beside the file.
    m_request.base.path = path == "starter" ? path : absolute(path).string();
    return {};
  }

  /// An entry for each item of the list at `where`, filled in by `read(item, its place, entry)`.
  template <class T, class Read>
  Result<void> list(const YAML::Node& node,
                    const std::string& where,
                    std::string_view ofWhat,
                    std::vector<T>& out,
                    Read read) {
    if (!node.IsSequence() && !node.IsNull())
      return wrongType(m_file, where, shown(node), "a list of " + std::string(ofWhat));
    out.clear();
    for (const YAML::Node& item : node) {
      const std::string place = where + "[" + std::to_string(out.size()) + "]";
      if (Result<void> result = read(item, place, out.emplace_back()); !result) return result;
    }
    return {};
  }

  Result<void> photos(const YAML::Node& node,
                      const std::string& where,
                      std::vector<api::Photo>& out) {
    return list(
        node,
        where,
        "files",
        out,
        [&](const YAML::Node& item, const std::string& place, api::Photo& photo) {
          if (item.IsScalar()) return path(item, place, photo.file);
          return eachKey(item, place, [&](const std::string& key, const YAML::Node& value) {
            const std::string name = dotted(place, key);
            if (key == "file") return path(value, name, photo.file);
            if (key == "caption") return text(value, name, photo.caption);
            if (key == "crop") return crop(value, name, photo.crop);
            if (key == "exclude") return boolean(value, name, photo.excluded);
            if (key == "mask") return path(value, name, photo.mask);
            if (key == "repeats") return whole(value, name, photo.repeats);
            return unknown(place, key, {"file", "caption", "crop", "exclude", "mask", "repeats"});
          });
        });
  }

  Result<void> furtherSubjects(const YAML::Node& node) {
    return list(
        node,
        "furtherSubjects",
        "subjects",
        m_request.furtherSubjects,
        [&](const YAML::Node& item, const std::string& place, api::FurtherSubject& further) {
          return eachKey(item, place, [&](const std::string& key, const YAML::Node& value) {
            const std::string name = dotted(place, key);
            if (key == "subject")
              return eachKey(value, name, [&](const std::string& word, const YAML::Node& content) {
                return option(further.subject, name, word, content);
              });
            if (key == "photos") return photos(value, name, further.photos);
            if (key == "classFolder") return path(value, name, further.classFolder);
            return unknown(place, key, {"subject", "photos", "classFolder"});
          });
        });
  }

  Result<void> crop(const YAML::Node& node,
                    const std::string& key,
                    std::optional<api::CropRect>& out) const {
    std::vector<double> values;
    if (node.IsSequence())
      for (const YAML::Node& item : node)
        if (const auto value = item.IsScalar() ? parseNumber<double>(item.Scalar()) : std::nullopt)
          values.push_back(*value);
    if (!node.IsSequence() || values.size() != 4 || node.size() != 4)
      return wrongType(m_file, key, shown(node), "four numbers: [x, y, width, height]");
    out = api::CropRect{values[0], values[1], values[2], values[3]};
    return {};
  }

  api::TrainRequest& m_request;
  std::string m_file;
  fs::path m_baseFolder;
  std::vector<std::string> m_known;
};

}  // namespace

Result<void> applyYaml(api::TrainRequest& request,
                       const std::string& text,
                       const std::string& fileName,
                       const fs::path& baseFolder) {
  auto root = load(text, fileName);
  if (!root) return fail(root.error());
  api::TrainRequest changed = request;
  auto result = Reader(changed, fileName, baseFolder).root(*root);
  if (result) request = std::move(changed);
  return result;
}

Result<void> applyYamlFile(api::TrainRequest& request, const fs::path& file) {
  auto text = base::readFile(file, kMaxBytes);
  if (!text) return fail(text.error());
  return applyYaml(request, *text, file.string(), file.parent_path());
}

}  // namespace likeness::config
