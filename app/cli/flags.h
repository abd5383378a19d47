// Command-line flags generated from the field tables: `passesPerPhoto` becomes --passes-per-photo.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/options.h"
#include "core/api/requests.h"
#include "core/api/result.h"

namespace likeness::cli {

/// The flags of one subcommand. They are kept as typed and laid over an option struct afterwards,
/// because the model's recipe and the configuration file come in between.
class Flags {
 public:
  explicit Flags(CLI::App& app) : m_app(app) {}

  /// One flag per row of the table of S; `defaults` are shown in the help. Rows whose key is in
  /// `leftOut` are not offered.
  template <class S>
  void add(std::string_view section,
           const S& defaults,
           const std::vector<std::string_view>& leftOut = {}) {
    for (const api::Field<S>& row : api::fields<S>())
      if (std::find(leftOut.begin(), leftOut.end(), row.key) == leftOut.end())
        add(section, row, row.get(defaults));
  }

  /// Lays the flags that were given over `object`. Errors: BadUsage naming the flag.
  template <class S>
  api::Result<void> apply(std::string_view section, S& object) const {
    for (const api::Field<S>& row : api::fields<S>()) {
      const auto value = given(section, row);
      if (!value) return api::fail(value.error());
      if (*value && !row.set(object, **value)) return refuse(row);
    }
    return {};
  }

 private:
  void add(std::string_view section, const api::FieldInfo& row, const api::FieldValue& value);
  api::Result<std::optional<api::FieldValue>> given(std::string_view section,
                                                    const api::FieldInfo& row) const;
  static tl::unexpected<api::Error> refuse(const api::FieldInfo& row);

  CLI::App& m_app;
  std::map<std::string, CLI::Option*> m_options;  // by "section.key"
};

/// "fp16, bf16, fp32".
template <class E>
std::string namesOf() {
  std::string names;
  for (const auto name : api::EnumNames<E>::names)
    names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}
template <class E>
api::Result<void> parseChoice(const std::string& flag, const std::string& text, E& value) {
  if (api::parseEnum(text, value)) return {};
  return api::fail(api::ErrorCode::BadUsage, {{"reason", flag + " takes one of " + namesOf<E>()}});
}

/// --vae and --prediction: what a model's files do not hold or say.
void addModelFlags(CLI::App& app, api::ModelRef& model);

/// --dtype, --shard-mib and --out of a model that is written.
void addOutputFlags(CLI::App& app,
                    std::string& dtype,
                    std::int64_t& shardMiB,
                    std::filesystem::path& out);
/// What --dtype means; "as-stored" leaves it absent.
api::Result<void> parseStoredType(const std::string& text, std::optional<api::FileDType>& dtype);

/// A value as a person types it.
std::string toText(const api::FieldValue& value);

}  // namespace likeness::cli
