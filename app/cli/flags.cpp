#include "app/cli/flags.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace likeness::cli {

using namespace api;

namespace {

template <class T>
std::optional<T> parseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string joined(std::span<const std::string_view> choices, std::string_view separator) {
  std::string text;
  for (const auto choice : choices)
    text += (text.empty() ? "" : std::string(separator)) + std::string(choice);
  return text;
}

std::string numberText(double value) {
  // Whole numbers in full: 1000000, not 1e+06.
  if (value == std::floor(value) && std::abs(value) < 1e16)
    return std::to_string(static_cast<std::int64_t>(value));
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string typeName(const FieldInfo& row) {
  switch (row.kind) {
    case FieldKind::Integer:
      return "N";
    case FieldKind::Number:
      return "X";
    case FieldKind::Path:
      return "PATH";
    case FieldKind::Choice:
      return joined(row.choices, "|");
    default:
      return "TEXT";
  }
}

std::string helpText(const FieldInfo& row) {
  std::string text(row.help);
  const bool low = row.min != std::numeric_limits<double>::lowest();
  const bool high = row.max != std::numeric_limits<double>::max();
  if (low && high)
    text += " [" + numberText(row.min) + " to " + numberText(row.max) + "]";
  else if (low)
    text += " [at least " + numberText(row.min) + "]";
  if (!row.unit.empty()) text += " (" + std::string(row.unit) + ")";
  return text;
}

std::string expectation(const FieldInfo& row) {
  switch (row.kind) {
    case FieldKind::Integer:
      return "takes a whole number";
    case FieldKind::Number:
      return "takes a number";
    case FieldKind::Choice:
      return "takes one of " + joined(row.choices, ", ");
    default:
      return "does not take this value";
  }
}

}  // namespace

void addModelFlags(CLI::App& app, ModelRef& model) {
  app.add_option("--vae", model.vae, "An autoencoder in place of the model's own")
      ->type_name("FILE");
  app.add_option_function<std::string>(
         "--prediction",
         [&model](const std::string& text) {
           if (!parseEnum(text, model.prediction))
             throw CLI::ValidationError("--prediction",
                                        "takes one of " + namesOf<PredictionChoice>());
         },
         "What the model predicts, where its file does not say it")
      ->type_name("auto|epsilon|v_prediction|sample")
      ->default_str("auto");
}

void addOutputFlags(CLI::App& app,
                    std::string& dtype,
                    std::int64_t& shardMiB,
                    std::filesystem::path& out) {
  app.add_option("--dtype", dtype, "Number format of the weights in the file")
      ->type_name("as-stored|fp16|bf16|fp32")
      ->capture_default_str();
  app.add_option("--shard-mib",
                 shardMiB,
                 "Split the weight files of a folder above this many MiB; 0 = never")
      ->type_name("MIB")
      ->capture_default_str();
  app.add_option("--out", out, "Folder or .safetensors file to write; must not exist")
      ->type_name("PATH")
      ->required();
}

Result<void> parseStoredType(const std::string& text, std::optional<FileDType>& dtype) {
  FileDType type = FileDType::Fp16;
  if (parseEnum(text, type))
    dtype = type;
  else if (text != "as-stored")
    return fail(ErrorCode::BadUsage,
                {{"reason", "--dtype takes one of as-stored, " + namesOf<FileDType>()}});
  return {};
}

std::string toText(const FieldValue& value) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "yes" : "no"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return numberText(v); }
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(const std::vector<std::string>& v) const {
      std::string text;
      for (const auto& item : v) text += (text.empty() ? "" : ", ") + item;
      return text;
    }
  };
  return std::visit(Visitor{}, value);
}

void Flags::add(std::string_view section, const FieldInfo& row, const FieldValue& value) {
  const std::string name = kebabCase(row.key);
  const std::string help = helpText(row);
  CLI::Option* option = nullptr;
  if (row.kind == FieldKind::Boolean) {
    option = m_app.add_flag("--" + name + ",!--no-" + name, help);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  } else {
    option = m_app.add_option("--" + name, help)->expected(1)->type_name(typeName(row));
    option->multi_option_policy(row.kind == FieldKind::TextList ? CLI::MultiOptionPolicy::TakeAll
                                                                : CLI::MultiOptionPolicy::TakeLast);
    option->default_str(toText(value));
  }
  std::string group(section);
  if (!group.empty())
    group.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(group.front())));
  option->group(row.advanced ? "Expert" : group);
  m_options[std::string(section) + "." + std::string(row.key)] = option;
}

Result<std::optional<FieldValue>> Flags::given(std::string_view section,
                                               const FieldInfo& row) const {
  const auto found = m_options.find(std::string(section) + "." + std::string(row.key));
  if (found == m_options.end() || found->second->count() == 0) return std::optional<FieldValue>();
  const CLI::Option& option = *found->second;
  const std::string& text = option.results().back();
  switch (row.kind) {
    case FieldKind::Boolean:
      return std::optional<FieldValue>(option.as<bool>());
    case FieldKind::TextList:
      return std::optional<FieldValue>(option.results());
    case FieldKind::Integer:
      if (const auto value = parseNumber<std::int64_t>(text))
        return std::optional<FieldValue>(*value);
      return refuse(row);
    case FieldKind::Number:
      if (const auto value = parseNumber<double>(text)) return std::optional<FieldValue>(*value);
      return refuse(row);
    default:
      return std::optional<FieldValue>(text);
  }
}

tl::unexpected<Error> Flags::refuse(const FieldInfo& row) {
  return fail(ErrorCode::BadUsage,
              {{"reason", "--" + kebabCase(row.key) + " " + expectation(row)}});
}

}  // namespace likeness::cli
