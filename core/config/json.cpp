// The request that a picture carries: complete JSON, and the text that other programs read.
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/config/config.h"
#include "core/config/field_text.h"

namespace likeness::config {
using api::ErrorCode;
using api::fail;
using api::Result;
using nlohmann::ordered_json;

namespace {

ordered_json toJsonValue(const api::FieldValue& value) {
  return std::visit([](const auto& v) { return ordered_json(v); }, value);
}

std::optional<api::FieldValue> fieldValue(const ordered_json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  std::vector<std::string> list;
  for (const ordered_json& item : value) {
    if (!item.is_string()) return std::nullopt;
    list.push_back(item.get<std::string>());
  }
  return list;
}

template <class S>
ordered_json sectionJson(const S& object) {
  ordered_json out = ordered_json::object();
  for (const api::Field<S>& row : api::fields<S>())
    out[std::string(row.key)] = toJsonValue(row.get(object));
  return out;
}

ordered_json modelJson(const api::ModelRef& model) {
  return {{"path", model.path},
          {"checkpoint", model.checkpoint},
          {"hash", model.hash},
          {"vae", model.vae.string()},
          {"prediction", api::enumName(model.prediction)}};
}

/// Takes known keys out of an object, so that what is left is unknown.
class ObjectReader {
 public:
  ObjectReader(ordered_json object,
               std::string where,
               const std::string& file,
               std::optional<api::Error>& error)
      : m_object(std::move(object)), m_where(std::move(where)), m_file(file), m_error(error) {
    if (!m_object.is_object())
      note(wrongType(
          m_file, m_where.empty() ? "request" : m_where, m_object.type_name(), "an object"));
  }

  /// The value of a required key; null after an error.
  ordered_json take(const std::string& key) {
    m_known.push_back(key);
    if (m_error) return {};
    const auto entry = m_object.find(key);
    if (entry == m_object.end()) {
      note(fail(ErrorCode::MissingValue, {{"key", name(key)}, {"file", m_file}}));
      return {};
    }
    ordered_json value = std::move(*entry);
    m_object.erase(entry);
    return value;
  }
  template <class T>
  void text(const std::string& key, T& out) {
    const ordered_json value = take(key);
    if (m_error) return;
    if (!value.is_string()) return note(wrongType(m_file, name(key), value.dump(), "text"));
    out = value.get<std::string>();
  }
  template <class E>
  void choice(const std::string& key, E& out) {
    const ordered_json value = take(key);
    if (m_error) return;
    if (!value.is_string() || !api::parseEnum(value.get<std::string>(), out))
      note(wrongType(m_file, name(key), value.dump(), oneOf(api::EnumNames<E>::names)));
  }
  void number(const std::string& key, double& out) {
    const ordered_json value = take(key);
    if (m_error) return;
    if (!value.is_number()) return note(wrongType(m_file, name(key), value.dump(), "a number"));
    out = value.get<double>();
  }
  template <class S>
  void rows(S& object) {
    for (const api::Field<S>& row : api::fields<S>()) {
      const ordered_json value = take(std::string(row.key));
      if (m_error) return;
      const auto typed = fieldValue(value);
      if (!typed || !row.set(object, *typed))
        note(wrongType(m_file, name(std::string(row.key)), value.dump(), expectedText(row)));
    }
  }
  ObjectReader object(const std::string& key) { return {take(key), name(key), m_file, m_error}; }
  void end() {
    if (m_error || m_object.empty()) return;
    const std::string& key = m_object.begin().key();
    note(fail(ErrorCode::UnknownKey,
              {{"key", name(key)}, {"file", m_file}, {"nearest", nearestName(key, m_known)}}));
  }

