#include "ui/util/option_fields.h"

#include <type_traits>

namespace likeness::ui {
namespace {

/// visit(section, prefix of its paths, section struct) for everything that has a field table.
template <class Request, class Visit>
void forEachTable(Request& request, Visit&& visit) {
  if constexpr (std::is_same_v<std::remove_const_t<Request>, api::GenerateRequest>)
    visit(std::string("picture"), std::string(), request);
  api::forEachSection(request, [&](std::string_view section, auto& options) {
    visit(std::string(section), std::string(section) + '.', options);
  });
}

/// Calls use(field, section struct) for the option of that path.
template <class Request, class Use>
void withOption(Request& request, const std::string& path, Use&& use) {
  forEachTable(request, [&](const std::string&, const std::string& prefix, auto& options) {
    if (!path.starts_with(prefix)) return;
    const std::string_view key = std::string_view(path).substr(prefix.size());
    for (const auto& field : api::fields<std::remove_cvref_t<decltype(options)>>())
      if (field.key == key) use(field, options);
  });
}

template <class Request>
std::vector<OptionField> optionsOf() {
  std::vector<OptionField> list;
  const Request defaults;
  forEachTable(defaults,
               [&](const std::string& section, const std::string& prefix, const auto& options) {
                 for (const auto& field : api::fields<std::remove_cvref_t<decltype(options)>>())
                   list.push_back({prefix + std::string(field.key), section, &field});
               });
  return list;
}

template <class Request>
api::FieldValue readFrom(const Request& request, const std::string& path) {
  api::FieldValue value;
  withOption(
      request, path, [&](const auto& field, const auto& options) { value = field.get(options); });
  return value;
}

template <class Request>
bool writeInto(Request& request, const std::string& path, const api::FieldValue& value) {
  bool done = false;
  withOption(
      request, path, [&](const auto& field, auto& options) { done = field.set(options, value); });
  return done;
}

}  // namespace

const std::vector<OptionField>& trainOptions() {
  static const std::vector<OptionField> all = optionsOf<api::TrainRequest>();
  return all;
}
const std::vector<OptionField>& generateOptions() {
  static const std::vector<OptionField> all = optionsOf<api::GenerateRequest>();
  return all;
}

api::FieldValue readOption(const api::TrainRequest& request, const std::string& path) {
  return readFrom(request, path);
}
api::FieldValue readOption(const api::GenerateRequest& request, const std::string& path) {
  return readFrom(request, path);
}

bool writeOption(api::TrainRequest& request,
                 const std::string& path,
                 const api::FieldValue& value) {
  return writeInto(request, path, value);
}
bool writeOption(api::GenerateRequest& request,
                 const std::string& path,
                 const api::FieldValue& value) {
  return writeInto(request, path, value);
}

}  // namespace likeness::ui
