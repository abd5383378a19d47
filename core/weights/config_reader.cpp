// Checked access to one JSON object.
#include "core/weights/config_reader.h"

#include <algorithm>
#include <cmath>

#include "core/base/file_system.h"

namespace likeness::weights {

api::Result<ConfigReader> ConfigReader::open(const std::filesystem::path& file) {
  auto content = base::readFile(file, 1 << 20);
  if (!content) return api::fail(content.error());
  auto json = nlohmann::json::parse(*content, nullptr, false);
  if (!json.is_object())
    return api::fail(api::ErrorCode::BadModelFile,
                     {{"file", file.string()}, {"reason", "it is not a JSON object"}});
  return ConfigReader(file, std::move(json));
}

const nlohmann::json* ConfigReader::find(const char* key) {
  m_seen.insert(key);
  const auto found = m_json.find(key);
  return found == m_json.end() ? nullptr : &*found;
}

ConfigReader ConfigReader::section(const char* key) {
  const nlohmann::json* value = find(key);
  if (value && !value->is_object()) wrong(key, "an object");
  return {m_file, value && value->is_object() ? *value : nlohmann::json::object()};
}

void ConfigReader::refuse(const std::string& reason) {
  if (!m_error)
    m_error = api::Error{
        api::ErrorCode::BadModelFile, {{"file", m_file.string()}, {"reason", reason}}, {}};
}

void ConfigReader::wrong(const std::string& key, const std::string& expected) {
  refuse("\"" + key + "\" must be " + expected);
}

void ConfigReader::unsupported(const std::string& key, const nlohmann::json& value) {
  const std::string shown = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!m_error)
    m_error = api::Error{
        api::ErrorCode::UnsupportedModel,
        {{"file", m_file.string()},
         {"reason", "\"" + key + "\" is " + shown.substr(0, 80) + ", which is not supported"}},
        {}};
}

bool ConfigReader::readInteger(const nlohmann::json& json,
                               std::int64_t min,
                               std::int64_t max,
                               std::int64_t& value) {
  if (!json.is_number_integer()) return false;
  const bool tooLarge = json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX;
  if (tooLarge || json.get<std::int64_t>() < min || json.get<std::int64_t>() > max) return false;
  value = json.get<std::int64_t>();
  return true;
}

namespace {

std::string wholeNumber(std::int64_t min, std::int64_t max) {
  return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

void ConfigReader::integer(const char* key,
                           std::int64_t& value,
                           std::int64_t min,
                           std::int64_t max) {
  if (const auto* json = find(key); json && !readInteger(*json, min, max, value))
    wrong(key, wholeNumber(min, max));
}

void ConfigReader::integers(const char* key,
                            std::vector<std::int64_t>& values,
                            std::int64_t min,
                            std::int64_t max) {
  const auto* json = find(key);
  if (!json) return;
  const auto list = json->is_array() ? *json : nlohmann::json::array({*json});
  std::vector<std::int64_t> read(list.size());
  bool good = !list.empty() && list.size() <= 64;
  for (std::size_t i = 0; good && i < list.size(); ++i)
    good = readInteger(list[i], min, max, read[i]);
  if (!good) return wrong(key, wholeNumber(min, max) + " or a list of them");
  values = std::move(read);
}

void ConfigReader::number(const char* key, double& value) {
  const auto* json = find(key);
  if (!json) return;
  if (!json->is_number() || !std::isfinite(json->get<double>())) return wrong(key, "a number");
  value = json->get<double>();
}

void ConfigReader::flag(const char* key, bool& value) {
  const auto* json = find(key);
  if (!json) return;
  if (!json->is_boolean()) return wrong(key, "true or false");
  value = json->get<bool>();
}

void ConfigReader::text(const char* key,
                        std::string& value,
                        const std::vector<std::string>& allowed) {
  const auto* json = find(key);
  if (!json || json->is_null()) return;
  if (!json->is_string()) return wrong(key, "a text");
  if (std::ranges::find(allowed, json->get<std::string>()) == allowed.end())
    return unsupported(key, *json);
  value = json->get<std::string>();
}

void ConfigReader::texts(const char* key,
                         std::vector<std::string>& values,
                         const std::vector<std::string>& allowed) {
  const auto* json = find(key);
  if (!json || json->is_null()) return;
  if (!json->is_array() || json->empty() || json->size() > 64) return wrong(key, "a list of texts");
  values.clear();
  for (const auto& entry : *json) {
    if (!entry.is_string()) return wrong(key, "a list of texts");
    values.push_back(entry.get<std::string>());
    if (std::ranges::find(allowed, values.back()) == allowed.end()) return unsupported(key, entry);
  }
}

void ConfigReader::fixed(const char* key, const nlohmann::json& only) {
  if (const auto* json = find(key); json && !json->is_null() && *json != only)
    unsupported(key, *json);
}

void ConfigReader::refuseOthers() {
  for (const auto& [key, value] : m_json.items()) {
    const bool harmless = key.starts_with("_") || value.is_null() || value == false;
    if (!harmless && !m_seen.contains(key)) unsupported(key, value);
  }
}

}  // namespace likeness::weights
