// One JSON object, read key by key; the first problem is kept and later reads return defaults, so
// readers stay straight lines.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/api/result.h"

namespace likeness::weights {

class ConfigReader {
 public:
  /// Errors: FileNotFound, FileUnreadable, BadModelFile.
  static api::Result<ConfigReader> open(const std::filesystem::path& file);

  /// Absent keys leave `value` as it is (the constructor default).
  void integer(const char* key,
               std::int64_t& value,
               std::int64_t min = 1,
               std::int64_t max = 1 << 20);
  /// A number or a list of numbers, each in range.
  void integers(const char* key,
                std::vector<std::int64_t>& values,
                std::int64_t min = 1,
                std::int64_t max = 1 << 20);
  void number(const char* key, double& value);
  void flag(const char* key, bool& value);
  /// One of `allowed`; another text is UnsupportedModel. Null is absent, here and in `texts`.
  void text(const char* key, std::string& value, const std::vector<std::string>& allowed);
  void texts(const char* key,
             std::vector<std::string>& values,
             const std::vector<std::string>& allowed);
  /// A key whose other values this program cannot honour; absent and null mean the same as `only`.
  void fixed(const char* key, const nlohmann::json& only);
  /// The object under a key, empty where there is none, with its own problems.
  ConfigReader section(const char* key);
  void ignore(const char* key) { m_seen.insert(key); }
  /// Refuses keys that were not read, unless their value is null or false or they begin with "_".
  void refuseOthers();
  void refuse(const std::string& reason);

  /// `config`, or the first problem.
  template <class Config>
  api::Result<Config> finish(Config config) const {
    if (m_error) return api::fail(*m_error);
    return config;
  }

 private:
  ConfigReader(std::filesystem::path file, nlohmann::json json)
      : m_file(std::move(file)), m_json(std::move(json)) {}
  const nlohmann::json* find(const char* key);
  void wrong(const std::string& key, const std::string& expected);
  void unsupported(const std::string& key, const nlohmann::json& value);
  bool readInteger(const nlohmann::json& json,
                   std::int64_t min,
                   std::int64_t max,
                   std::int64_t& value);

  std::filesystem::path m_file;
  nlohmann::json m_json;
  std::set<std::string> m_seen;
  std::optional<api::Error> m_error;
};

}  // namespace likeness::weights