 private:
  std::string name(const std::string& key) const {
    return m_where.empty() ? key : m_where + "." + key;
  }
  void note(tl::unexpected<api::Error> error) {
    if (!m_error) m_error = std::move(error.value());
  }
  ordered_json m_object;
  std::string m_where;
  const std::string& m_file;
  std::optional<api::Error>& m_error;
  std::vector<std::string> m_known;
};

void readAdapters(const ordered_json& list,
                  const std::string& file,
                  std::optional<api::Error>& error,
                  api::GenerateRequest& request) {
  if (error) return;
  if (!list.is_array()) {
    error = wrongType(file, "adapters", list.dump(), "a list").value();
    return;
  }
  for (const ordered_json& item : list) {
    api::AdapterRef& adapter = request.adapters.emplace_back();
    ObjectReader in(
        item, "adapters[" + std::to_string(request.adapters.size() - 1) + "]", file, error);
    in.text("file", adapter.file);
    in.number("strength", adapter.strength);
    in.end();
  }
}

/// As the web UI writes texts that its own list of settings could not hold.
std::string quoted(const std::string& text) {
  if (text.find_first_of(",:\n") == std::string::npos) return text;
  return ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string shortest(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

std::string toJson(const api::GenerateRequest& request) {
  ordered_json out{{"schemaVersion", kSchemaVersion}, {"model", modelJson(request.model)}};
  out["adapters"] = ordered_json::array();
  for (const api::AdapterRef& adapter : request.adapters)
    out["adapters"].push_back({{"file", adapter.file.string()}, {"strength", adapter.strength}});
  out["request"] = sectionJson(request);
  api::forEachSection(request, [&](const char* section, const auto& options) {
    out[section] = sectionJson(options);
  });
  out["outFolder"] = request.outFolder.string();
  // Paths may hold bytes that are no UTF-8; the picture matters more than they do.
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<api::GenerateRequest> generateRequestFromJson(const std::string& text,
                                                     const std::string& fileName) {
  constexpr std::size_t kMaxBytes = 1 << 20;
  ordered_json parsed = text.size() > kMaxBytes ? ordered_json(ordered_json::value_t::discarded)
                                                : ordered_json::parse(text, nullptr, false);
  if (parsed.is_discarded())
    return fail(ErrorCode::FileUnreadable,
                {{"file", fileName}, {"reason", "its request is not JSON"}});
  std::optional<api::Error> error;
  api::GenerateRequest request;
  ObjectReader root(std::move(parsed), "", fileName, error);
  double version = kSchemaVersion;
  root.number("schemaVersion", version);
  if (!error && version > kSchemaVersion)
    return fail(ErrorCode::NewerSchema, {{"file", fileName}, {"version", shortest(version)}});
  ObjectReader model = root.object("model");
  model.text("path", request.model.path);
  model.text("checkpoint", request.model.checkpoint);
  model.text("hash", request.model.hash);
  model.text("vae", request.model.vae);
  model.choice("prediction", request.model.prediction);
  model.end();
  readAdapters(root.take("adapters"), fileName, error, request);
  ObjectReader plain = root.object("request");
  plain.rows(request);
  plain.end();
  api::forEachSection(request, [&](const char* section, auto& options) {
    ObjectReader in = root.object(section);
    in.rows(options);
    in.end();
  });
  root.text("outFolder", request.outFolder);
  root.end();
  if (error) return fail(*error);
  if (const auto broken = api::validate(request); !broken.empty()) {
    api::Error first = broken.front().error;
    first.context.emplace_back("file", fileName);
    return fail(std::move(first));
  }
  return request;
}

std::string a1111Parameters(const api::GenerateRequest& request, std::int64_t seed) {
  const api::SamplingOptions& s = request.sampling;
  std::string out = api::renderPrompt(request.prompt, request.subject);
  for (const std::string& line : request.prompts)
    out += (out.empty() ? "" : "\n") + api::renderPrompt(line, request.subject);
  if (!request.negativePrompt.empty())
    out += "\nNegative prompt: " + api::renderPrompt(request.negativePrompt, request.subject);
  out += "\nSteps: " + std::to_string(s.steps);
  out.append(", Sampler: ").append(api::samplerInfo(s.sampler).label);
  if (s.karras) out += ", Schedule type: Karras";
  if (s.exponential) out += ", Schedule type: Exponential";
  out += ", CFG scale: " + shortest(s.guidance) + ", Seed: " + std::to_string(seed);
  if (request.width > 0)
    out += ", Size: " + std::to_string(request.width) + "x" + std::to_string(request.height);
  if (s.eta > 0) out += ", Eta: " + shortest(s.eta);
  if (s.guidanceRescale > 0) out += ", CFG Rescale phi: " + shortest(s.guidanceRescale);
  if (!request.image.empty()) out += ", Denoising strength: " + shortest(request.strength);
  if (request.hiresScale > 1)
    out +=
        (request.image.empty() ? ", Denoising strength: " + shortest(request.hiresStrength) : "") +
        ", Hires upscale: " + shortest(request.hiresScale) + ", Hires upscaler: Lanczos";
  if (s.clipSkip > 1) out += ", Clip skip: " + std::to_string(s.clipSkip);
  if (request.promptSyntax == api::PromptSyntax::Plain) out += ", Emphasis: None";
  if (!request.promptTemplate.empty()) out += ", Template: " + quoted(request.promptTemplate);
  if (!request.negativeTemplate.empty())
    out += ", Negative Template: " + quoted(request.negativeTemplate);
  out += ", Model: " + std::filesystem::path(request.model.path).stem().string();
  return out + ", Version: Likeness";
}

}  // namespace likeness::config
